"""A recreate cut off before or after any one of its engine calls: exactly one container runs after the heal."""

from __future__ import annotations

import threading
from collections.abc import Mapping
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
from confd.errors import ContainerGone, EngineUnavailable
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
from tests.support.walks import ALWAYS, NONE, SERVE, WALKS, Walk, walk_all

MUCH = "i=0; while [ $i -lt 20000 ]; do : > /much-$i; i=$((i+1)); done; : > /done"


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_every_point_of_a_recreate_heals_to_one_running_container_b78(engine: EngineProcess, walk: Walk) -> None:
    """The agent is killed there."""
    walk_all(engine, walk, None)


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


@pytest.mark.parametrize(
    ("at", "left"),
    [
        pytest.param(3, ["web"], id="before the old one gave its name away"),
        pytest.param(5, ["web", "web.confd-old"], id="after the new one has it"),
    ],
)
def test_who_makes_one_of_that_name_in_mid_swap_keeps_it(engine: EngineProcess, at: int, left: list[str]) -> None:
    """As `docker rm -f` and `docker run` of a hand do, or Compose: theirs is not stood in the way of."""
    target, notes = DockerTarget(engine.docker_host), list[Mapping[str, Any]]()
    engine.clear()
    old = engine.run("web", SERVE, labels={"confd.app": "web"}, host={"RestartPolicy": ALWAYS})
    cut: Any = CutOff(target, at, done=False)
    wanted = Wanted(IMAGE, {"A": "1"}, observed_options(engine.inspect(old)))
    swap = Swap(Stop(timeout_s=1), Gate(0.2), journal=lambda more: notes.append(dict(more)))
    with pytest.raises(Cut):
        recreate.apply(cut, target.inspect(old), wanted, swap, SystemClock())
    engine.remove("web")
    theirs = engine.run("web", SERVE, labels={"confd.app": "web"})
    for _ in range(2):
        healed = heal(target, old, notes[-1]["recreate"], SystemClock(), swap)
        assert healed.container == (None if left == ["web"] else old)
        assert (engine.names(), engine.names(running=True)) == (left, ["web"])
        assert engine.inspect("web")["Id"] == theirs
    assert all(engine.inspect(name)["HostConfig"]["RestartPolicy"] == NONE for name in left if name != "web")
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
