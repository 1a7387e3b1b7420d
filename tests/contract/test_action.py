"""What every action keeps to: it reaches as far as it declares, and asks its target for no more than that needs."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from confd.actions import ACTIONS, recreate, restart, signal, update
from confd.actions import exec as execute
from confd.actions.fidelity import Wanted
from confd.actions.gate import Gate
from confd.actions.obstacles import obstacles_of
from confd.actions.stopping import Stop
from confd.actions.swap import Swap
from confd.clock import SystemClock
from confd.errors import CommandFailed, EngineRefused, NotReady, StartFailed, TargetError
from confd.model import Reach
from confd.options import OPTIONS, observed_options
from confd.ports import Inspect, Replacement, Target
from confd.targets.memory import MemoryTarget, Program
from tests.support.asked import Asked

IMAGE = "app:1"
NOWHERE = Path("/nowhere")
"""In place of /proc, so that no signal goes by a pid."""

ALWAYS = OPTIONS["restart"].parse("always")
SWAP = Swap(gate=Gate(0.0))


TOOLS = {
    "kill": (0, ""),
    "reload": (0, "reloaded\n"),
    "busy": (75, ""),
    "broken": (1, "one\nno vhost\n"),
    "hangs": None,
}


def _program(inspect: Inspect) -> Program:
    """It says what it is told, and with `fail` among its variables it ends at once."""
    if "fail=1" in (inspect["Config"]["Env"] or ()):
        return Program(exits=3, says="no such setting\n")
    return Program(heeds={"SIGTERM": 0, "SIGHUP": "hup"}, tools=TOOLS)


def _wanted(inspect: Inspect, **variables: str) -> Wanted:
    return Wanted(IMAGE, variables, observed_options(inspect))


def _recreate(target: Any, inspect: Inspect, **variables: str) -> None:
    wanted = _wanted(inspect, **variables)
    recreate.apply(target, inspect, wanted, SWAP, SystemClock())


def _execute(target: Any, inspect: Inspect, *command: str) -> None:
    execute.apply(target, inspect, command, 1.0)


RUNS: Mapping[str, Callable[[Any, Inspect], None]] = {
    signal.NAME: lambda target, inspect: signal.apply(target, inspect, "HUP", NOWHERE),
    execute.NAME: lambda target, inspect: _execute(target, inspect, "reload"),
    update.NAME: lambda target, inspect: update.apply(target, inspect, {"memory": "67108864"}),
    restart.NAME: lambda target, inspect: restart.apply(
        target, inspect, Stop(timeout_s=1.0), Gate(0.0), SystemClock()
    ),
    recreate.NAME: lambda target, inspect: _recreate(target, inspect, level="debug"),
}
"""A run of each action on a container that runs. A new action takes one more."""


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget({IMAGE: _program})


def _run(target: MemoryTarget, policy: str = "no", **config: Any) -> Inspect:
    """A container with the restart policy, running."""
    host = {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}}
    container = target.create(
        Replacement("web", {"Image": IMAGE, "Cmd": ["run"], **config, "HostConfig": host}, {})
    )
    target.start(container)
    return target.inspect(container)


def _reach(before: Inspect, after: Inspect) -> Reach:
    if before["Id"] != after["Id"]:
        return Reach.NEW_CONTAINER
    if before["State"]["StartedAt"] != after["State"]["StartedAt"]:
        return Reach.NEW_PROCESS
    return Reach.IN_PLACE


def _members(protocol: type) -> set[str]:
    return {name for one in protocol.__mro__ for name in vars(one) if not name.startswith("_")}


@pytest.mark.parametrize("policy", ["no", "always", "unless-stopped"])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.NAME)
def test_an_action_reaches_as_far_as_it_declares(
    target: MemoryTarget, action: types.ModuleType, policy: str
) -> None:
    before = _run(target, policy)
    RUNS[action.NAME](target, before)
    (after,) = target.containers("")
    assert _reach(before, after) is action.REACH
    assert (after["Name"], after["State"]["Running"]) == ("/web", True)
    assert after["HostConfig"]["RestartPolicy"] == before["HostConfig"]["RestartPolicy"]


@pytest.mark.parametrize("policy", ["no", "always"])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.NAME)
def test_an_action_asks_for_no_more_than_it_requires(
    target: MemoryTarget, action: types.ModuleType, policy: str
) -> None:
    asked = Asked(target)
    RUNS[action.NAME](asked, _run(target, policy))
    allowed = _members(Target).union(*map(_members, action.REQUIRES))
    assert set(asked.calls) <= allowed


@pytest.mark.parametrize(
    ("policy", "config"),
    [
        pytest.param("always", {}, id="always"),
        pytest.param("always", {"StopSignal": "SIGTERM"}, id="always-and-another-stop-signal"),
        pytest.param("unless-stopped", {}, id="unless-stopped"),
        pytest.param("unless-stopped", {"StopSignal": "SIGTERM"}, id="unless-stopped-and-another-stop-signal"),
    ],
)
def test_a_signal_leaves_the_restart_policy_alive_b81(
    target: MemoryTarget, policy: str, config: dict[str, str]
) -> None:
    inspect = _run(target, policy, **config)
    signal.apply(target, inspect, "HUP", NOWHERE)
    assert target.logs("web", 5) == "hup\n"
    target.execute("web", ["kill", "-s", "TERM", "1"], 5)
    after = target.inspect("web")
    assert (after["State"]["Running"], after["RestartCount"]) == (True, 1)


def test_a_command_s_output_is_given(target: MemoryTarget) -> None:
    assert execute.apply(target, _run(target), ["reload"], 1.0) == "reloaded\n"


@pytest.mark.parametrize(
    ("command", "error", "says", "again"),
    [
        ("busy", NotReady, "busy asks to be skipped for now", True),
        ("broken", CommandFailed, "broken ended with 1, its last words: no vhost$", False),
        ("missing", CommandFailed, "missing ended with 126, .*not found", False),
        ("hangs", CommandFailed, "hangs took longer than 1 s", False),
    ],
)
def test_a_command_that_fails_says_so_and_one_that_asks_is_tried_again(
    target: MemoryTarget, command: str, error: type[TargetError], says: str, again: bool
) -> None:
    with pytest.raises(error, match=says) as raised:
        _execute(target, _run(target), command)
    assert raised.value.retryable is again


def test_an_update_that_the_engine_passes_over_is_refused(target: MemoryTarget) -> None:
    with pytest.raises(EngineRefused, match="use recreate"):
        update.apply(target, _run(target), {"shm-size": "1048576"})


def test_an_update_that_the_engine_refuses_says_what_stays(target: MemoryTarget) -> None:
    inspect = _run(target)
    with pytest.raises(EngineRefused, match=r"; it keeps what it had$"):
        update.apply(target, inspect, {"cpus": "900000000000"})


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"restart": OPTIONS["restart"].removal}, id="the restart policy no"),
        pytest.param({"pids-limit": "-1"}, id="no limit of processes"),
        pytest.param({"memory": "67108864", "memory-swap": "134217728"}, id="swap of twice the memory"),
    ],
)
def test_an_update_to_a_default_is_no_refusal(target: MemoryTarget, options: dict[str, str]) -> None:
    update.apply(target, _run(target), {"pids-limit": "100", "restart": ALWAYS})
    update.apply(target, target.inspect("web"), options)
    assert not (options.keys() - {"memory"}) & observed_options(target.inspect("web")).keys()


def test_a_successor_that_does_not_stay_up_gives_its_place_back_with_its_words(target: MemoryTarget) -> None:
    before = _run(target, "always")
    with pytest.raises(StartFailed, match="no such setting") as error:
        _recreate(target, before, fail="1")
    assert "no such setting\n" in error.value.log
    (after,) = target.containers("")
    assert (after["Id"], after["Name"], after["State"]["Running"]) == (before["Id"], "/web", True)
    assert after["HostConfig"]["RestartPolicy"]["Name"] == "always"


class _StartedByHand(MemoryTarget):
    """Somebody starts the old container again just before it is removed."""

    starts = 1

    def remove(self, container: str) -> None:
        if self.starts:
            self.starts = 0
            self.start(container)
        super().remove(container)


def test_an_old_container_that_was_started_again_meanwhile_is_not_left_behind() -> None:
    target = _StartedByHand({IMAGE: _program})
    before = _run(target, "always")
    _recreate(target, before, level="debug")
    (after,) = target.containers("")
    assert (after["Name"], after["State"]["Running"], after["Id"] != before["Id"]) == ("/web", True, True)


def test_a_paused_container_is_not_recreated(target: MemoryTarget) -> None:
    inspect = dict(_run(target))
    assert obstacles_of(inspect) == ()
    (obstacle,) = obstacles_of({**inspect, "State": {**inspect["State"], "Paused": True}})
    assert "docker unpause" in obstacle
