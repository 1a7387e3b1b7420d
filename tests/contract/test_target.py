"""What every target keeps to, in memory and on a real Docker Engine."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from confd.errors import ContainerGone, EngineRefused, EngineUnavailable
from confd.ports import Engine, Inspect, Replacement, TargetEvent
from confd.targets import TARGETS
from confd.targets.docker import DockerTarget
from confd.targets.memory import MemoryTarget, Program
from tests.support.engine import IMAGE, EngineProcess
from tests.support.wait import until

pytestmark = pytest.mark.parametrize("rig", sorted(TARGETS), indirect=True)

SERVES = ["sh", "-c", 'trap "exit 0" TERM; trap "echo hup" HUP; echo ready; while :; do sleep 0.05; done']
QUITS = ["sh", "-c", 'trap "exit 7" QUIT; echo ready; while :; do sleep 0.05; done']
DEAF = ["sh", "-c", "echo ready; while :; do sleep 0.05; done"]
FAILS = ["sh", "-c", "echo one; echo two; exit 3"]
MISSING = ["no-such-program"]

TOOLS: Mapping[str, tuple[int, str]] = {"echo": (0, "hi\n"), "test": (1, ""), "kill": (0, "")}
PROGRAMS = {
    tuple(SERVES): Program(says="ready\n", heeds={"SIGTERM": 0, "SIGHUP": "hup"}, tools=TOOLS),
    tuple(QUITS): Program(says="ready\n", heeds={"SIGQUIT": 7}),
    tuple(DEAF): Program(says="ready\n", heeds={}),
    tuple(FAILS): Program(exits=3, says="one\ntwo\n"),
    tuple(MISSING): Program(found=False),
}
"""What each of these commands does, for the target that runs no real process."""

ALWAYS = {"Name": "always", "MaximumRetryCount": 0}
UNLESS_STOPPED = {"Name": "unless-stopped", "MaximumRetryCount": 0}
NO = {"Name": "no", "MaximumRetryCount": 0}
MIB = 1024 * 1024
ID = r"[0-9a-f]{64}"


class Made(NamedTuple):
    """A target, another one of its kind that is out of reach, and what the port has no call for."""

    target: Engine
    away: Engine
    make_network: Callable[[str], object]
    volumes: Callable[[], set[str]]


def _docker(request: pytest.FixtureRequest) -> Made:
    process: EngineProcess = request.getfixturevalue("engine")

    def volumes() -> set[str]:
        return {one["Name"] for one in process.client.volumes()["Volumes"] or ()}

    away = DockerTarget("tcp://127.0.0.1:1", 1.0)
    return Made(DockerTarget(process.docker_host), away, process.client.create_network, volumes)


def _memory(_: pytest.FixtureRequest) -> Made:
    target = MemoryTarget({IMAGE: lambda inspect: PROGRAMS[tuple(inspect["Config"]["Cmd"])]}, ["front"])
    away = MemoryTarget()
    away.set_reachable(False)
    return Made(target, away, lambda name: None, lambda: set(target.volumes()))


RIGS: Mapping[str, Callable[[pytest.FixtureRequest], Made]] = {"docker": _docker, "memory": _memory}
"""How each registered target is made for these tests. A new target takes one more."""


@dataclass(frozen=True)
class Rig:
    """A target, with what the tests say often."""

    made: Made

    @property
    def target(self) -> Engine:
        return self.made.target

    def create(self, name: str, command: Sequence[str] | None = SERVES, **more: Any) -> str:
        """`host` is the HostConfig, `networks` what is connected, the rest are members of the create body."""
        host, networks = more.pop("host", {}), more.pop("networks", {})
        body = {"Image": IMAGE, "Cmd": command, **more, "HostConfig": host}
        return self.target.create(Replacement(name, body, networks))

    def run(self, name: str, command: Sequence[str] = SERVES, **more: Any) -> str:
        """A container whose program is ready for signals."""
        container = self.create(name, command, **more)
        self.target.start(container)
        until(lambda: "ready" in self.target.logs(container, 10), 10)
        return container

    def state(self, container: str) -> dict[str, Any]:
        return dict(self.target.inspect(container)["State"])

    def host(self, container: str) -> Mapping[str, Any]:
        host: Mapping[str, Any] = self.target.inspect(container)["HostConfig"]
        return host

    def ends(self, container: str) -> dict[str, Any]:
        """Wait for its end; the state then."""
        until(lambda: not self.state(container)["Running"], 10)
        return self.state(container)

    def end_from_inside(self, container: str) -> None:
        assert self.target.execute(container, ["kill", "-s", "TERM", "1"], 10)[0] == 0

    @contextlib.contextmanager
    def events(self) -> Iterator[list[TargetEvent]]:
        """What is told while the block runs; when it is entered, `resync` was."""
        seen: list[TargetEvent] = []
        stop = threading.Event()
        listener = threading.Thread(target=lambda: seen.extend(self._each(stop, seen)))
        listener.start()
        try:
            until(lambda: seen, 10)
            yield seen
        finally:
            stop.set()
            listener.join(5)
            assert not listener.is_alive()

    def _each(self, stop: threading.Event, seen: list[TargetEvent]) -> Iterator[TargetEvent]:
        for event in self.target.events(stop):
            seen.append(event)
        yield from ()


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = RIGS[request.param](request)
    yield Rig(made)
    made.target.close()
    made.away.close()


# --- create -------------------------------------------------------------------------------------------------


def test_the_contract_runs_on_what_is_registered(rig: Rig, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["rig"]
    registered = TARGETS[name]("tcp://127.0.0.1:1", 1.0)
    assert type(registered) is type(rig.target)


def test_the_engine_tells_its_facts(rig: Rig) -> None:
    facts = rig.target.engine()
    assert facts["id"]
    assert facts["cpus"] >= 1
    assert facts["memory_bytes"] > 64 * MIB
    assert {type(facts[name]) for name in ("swap_limit", "pids_limit")} == {bool}


def test_a_created_container_does_not_run_and_shows_what_it_was_made_with(rig: Rig) -> None:
    container = rig.create("web", Env=["A=1"], Labels={"confd.app": "web"}, StopSignal="SIGTERM")
    seen = rig.target.inspect(container)
    assert (seen["Id"], seen["Name"], seen["Image"]) == (container, "/web", rig.target.image_id(IMAGE))
    config = seen["Config"]
    assert (config["Env"], config["Labels"], config["Cmd"]) == (["A=1"], {"confd.app": "web"}, SERVES)
    assert (config["Image"], config["StopSignal"], config["Hostname"]) == (IMAGE, "SIGTERM", container[:12])
    state = seen["State"]
    assert (state["Status"], state["Running"], state["Restarting"]) == ("created", False, False)
    assert (state["Pid"], state["ExitCode"], seen["RestartCount"]) == (0, 0, 0)
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert seen["Created"] > "2020"


def test_what_was_not_asked_for_is_the_engine_s_default(rig: Rig) -> None:
    seen = rig.target.inspect(rig.create("web"))
    host, config = seen["HostConfig"], seen["Config"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (0, 0, 0, None)
    assert (host["NetworkMode"], host["RestartPolicy"]["Name"], host["AutoRemove"]) == ("default", "", False)
    assert (config["Env"], config["Labels"], config["Entrypoint"]) == (None, {}, None)
    assert (list(seen["NetworkSettings"]["Networks"]), seen["Mounts"]) == (["bridge"], [])


def test_a_memory_limit_comes_with_twice_as_much_swap(rig: Rig) -> None:
    host = rig.host(rig.create("web", host={"Memory": 64 * MIB}))
    assert (host["Memory"], host["MemorySwap"]) == (64 * MIB, 128 * MIB)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param("taken", {}, id="a-name-in-use"),
        pytest.param("a name", {}, id="a-name-outside-the-grammar"),
        pytest.param("web", {"Image": "no-such-image:1"}, id="an-unknown-image"),
        pytest.param("web", {"command": None}, id="no-command"),
        pytest.param("web", {"host": {"Memory": 1024}}, id="too-little-memory"),
        pytest.param("web", {"host": {"RestartPolicy": {"Name": "sometimes"}}}, id="an-unknown-policy"),
        pytest.param("web", {"host": {"RestartPolicy": ALWAYS, "AutoRemove": True}}, id="rm-with-a-policy"),
        pytest.param("web", {"host": {"Binds": ["relative"]}}, id="a-bind-without-a-path"),
        pytest.param("web", {"networks": {"bridge": {"Aliases": ["x"]}}}, id="an-alias-on-the-bridge"),
    ],
)
def test_a_create_that_is_refused_leaves_no_container_behind(rig: Rig, name: str, more: dict[str, Any]) -> None:
    taken = rig.create("taken")
    with pytest.raises(EngineRefused):
        rig.create(name, **more)
    assert [one["Id"] for one in rig.target.containers("")] == [taken]


def test_an_image_is_known_by_its_name_and_its_id(rig: Rig) -> None:
    image = rig.target.image_id(IMAGE)
    assert image is not None
    assert rig.target.image_id(image) == image
    assert rig.target.image_id("no-such-image:1") is None
    seen = rig.target.inspect(rig.create("web", Image=image))
    assert seen["Image"] == seen["Config"]["Image"] == image


def test_networks_are_connected_with_their_aliases_and_the_short_id(rig: Rig) -> None:
    rig.made.make_network("front")
    container = rig.create("web", networks={"front": {"Aliases": ["api"]}})
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert sorted(networks) == ["bridge", "front"]
    assert sorted(networks["front"]["Aliases"]) == sorted(["api", container[:12]])
    rig.target.start(container)
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert networks["front"]["NetworkID"] != networks["bridge"]["NetworkID"] != ""


def test_the_network_of_a_create_takes_the_place_of_the_bridge(rig: Rig) -> None:
    rig.made.make_network("front")
    endpoints = {"EndpointsConfig": {"front": {"Aliases": ["api"]}}}
    container = rig.create("web", host={"NetworkMode": "front"}, NetworkingConfig=endpoints)
    rig.target.start(container)
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert list(networks) == ["front"]
    assert sorted(networks["front"]["Aliases"]) == sorted(["api", container[:12]])


def test_a_network_that_is_not_there_is_refused_by_the_start(rig: Rig) -> None:
    container = rig.create("web", networks={"nowhere": {}})
    with pytest.raises(EngineRefused, match="nowhere"):
        rig.target.start(container)
    assert not rig.state(container)["Running"]


def test_mounts_show_what_is_mounted_where(rig: Rig) -> None:
    host = {
        "Binds": ["/tmp:/host:ro", "named:/named"],
        "Mounts": [{"Type": "volume", "Source": "other", "Target": "/other", "ReadOnly": True}],
    }
    container = rig.create("web", host=host, Volumes={"/data": {}, "/named": {}})
    seen = {mount["Destination"]: mount for mount in rig.target.inspect(container)["Mounts"]}
    assert {(at, mount["Type"], mount["RW"]) for at, mount in seen.items()} == {
        ("/host", "bind", False),
        ("/named", "volume", True),
        ("/other", "volume", False),
        ("/data", "volume", True),
    }
    assert (seen["/host"]["Source"], seen["/named"]["Name"], seen["/other"]["Name"]) == ("/tmp", "named", "other")
    assert len(seen["/data"]["Name"]) == 64


# --- inspect ------------------------------------------------------------------------------------------------


def test_a_container_is_found_by_id_short_id_and_name(rig: Rig) -> None:
    container = rig.create("web")
    for known_as in (container, container[:12], "web", "/web"):
        assert rig.target.inspect(known_as)["Id"] == container


def test_containers_are_chosen_by_label_whether_they_run_or_not(rig: Rig) -> None:
    web = rig.create("web", Labels={"confd.app": "web"})
    shop = rig.run("shop", Labels={"confd.app": "shop"})
    other = rig.create("other")

    def chosen(label: str) -> set[str]:
        return {str(one["Id"]) for one in rig.target.containers(label)}

    assert chosen("confd.app") == {web, shop}
    assert chosen("confd.app=web") == {web}
    assert chosen("confd.nothing") == set()
    assert chosen("") == {web, shop, other}


def test_an_inspect_is_a_copy(rig: Rig) -> None:
    container = rig.create("web", Labels={"a": "1"})
    first: Inspect = rig.target.inspect(container)
    first["Config"]["Labels"]["a"] = "2"
    assert rig.target.inspect(container)["Config"]["Labels"] == {"a": "1"}


# --- start, stop, restart -----------------------------------------------------------------------------------


def test_a_started_container_runs_until_it_is_stopped(rig: Rig) -> None:
    container = rig.run("web")
    state = rig.state(container)
    assert (state["Status"], state["Running"], state["Restarting"]) == ("running", True, False)
    assert state["Pid"] > 0
    rig.target.stop(container, 10)
    ended = rig.state(container)
    assert (ended["Status"], ended["Running"], ended["ExitCode"], ended["Pid"]) == ("exited", False, 0, 0)
    assert ended["StartedAt"] == state["StartedAt"] < ended["FinishedAt"]


def test_starting_what_runs_changes_nothing(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    rig.target.start(container)
    assert rig.state(container) == before


def test_stopping_what_does_not_run_changes_nothing(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.stop(container, 0)
    assert rig.state(container)["Status"] == "created"


def test_the_container_s_own_signal_stops_it(rig: Rig) -> None:
    container = rig.run("web", QUITS, StopSignal="SIGQUIT", StopTimeout=20)
    rig.target.stop(container, None)
    assert rig.state(container)["ExitCode"] == 7


def test_a_program_that_does_not_heed_the_stop_is_killed(rig: Rig) -> None:
    container = rig.run("web", DEAF)
    rig.target.stop(container, 0)
    assert rig.state(container)["ExitCode"] == 137


def test_a_program_that_ends_by_itself_leaves_its_code_and_its_output(rig: Rig) -> None:
    container = rig.create("web", FAILS)
    rig.target.start(container)
    ended = rig.ends(container)
    assert (ended["Status"], ended["ExitCode"], ended["Restarting"]) == ("exited", 3, False)
    assert rig.target.logs(container, 10) == "one\ntwo\n"
    assert rig.target.logs(container, 1) == "two\n"
    assert rig.target.logs(container, 0) == ""


def test_a_program_that_is_not_there_is_refused_by_the_start(rig: Rig) -> None:
    container = rig.create("web", MISSING)
    with pytest.raises(EngineRefused, match="not found"):
        rig.target.start(container)
    state = rig.state(container)
    assert (state["Running"], state["ExitCode"]) == (False, 127)


def test_a_restart_is_a_new_process_in_the_same_container(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    rig.target.restart(container, 10)
    after = rig.target.inspect("web")
    assert (after["Id"], after["RestartCount"], after["State"]["Running"]) == (container, 0, True)
    assert after["State"]["Pid"] != before["Pid"]
    assert after["State"]["StartedAt"] > before["StartedAt"]


def test_a_restart_starts_what_does_not_run(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.restart(container, None)
    assert rig.state(container)["Running"]


def test_one_that_removes_itself_is_gone_after_its_stop(rig: Rig) -> None:
    container = rig.run("web", host={"AutoRemove": True})
    rig.target.stop(container, 10)
    until(lambda: not rig.target.containers(""), 10)
    with pytest.raises(ContainerGone):
        rig.target.inspect(container)


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
    rig.target.update(container, {"RestartPolicy": NO})
    assert rig.ends(container)["ExitCode"] == 3


# --- update -------------------------------------------------------------------------------------------------


def test_limits_change_in_the_same_process(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    fields = {"Memory": 64 * MIB, "MemorySwap": 128 * MIB, "CpuShares": 512, "NanoCpus": 10**9, "PidsLimit": 50}
    rig.target.update(container, fields)
    assert {name: rig.host(container)[name] for name in fields} == fields
    assert rig.state(container) == before


def test_limits_and_policy_of_a_stopped_container_change_too(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.update(container, {"Memory": 64 * MIB, "MemorySwap": -1, "RestartPolicy": ALWAYS})
    host = rig.host(container)
    assert (host["Memory"], host["MemorySwap"], host["RestartPolicy"]) == (64 * MIB, -1, ALWAYS)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Memory": 1024}, id="too-little-memory"),
        pytest.param({"Memory": 512 * MIB}, id="memory-above-its-swap"),
        pytest.param({"NanoCpus": 10**14}, id="more-cpus-than-there-are"),
        pytest.param({"CpuQuota": 50_000}, id="quota-beside-cpus"),
        pytest.param({"RestartPolicy": {"Name": "sometimes"}}, id="an-unknown-policy"),
        pytest.param({"RestartPolicy": {**ALWAYS, "MaximumRetryCount": 3}}, id="a-maximum-for-always"),
    ],
)
def test_an_update_that_is_refused_changes_nothing(rig: Rig, fields: dict[str, Any]) -> None:
    limits = {"Memory": 64 * MIB, "MemorySwap": 128 * MIB, "NanoCpus": 10**9}
    container = rig.run("web", host=limits)
    with pytest.raises(EngineRefused):
        rig.target.update(container, {"CpuShares": 512, **fields})
    host = rig.host(container)
    assert {name: host[name] for name in limits} == limits
    assert (host["CpuShares"], host["RestartPolicy"]["Name"]) == (0, "")


def test_what_no_update_knows_is_passed_over_in_silence(rig: Rig) -> None:
    container = rig.create("web", host={"Memory": 64 * MIB})
    rig.target.update(container, {"ReadonlyRootfs": True, "Memory": 0})
    assert (rig.host(container)["ReadonlyRootfs"], rig.host(container)["Memory"]) == (False, 64 * MIB)


# --- rename and remove --------------------------------------------------------------------------------------


def test_a_renamed_container_has_its_new_name_alone(rig: Rig) -> None:
    container = rig.run("web")
    rig.target.rename(container, "web-old")
    assert rig.target.inspect("web-old")["Id"] == container
    assert rig.target.inspect(container)["Name"] == "/web-old"
    with pytest.raises(ContainerGone):
        rig.target.inspect("web")
    rig.create("web")


@pytest.mark.parametrize("name", ["taken", "web", "a name", ""])
def test_a_name_that_cannot_be_had_is_refused(rig: Rig, name: str) -> None:
    container = rig.create("web")
    rig.create("taken")
    with pytest.raises(EngineRefused):
        rig.target.rename(container, name)
    assert rig.target.inspect("web")["Id"] == container


def test_only_a_stopped_container_is_removed_and_its_volumes_stay(rig: Rig) -> None:
    container = rig.run("web", Volumes={"/data": {}})
    volumes = {mount["Name"] for mount in rig.target.inspect(container)["Mounts"]}
    with pytest.raises(EngineRefused):
        rig.target.remove(container)
    rig.target.stop(container, 0)
    rig.target.remove(container)
    with pytest.raises(ContainerGone):
        rig.target.inspect(container)
    assert len(volumes) == 1
    assert volumes <= rig.made.volumes()


# --- exec ---------------------------------------------------------------------------------------------------


def test_a_command_inside_gives_its_code_and_output(rig: Rig) -> None:
    container = rig.run("web")
    assert rig.target.execute(container, ["echo", "hi"], 10) == (0, "hi\n")
    assert rig.target.execute(container, ["test", "-e", "/nothing"], 10) == (1, "")
    code, output = rig.target.execute(container, MISSING, 10)
    assert code in (126, 127)
    assert "not found" in output


def test_a_command_needs_words_and_a_process_to_run_beside(rig: Rig) -> None:
    container = rig.run("web")
    with pytest.raises(EngineRefused):
        rig.target.execute(container, [], 10)
    rig.target.stop(container, 0)
    with pytest.raises(EngineRefused):
        rig.target.execute(container, ["echo", "hi"], 10)


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
    "create": lambda target: target.create(Replacement("web", {"Image": IMAGE, "Cmd": SERVES}, {})),
    "remove": lambda target: target.remove("gone"),
    "image_id": lambda target: target.image_id(IMAGE),
}


@pytest.mark.parametrize("call", sorted(MORE_CALLS))
def test_an_engine_out_of_reach_is_told_by_every_call(rig: Rig, call: str) -> None:
    with pytest.raises(EngineUnavailable):
        MORE_CALLS[call](rig.made.away)


def test_an_engine_out_of_reach_tells_no_events_and_ends_with_stop(rig: Rig) -> None:
    stop = threading.Event()
    ended = threading.Event()
    seen: list[TargetEvent] = []

    def listen() -> None:
        seen.extend(rig.made.away.events(stop))
        ended.set()

    listener = threading.Thread(target=listen)
    listener.start()
    stop.set()
    assert ended.wait(5)
    listener.join(5)
    assert seen == []


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
