"""A recreate cut off before or after any one of its engine calls: exactly one container runs after the heal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from confd.actions import recreate
from confd.actions.fidelity import Wanted
from confd.actions.gate import Gate
from confd.actions.heal import heal
from confd.actions.stopping import Stop
from confd.actions.swap import Swap
from confd.agent.apply import Work
from confd.agent.base import base_of
from confd.agent.healing import healer_for
from confd.agent.observe import Labels
from confd.agent.perform import acts_for
from confd.clock import SystemClock
from confd.entries import LedgerEntry
from confd.errors import ContainerGone, EngineUnavailable, StartFailed
from confd.keys import App, Container, Env, Host, Key, Keyspace, Layer
from confd.ledger import Ledger
from confd.model import Binding, Reach, Resolved, Setting, Step
from confd.options import observed_options
from confd.ports import Replacement
from confd.render import render
from confd.secret import DigestKey
from confd.stores.memory import MemoryStore
from confd.targets.docker import DockerTarget
from tests.support.cuts import Cut, CutOff
from tests.support.engine import IMAGE, EngineProcess
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
FAILS = ["sh", "-c", "exit 3"]
MUCH = "i=0; while [ $i -lt 20000 ]; do : > /much-$i; i=$((i+1)); done; : > /done"
ALWAYS = {"Name": "always", "MaximumRetryCount": 0}
NONE = {"Name": "no", "MaximumRetryCount": 0}


@dataclass(frozen=True)
class Walk:
    """A container, how it is made anew, and how many calls that has at least."""

    command: Sequence[str] = tuple(SERVE)
    start_first: bool = False
    removed: bool = False
    stopped: bool = False
    least: int = 7

    @property
    def policy(self) -> dict[str, Any]:
        if self.stopped:
            return {"Name": "unless-stopped", "MaximumRetryCount": 0}  # the engine itself starts others again
        return NONE if self.removed else ALWAYS

    def make(self, engine: EngineProcess) -> str:
        host = {"RestartPolicy": self.policy, "AutoRemove": self.removed}
        old = engine.run("web", SERVE, labels={"confd.app": "web"}, host=host, Volumes={"/data": {}})
        if self.stopped:
            engine.client.stop(old, timeout=1)
        return old

    def swap(self, journal: Callable[[Mapping[str, Any]], None]) -> Swap:
        return Swap(Stop(timeout_s=1), Gate(0.2), start_first=self.start_first, journal=journal)


FAILING = tuple(FAILS)
WALKS = {
    "starts": Walk(),
    "fails": Walk(FAILING),
    "start-first": Walk(start_first=True),
    "start-first, fails": Walk(FAILING, start_first=True, least=4),
    "rm": Walk(removed=True, least=6),
    "rm, fails": Walk(FAILING, removed=True),
    "rm, start-first": Walk(start_first=True, removed=True, least=6),
    "stopped": Walk(stopped=True, least=6),
}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_every_point_of_a_recreate_heals_to_one_running_container_b78(engine: EngineProcess, walk: Walk) -> None:
    """The agent is killed there."""
    _walk_all(engine, walk, None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_an_engine_that_is_killed_at_any_point_of_a_recreate_runs_one_of_the_two_b78(
    engine: EngineProcess, walk: Walk
) -> None:
    """And it never starts both again by itself."""
    _walk_all(engine, walk, engine.crash)


def _walk_all(engine: EngineProcess, walk: Walk, lose: Callable[[], None] | None) -> None:
    target = DockerTarget(engine.docker_host)
    points = 0
    for at in range(1, 24):
        ended = [_walk(engine, target, walk, CutOff(target, at, done=done, lose=lose)) for done in (False, True)]
        points += 2 - sum(ended)
        if all(ended):
            break
    target.close()
    assert points >= 2 * walk.least


def _walk(engine: EngineProcess, target: DockerTarget, walk: Walk, cut: CutOff) -> bool:
    """Whether the swap came to its end before the point."""
    engine.clear()
    old = walk.make(engine)
    volume = engine.inspect(old)["Mounts"][0]["Name"]
    notes: list[Mapping[str, Any]] = []
    wanted = Wanted(
        IMAGE,
        {"A": "1"},
        {**observed_options(engine.inspect(old)), "command": json.dumps(walk.command, separators=(",", ":"))},
        labels={"confd.replaces": old},
    )
    ended = True
    able: Any = cut
    try:
        recreate.apply(
            able, target.inspect(old), wanted, walk.swap(lambda more: notes.append(dict(more))), Ticking()
        )
    except (Cut, EngineUnavailable):
        ended = False
        if cut.lost:
            assert len(engine.names(running=True)) <= 1, cut.point
        for _ in range(2):  # and once more, which changes nothing
            swap = Swap(gate=Gate(0.3), journal=lambda more: notes.append(dict(more)))
            heal(target, old, notes[-1]["recreate"], SystemClock(), swap)
    except StartFailed:
        assert walk.command == FAILING
    assert engine.names() == ["web"], cut.point
    now = engine.inspect("web")
    assert now["State"]["Running"] is not walk.stopped, cut.point
    assert now["HostConfig"]["RestartPolicy"] == walk.policy, cut.point
    assert now["HostConfig"]["AutoRemove"] is walk.removed
    assert now["Mounts"][0]["Name"] == volume
    return ended


class Ticking(SystemClock):
    """It does not wait longer than a test needs."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        return super().wait(event, min(timeout_s or 0.0, 0.1))


def test_a_recreate_that_a_heal_finishes_keeps_the_arguments_it_was_made_with(engine: EngineProcess) -> None:
    target, ledger = DockerTarget(engine.docker_host), Ledger(MemoryStore(), Keyspace(), Host("h1"))
    old = Container(engine.run("web", [*SERVE, "app"], labels={"confd.app": "web"}))
    inspect = target.inspect(old)
    entry = LedgerEntry("web", App("web"), Env("dev"), base_of(inspect, {}))
    ledger.record_base(old, entry)
    layer = Layer(Env("dev"), App("web"))
    setting = Setting(Key("log/level"), '"debug"', False, layer, 5)
    resolved = Resolved(App("web"), Env("dev"), None, 5, {setting.key: setting}, {}, {}, {})
    binding = Binding(arguments={"--level": "log/level"})
    rendered = render(resolved, binding, DigestKey(b"0" * 32))
    cut: Any = CutOff(target, 7, done=False)
    work = Work(
        inspect, entry, rendered, binding, lambda more: ledger.intent(old, {"actions": ["recreate"], **more})
    )
    with pytest.raises(Cut):
        acts_for(cut, Labels(), SystemClock())["recreate"](Step("recreate", Reach.NEW_CONTAINER, ()), work)
    assert healer_for(target, ledger, SystemClock())((Env("dev"), App("web")), [])
    new = Container(engine.inspect("web")["Id"])
    healed = ledger.entry(new)
    assert new != old
    assert healed is not None
    assert healed.arguments == rendered.arguments_digest is not None
    assert engine.names() == ["web"]
    target.close()


def test_a_successor_that_somebody_removes_by_force_did_not_fail_b114(engine: EngineProcess) -> None:
    """What is being removed has ended already, and the engine shows it for a while: it went, and is no failure."""
    target = DockerTarget(engine.docker_host)

    def successors(old: str) -> list[str]:
        """Listed in one call: between two, the name may pass from one container to the other."""
        running = engine.client.containers(filters={"name": "^/web$", "status": "running"})
        return [str(one["Id"]) for one in running if one["Id"] != old]

    for _ in range(5):
        engine.clear()
        old = engine.run("web", SERVE, labels={"confd.app": "web"})

        def remove(old: str = old) -> None:
            until(lambda: successors(old), 10)
            engine.client.remove_container(successors(old)[0], force=True)

        by_hand = threading.Thread(target=remove)
        by_hand.start()
        wanted = Wanted(IMAGE, {"A": "1"}, observed_options(engine.inspect(old)))
        swap = Swap(Stop(timeout_s=1), Gate(20))
        with pytest.raises(ContainerGone):
            recreate.apply(target, target.inspect(old), wanted, swap, SystemClock())
        by_hand.join(10)
        assert engine.inspect("web")["Id"] == old
        assert engine.inspect("web")["State"]["Running"]
    target.close()


@pytest.mark.parametrize("call", ["rename", "create"])
def test_what_somebody_is_removing_has_its_name_until_it_is_gone_and_that_is_waited_for(
    engine: EngineProcess, call: str
) -> None:
    """A removal with much to take away lasts; a rename to that name, or a create with it, is refused meanwhile."""
    target, body = DockerTarget(engine.docker_host), {"Image": IMAGE, "Cmd": SERVE, "HostConfig": {}}
    engine.clear()
    spare = target.create(Replacement("spare", body, {}))
    going = engine.run("web", [*SERVE[:2], f"{MUCH}; {SERVE[2]}"])

    def take_the_name() -> None:
        if call == "rename":
            target.rename(spare, "web")
        else:
            target.create(Replacement("web", body, {}))

    until(lambda: target.execute(going, ["test", "-e", "/done"], 5)[0] == 0, 60)
    by_hand = threading.Thread(target=engine.client.remove_container, args=("web",), kwargs={"force": True})
    by_hand.start()
    until(lambda: _is_gone(target, going), 10)
    with pytest.raises(EngineUnavailable, match="being removed"):
        take_the_name()
    target.remove(going)
    take_the_name()
    assert "web" in engine.names()
    by_hand.join(10)
    target.close()


def _is_gone(target: DockerTarget, container: str) -> bool:
    try:
        target.inspect(container)
    except ContainerGone:
        return True
    return False
