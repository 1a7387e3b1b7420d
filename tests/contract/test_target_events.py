"""What every target keeps to when nobody asks: signals, restart policies, events, and what is gone or away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from confd.errors import ContainerGone, EngineRefused, EngineUnavailable
from confd.ports import Engine, Replacement, TargetEvent
from tests.support.engine import IMAGE
from tests.support.targets import ALWAYS, DEAF, EACH_TARGET, FAILS, NO, SERVES, UNLESS_STOPPED, Rig
from tests.support.wait import until

pytestmark = EACH_TARGET


# --- signals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", ["HUP", "SIGHUP", "1"])
def test_a_signal_reaches_the_program_by_any_of_its_names(rig: Rig, signal: str) -> None:
    container = rig.run("web")
    before = rig.state(container)
    rig.target.signal(container, signal)
    until(lambda: "hup" in rig.target.logs(container, 10), 10)
    assert rig.state(container) == before


def test_a_kill_ends_it(rig: Rig) -> None:
    container = rig.run("web", DEAF)
    rig.target.signal(container, "KILL")
    assert rig.ends(container)["ExitCode"] == 137


def test_a_signal_without_a_process_finds_it_gone(rig: Rig) -> None:
    container = rig.create("web")
    with pytest.raises(ContainerGone):
        rig.target.signal(container, "HUP")
    rig.target.start(container)
    rig.target.stop(container, 0)
    with pytest.raises(ContainerGone):
        rig.target.signal(container, "HUP")


def test_what_is_no_signal_is_refused(rig: Rig) -> None:
    container = rig.run("web")
    with pytest.raises(EngineRefused):
        rig.target.signal(container, "NOPE")


# --- restart policies ---------------------------------------------------------------------------------------


def test_a_policy_starts_it_again_after_an_end_that_nobody_asked_for(rig: Rig) -> None:
    container = rig.run("web", host={"RestartPolicy": ALWAYS})
    before = rig.state(container)
    rig.end_from_inside(container)
    until(lambda: rig.target.inspect(container)["RestartCount"] == 1 and rig.state(container)["Pid"], 10)
    assert rig.state(container)["StartedAt"] > before["StartedAt"]


@pytest.mark.parametrize(
    ("policy", "stop_signal", "kept"),
    [
        pytest.param(ALWAYS, "", False, id="always"),
        pytest.param(ALWAYS, "SIGHUP", False, id="always-and-it-is-the-stop-signal"),
        pytest.param(ALWAYS, "SIGTERM", True, id="always-and-another-stop-signal"),
        pytest.param(UNLESS_STOPPED, "SIGTERM", False, id="unless-stopped"),
    ],
)
def test_a_signal_through_the_engine_may_count_as_a_stop_b81(
    rig: Rig, policy: dict[str, Any], stop_signal: str, *, kept: bool
) -> None:
    more = {"StopSignal": stop_signal} if stop_signal else {}
    container = rig.run("web", host={"RestartPolicy": policy}, **more)
    rig.target.signal(container, "HUP")
    until(lambda: "hup" in rig.target.logs(container, 10), 10)
    with rig.events() as seen:
        rig.end_from_inside(container)
        until(lambda: any(event.action == "die" for event in seen), 10)
        until(lambda: rig.state(container)["Status"] == ("running" if kept else "exited"), 10)
    assert rig.target.inspect(container)["RestartCount"] == int(kept)


def test_a_policy_with_a_maximum_gives_up(rig: Rig) -> None:
    container = rig.create("web", FAILS, host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2}})
    rig.target.start(container)
    assert rig.ends(container)["ExitCode"] == 3
    assert rig.target.inspect(container)["RestartCount"] == 2
    assert rig.target.logs(container, 10) == "one\ntwo\n" * 3


def test_one_that_ends_over_and_over_is_between_two_lives_until_it_is_stopped(rig: Rig) -> None:
    container = rig.create("web", FAILS, host={"RestartPolicy": ALWAYS})
    rig.target.start(container)
    until(lambda: rig.target.inspect(container)["RestartCount"] > 2 and rig.state(container)["Restarting"], 20)
    state = rig.state(container)
    assert (state["Status"], state["Running"], state["ExitCode"]) == ("restarting", True, 3)
    with pytest.raises(EngineRefused):
        rig.target.remove(container)
    with pytest.raises(EngineRefused):
        rig.target.execute(container, ["echo", "hi"], 10)
    rig.target.stop(container, 0)
    assert rig.ends(container)["Status"] == "exited"
    rig.target.remove(container)


def test_a_policy_that_is_taken_away_ends_the_lives(rig: Rig) -> None:
    container = rig.create("web", FAILS, host={"RestartPolicy": ALWAYS})
    rig.target.start(container)
    until(lambda: rig.state(container)["Restarting"], 10)

    def taken() -> bool:
        """The engine refuses an update at the very moment in which a life ends."""
        try:
            rig.target.update(container, {"RestartPolicy": NO})
        except EngineRefused:
            return False
        return True

    until(taken, 10)
    assert rig.ends(container)["ExitCode"] == 3


# --- gone and away ------------------------------------------------------------------------------------------

CALLS: Mapping[str, Callable[[Engine], object]] = {
    "inspect": lambda target: target.inspect("gone"),
    "signal": lambda target: target.signal("gone", "HUP"),
    "restart": lambda target: target.restart("gone", 1),
    "restart-in-its-own-time": lambda target: target.restart("gone", None),
    "stop": lambda target: target.stop("gone", 1),
    "start": lambda target: target.start("gone"),
    "update": lambda target: target.update("gone", {"RestartPolicy": NO}),
    "rename": lambda target: target.rename("gone", "other"),
    "execute": lambda target: target.execute("gone", ["echo"], 1),
}


@pytest.mark.parametrize("call", sorted(CALLS))
def test_what_is_done_to_a_container_that_is_gone_says_so(rig: Rig, call: str) -> None:
    with pytest.raises(ContainerGone):
        CALLS[call](rig.target)
    assert not rig.target.containers("")


def test_removing_what_is_gone_is_fine_and_it_has_said_nothing(rig: Rig) -> None:
    rig.target.remove("gone")
    assert rig.target.logs("gone", 10) == ""


MORE_CALLS: Mapping[str, Callable[[Engine], object]] = {
    **CALLS,
    "engine": lambda target: target.engine(),
    "containers": lambda target: target.containers(""),
    "ids": lambda target: target.ids(),
    "create": lambda target: target.create(Replacement("web", {"Image": IMAGE, "Cmd": SERVES}, {})),
    "remove": lambda target: target.remove("gone"),
    "image_id": lambda target: target.image_id(IMAGE),
    "image_config": lambda target: target.image_config(IMAGE),
}


@pytest.mark.parametrize("call", sorted(MORE_CALLS))
def test_an_engine_out_of_reach_is_told_by_every_call(rig: Rig, call: str) -> None:
    with pytest.raises(EngineUnavailable):
        MORE_CALLS[call](rig.made.away)


def test_an_engine_out_of_reach_is_told_to_be_away_and_ends_with_stop(rig: Rig) -> None:
    stop = threading.Event()
    ended = threading.Event()
    seen: list[TargetEvent] = []

    def listen() -> None:
        for event in rig.made.away.events(stop):
            seen.append(event)
        ended.set()

    listener = threading.Thread(target=listen)
    listener.start()
    until(lambda: bool(seen), 10)
    stop.set()
    assert ended.wait(5)
    listener.join(5)
    assert {event.action for event in seen} == {"away"}


# --- events -------------------------------------------------------------------------------------------------


def test_a_container_s_life_is_told_in_order(rig: Rig) -> None:
    with rig.events() as seen:
        container = rig.run("web", Labels={"confd.app": "web"})
        rig.target.update(container, {"RestartPolicy": NO})
        rig.target.rename(container, "shop")
        rig.target.restart(container, 10)
        rig.target.stop(container, 0)
        rig.target.remove(container)
        until(lambda: seen[-1].action == "destroy", 10)
    assert (seen[0].container, seen[0].action) == ("", "resync")
    told = [event.action for event in seen[1:]]
    life = ["create", "start", "update", "rename", "die", "stop", "start", "restart", "die", "stop", "destroy"]
    assert told == life
    assert {event.container for event in seen[1:]} == {container}
    assert {event.labels["confd.app"] for event in seen[1:]} == {"web"}


def test_what_changes_nothing_is_not_told(rig: Rig) -> None:
    container = rig.run("web")
    with rig.events() as seen:
        rig.target.start(container)
        rig.target.signal(container, "HUP")
        rig.target.execute(container, ["echo", "hi"], 10)
        rig.target.create(Replacement("last", {"Image": IMAGE, "Cmd": SERVES}, {}))
        until(lambda: seen[-1].action == "create", 10)
    assert [event.action for event in seen] == ["resync", "create"]


def test_each_listener_hears_everything(rig: Rig) -> None:
    with rig.events() as first, rig.events() as second:
        container = rig.create("web")
        for seen in (first, second):
            until(lambda: seen[-1].container == container, 10)  # noqa: B023 - called at once
        assert [event.action for event in first] == [event.action for event in second] == ["resync", "create"]


def test_threads_that_create_at_a_time_never_share_a_name(rig: Rig) -> None:
    made: list[str] = []
    refused: list[EngineRefused] = []

    def create() -> None:
        try:
            made.append(rig.create("web"))
        except EngineRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(made), len(refused)) == (1, 3)
