"""A change goes over several hosts one after the other, and the first failure keeps the rest as they are."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.fleet import Fleet, StartFleet
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; [ "$BAD" ] && echo "BAD is set" && exit 3; while :; do sleep 0.1; done']
HOSTS = ("h1", "h2", "h3")


def interrupted(engine: EngineProcess, since: float) -> tuple[int, int]:
    """From the first to the last thing that happened to containers, by the engine's own log, ns."""
    found = engine.client.events(since=int(since), until=int(time.time()) + 1, decode=True)
    times = [one["timeNano"] for one in found if one["Type"] == "container" and one["timeNano"] >= since * 1e9]
    return min(times), max(times)


def at_once(fleet: Fleet, since: float) -> int:
    """How many hosts' containers were interrupted at a time, at most."""
    spans = [interrupted(one, since) for one in fleet.engines.values()]
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


@pytest.fixture
def fleet(start_fleet: StartFleet) -> Fleet:
    fleet = start_fleet(*HOSTS)
    for host, engine in fleet.engines.items():
        engine.run(f"web-{host}", SERVE, labels={"confd.app": "web"})
    until(lambda: len(fleet.status("web")) == len(HOSTS), 30)
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "90s")
    return fleet


def states(fleet: Fleet) -> dict[str, str]:
    return {one["name"]: one["state"] for one in fleet.status("web")}


def test_one_host_after_the_other_and_as_many_as_the_binding_says_b106(fleet: Fleet, tmp_path: Path) -> None:
    began = time.time()
    fleet.ctl("set", "web", "A=2", "-e", "dev", "--wait", "90s")
    assert all(one.has(f"web-{host}", "A", "2") for host, one in fleet.engines.items())
    assert at_once(fleet, began) == 1
    (tmp_path / "binding.json").write_text(json.dumps({"rollout": {"max_parallel": 3}}))
    fleet.ctl("binding", "set", "web", str(tmp_path / "binding.json"), "-e", "dev")
    began = time.time()
    fleet.ctl("set", "web", "A=3", "-e", "dev", "--wait", "90s")
    assert all(one.has(f"web-{host}", "A", "3") for host, one in fleet.engines.items())
    assert at_once(fleet, began) > 1


def test_the_first_failure_keeps_the_others_until_the_settings_change_b106(fleet: Fleet) -> None:
    before = {host: one.inspect(f"web-{host}")["Id"] for host, one in fleet.engines.items()}
    said = fleet.words("set", "web", "BAD=1", "-e", "dev", "--wait", "90s", expect=3)
    assert "BAD is set" in said
    until(lambda: sorted(states(fleet).values()) == ["blocked", "blocked", "failed"], 30)
    assert {host: one.inspect(f"web-{host}")["Id"] for host, one in fleet.engines.items()} == before
    assert all(one.names(running=True) == [f"web-{host}"] for host, one in fleet.engines.items())
    (detail,) = {one["detail"] for one in fleet.status("web") if one["state"] == "blocked"}
    assert detail.startswith("stopped: recreate of web-h")
    assert "confctl rollback web -e dev" in detail
    fleet.words("set", "web", "A=4", "-e", "dev", "--wait", "90s", expect=3)
    fleet.ctl("unset", "web", "BAD", "-e", "dev", "--wait", "90s")
    assert all(one.has(f"web-{host}", "A", "4") for host, one in fleet.engines.items())
    assert set(states(fleet).values()) == {"in-sync"}


def test_an_agent_that_dies_with_the_turn_gives_it_up_and_heals_when_it_is_back_b106(fleet: Fleet) -> None:
    fleet.ctl("set", "web", "A=5", "-e", "dev")
    began = next(iter(_first_to_begin(fleet)))
    fleet.kill_agent(began)
    others = [host for host in HOSTS if host != began]
    until(lambda: all(fleet.engines[host].has(f"web-{host}", "A", "5") for host in others), 60)
    fleet.begin_agent(began)
    until(lambda: fleet.engines[began].has(f"web-{began}", "A", "5") and _alone(fleet), 60)
    until(lambda: set(states(fleet).values()) == {"in-sync"} and _alone(fleet), 30)


def _alone(fleet: Fleet) -> bool:
    """Whether every host has its one container, which runs: no recreate is under way or waits for its heal."""
    found = [(one.names(), one.names(running=True), [f"web-{host}"]) for host, one in fleet.engines.items()]
    return all(every == running == wanted for every, running, wanted in found)


def _first_to_begin(fleet: Fleet) -> list[str]:
    """Wait until some host has a second container, which is how a recreate begins."""
    begun: list[str] = []

    def seen() -> bool:
        begun[:] = [host for host, one in fleet.engines.items() if len(one.names()) > 1]
        return bool(begun)

    until(seen, 30)
    return begun


def test_several_containers_of_one_host_are_recreated_at_once_where_the_binding_says_so_b106(
    start_fleet: StartFleet, tmp_path: Path
) -> None:
    fleet = start_fleet("h1")
    engine = fleet.engines["h1"]
    (tmp_path / "binding.json").write_text(json.dumps({"rollout": {"max_parallel": 3}}))
    fleet.ctl("binding", "set", "pool", str(tmp_path / "binding.json"), "-e", "dev")
    names = [f"pool-{number}" for number in range(6)]
    for name in names:
        engine.run(name, SERVE, labels={"confd.app": "pool"})
    began = time.time()
    fleet.ctl("set", "pool", "A=1", "-e", "dev", "--wait", "90s")
    assert sorted(engine.names()) == names
    assert all(engine.has(name, "A", "1") for name in names)
    found = engine.client.events(since=int(began), until=int(time.time()) + 1, decode=True)
    down, most = 0, 0
    for one in found:  # a name goes with each stop, and comes back with each start
        if one["Type"] == "container" and one["Action"] in ("die", "start") and one["timeNano"] >= began * 1e9:
            down += 1 if one["Action"] == "die" else -1
            most = max(most, down)
    assert 1 < most <= 3
