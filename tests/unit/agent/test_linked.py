"""A change of what another app's settings refer to wakes exactly those who refer to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from confd.agent.order import Linked
from confd.keys import App, Container, Env, Key, Layer
from confd.ports import Area, Delete, Put
from confd.references import Link
from confd.snapshot import Touched
from confd.stores.memory import MemoryStore
from tests.support.wait import until
from tests.unit.agent.engine import Engine
from tests.unit.agent.test_agent import HOST, KEYS, WATCHED, Running, variables

WEB, DB = App("web"), App("db")
DEV = Env("dev")


@pytest.fixture
def running() -> Iterator[Running]:
    store, engine = MemoryStore(), Engine()
    store.commit([Put(KEYS.meta, "k"), Put(KEYS.sightings(HOST), WATCHED)])
    for app in ("web", "aside"):
        engine.run(app, {"confd.app": app})
    running = Running(store, engine)
    yield running
    running.end()


def put(running: Running, app: str, **values: object) -> int:
    return running.store.commit(
        [Put(f"/confd/envs/dev/settings/{app}/{key}", json.dumps(value)) for key, value in values.items()]
    )


def told(running: Running, app: str) -> tuple[int, str]:
    """The revision and state that the agent has told of the app's container."""
    entries = running.store.snapshot([Area(KEYS.status(HOST, Container("")))]).entries.values()
    found = [json.loads(entry.text) for entry in entries]
    return max(((int(one["revision"]), str(one["state"])) for one in found if one["app"] == app), default=(0, ""))


def test_a_change_reaches_the_dependents_and_nobody_else(running: Running) -> None:
    put(running, "cache", name="c")
    put(running, "db", dsn="h.${cache:name}", other="1")
    put(running, "aside", A="1")
    put(running, "web", URL="pg://${db:dsn}")
    running.start()
    until(lambda: [told(running, app)[1] for app in ("web", "aside")] == ["in-sync", "in-sync"], 5)
    assert "URL=pg://h.c" in variables(running.engine)
    aside = [one["Id"] for one in running.engine.all().values() if one["Name"] == "/aside"]
    assert len(aside) == 1
    changed = put(running, "cache", name="d")
    until(lambda: told(running, "web")[0] >= changed and told(running, "web")[1] == "in-sync", 5)
    assert "URL=pg://h.d" in variables(running.engine)
    assert [one["Id"] for one in running.engine.all().values() if one["Name"] == "/aside"] == aside


def test_what_is_not_read_wakes_nobody_and_what_comes_later_does(running: Running) -> None:
    put(running, "db", other="1")
    put(running, "web", A="1", URL="${db:late}")
    running.start()
    until(lambda: "A=1" in variables(running.engine), 5)
    until(lambda: told(running, "web")[1] == "in-sync", 5)
    revision = put(running, "db", other="2")
    snapshot = running.agent.mirror.wait(revision, 5)
    assert not running.agent._refers(snapshot, (DEV, WEB), Touched(frozenset({Layer(DEV, DB)})))
    put(running, "db", late="x")
    until(lambda: "URL=x" in variables(running.engine), 5)


def test_what_is_referred_to_and_goes_leaves_the_container_as_it_is(running: Running) -> None:
    put(running, "db", host="h")
    put(running, "web", URL="${db:host}")
    running.start()
    until(lambda: "URL=h" in variables(running.engine), 5)
    running.store.commit([Delete("/confd/envs/dev/settings/db/host")])
    area = Area(KEYS.status(HOST, Container("")))
    words = "refers to db:host, which is not set"
    until(lambda: any(words in entry.text for entry in running.store.snapshot([area]).entries.values()), 5)
    assert "URL=h" in variables(running.engine)


def test_the_hosts_own_layer_of_the_other_app_is_followed(running: Running) -> None:
    put(running, "db", host="h")
    put(running, "web", URL="${db:host}")
    running.start()
    until(lambda: "URL=h" in variables(running.engine), 5)
    running.store.commit([Put(f"/confd/envs/dev/overrides/{HOST}/db/host", '"own"')])
    until(lambda: "URL=own" in variables(running.engine), 5)


def test_a_note_tells_whether_it_is_news() -> None:
    linked, place = Linked(), (DEV, WEB)
    one, two = {Link(DB, Key("host")): (0, 0, 0, 5)}, {Link(DB, Key("host")): (0, 0, 0, 6)}
    assert linked.note(place, {})
    assert [linked.note(place, stamps) for stamps in (one, one, two)] == [False, True, False]
    assert linked.moved(place, {DB}, lambda: one)
    assert linked.moved(place, {App("_default")}, lambda: one)
    assert not linked.moved(place, {DB}, lambda: two)
    assert not linked.moved(place, {WEB, App("aside")}, lambda: one)
    assert not linked.moved((DEV, DB), {DB}, lambda: one)
