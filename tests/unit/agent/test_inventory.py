"""What the inventory makes of the engine's events, whoever looked in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from confd.agent.inventory import Inventory
from confd.agent.observe import Labels, name_of
from confd.keys import App, Container, Env
from confd.ports import Inspect, TargetEvent
from tests.unit.agent.engine import Engine

DEV = Env("dev")


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda inventory: None, id="nobody looked"),
        pytest.param(lambda inventory: inventory.refresh(), id="all were listed"),
        pytest.param(lambda inventory: inventory.of((DEV, App("other"))), id="another app was looked at"),
    ],
)
def test_the_end_of_a_follower_concerns_its_leader_whoever_looked_first(
    look: Callable[[Inventory], object],
) -> None:
    engine = Engine()
    leader = engine.run("leader", {"confd.app": "web"})
    follower = engine.run("sidecar", {}, NetworkMode=f"container:{leader}")
    inventory = Inventory(engine.asked, DEV, Labels())
    inventory.refresh()
    assert inventory.saw(TargetEvent(follower, "die", {})) is None
    engine.remove(follower)
    look(inventory)
    assert inventory.saw(TargetEvent(follower, "destroy", {})) == (DEV, App("web"))
    assert inventory.saw(TargetEvent(follower, "destroy", {})) is None


def test_containers_whose_end_the_engine_never_tells_are_not_remembered_for_ever() -> None:
    engine = Engine()
    leader = engine.run("leader", {"confd.app": "web"})
    inventory = Inventory(engine.asked, DEV, Labels())
    first = Container("")
    for number in range(300):
        follower = engine.run(f"sidecar-{number}", {}, NetworkMode=f"container:{leader}")
        first = first or follower
        inventory.refresh()
        engine.remove(follower)
    inventory.refresh()
    assert inventory.saw(TargetEvent(first, "destroy", {})) is None
    assert inventory.saw(TargetEvent(follower, "destroy", {})) == (DEV, App("web"))


def test_who_comes_while_another_looks_sees_what_that_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two places share a container; the look of the one is still under way when the other asks."""
    engine, looks, goes_on = Engine(), threading.Event(), threading.Event()
    container = engine.run("db", {"confd.app": "db"})
    inventory = Inventory(engine.target, DEV, Labels())
    inventory.refresh()
    inspect = engine.target.inspect

    def slow(name: str) -> Inspect:
        found = inspect(name)
        looks.set()
        goes_on.wait(5)
        return found

    engine.target.stop(container, None)
    inventory.saw(TargetEvent(container, "die", {}))
    monkeypatch.setattr(engine.target, "inspect", slow)
    found: list[bool] = []
    first = threading.Thread(target=inventory.of, args=((DEV, App("db")),))
    first.start()
    looks.wait(5)
    second = threading.Thread(target=lambda: found.append((inventory.named("db") or {})["State"]["Running"]))
    second.start()
    second.join(0.1)
    goes_on.set()
    first.join(5)
    second.join(5)
    assert found == [False]


def test_what_happens_during_a_listing_is_not_overwritten_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing saw containers as they were when it began; what the events told meanwhile is newer."""
    engine = Engine()
    inventory = Inventory(engine.target, DEV, Labels())
    known = engine.run("known", {"confd.app": "web"})
    gone = engine.run("gone", {"confd.app": "web"})
    inventory.refresh()
    listed = engine.target.containers

    def slow(label: str) -> Sequence[Inspect]:
        found = listed(label)
        engine.target.stop(known, None)
        inventory.saw(TargetEvent(known, "die", {}))
        engine.remove(gone)
        inventory.saw(TargetEvent(gone, "destroy", {}))
        made = engine.run("made", {"confd.app": "web"})
        inventory.saw(TargetEvent(made, "start", {}))
        inventory.of((DEV, App("web")))
        return found

    monkeypatch.setattr(engine.target, "containers", slow)
    inventory.refresh()
    found = {name_of(one): one["State"]["Running"] for one in inventory.of((DEV, App("web")))}
    assert found == {"known": False, "made": True}
