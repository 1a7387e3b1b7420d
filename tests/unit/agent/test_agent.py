from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from confd.agent.agent import Agent
from confd.agent.apply import Applier
from confd.agent.inventory import Inventory
from confd.agent.observe import Labels
from confd.agent.pace import Splay
from confd.agent.reconcile import Reconciler
from confd.agent.secretfolders import SecretFolders
from confd.agent.sightings import Sightings
from confd.agent.status import Reporter
from confd.agent.turns import Turns
from confd.agent.world import World
from confd.clock import SystemClock
from confd.errors import Configuration
from confd.keys import App, Container, Env, Host, Keyspace
from confd.ledger import Ledger
from confd.mirror import Mirror
from confd.ports import Area, Delete, Put
from confd.secret import DigestKey
from confd.services.meta import Meta
from confd.stores.memory import MemoryStore
from tests.support.wait import until
from tests.unit.agent.engine import Engine
from tests.unit.agent.test_reconcile import REACHES

KEYS, HOST = Keyspace(), Host("h1")
WATCHED = json.dumps({"since": "2000-01-01T00:00:00Z", "selects": {}, "recreated": {}})


@dataclass
class Running:
    """An agent in a thread."""

    store: MemoryStore
    engine: Engine
    engine_id: str = "e1"
    stop: threading.Event = field(default_factory=threading.Event)
    ended: list[BaseException | None] = field(default_factory=list)

    def start(self) -> Running:
        mirror = Mirror(self.store, KEYS, ())
        ledger = Ledger(self.store, KEYS, HOST)
        inventory = Inventory(self.engine.target, Env("dev"), Labels())
        world = World(HOST, mirror, ledger, lambda text: Meta(2, text, DigestKey(text.encode())), Labels(), {})
        clock = SystemClock()
        acts = dict.fromkeys(REACHES, self.engine.act)
        turns = Turns(self.store, KEYS, HOST, mirror, clock)
        sightings = Sightings(self.store, KEYS, HOST, clock)
        reporter = Reporter(self.store, KEYS, HOST, clock)
        applier = Applier(inventory, ledger, reporter, turns, clock, acts, world.check)
        reconciler = Reconciler(
            *(HOST, world, inventory, ledger, reporter, clock, applier, REACHES, turns, sightings, Splay(clock)),
            SecretFolders(Path("/nowhere"), self.engine.target),
        )
        about = {"engine_id": self.engine_id}
        self.agent = Agent(
            Env("dev"),
            HOST,
            KEYS,
            self.store,
            self.engine.target,
            clock,
            mirror,
            inventory,
            world,
            reconciler,
            about,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self) -> None:
        try:
            self.agent.run(self.stop)
        except Configuration as error:
            self.ended.append(error)
        else:
            self.ended.append(None)

    def end(self) -> float:
        """Stop it; the seconds that took."""
        began = time.monotonic()
        self.stop.set()
        self.thread.join(5)
        return time.monotonic() - began


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.commit([Put(KEYS.meta, "k"), Put(KEYS.sightings(HOST), WATCHED)])
    return store


@pytest.fixture
def engine() -> Engine:
    engine = Engine()
    engine.run("web", {"confd.app": "web"})
    return engine


@pytest.fixture
def running(store: MemoryStore, engine: Engine) -> Iterator[Running]:
    running = Running(store, engine).start()
    yield running
    running.end()


def put(store: MemoryStore, key: str, value: str, env: str = "dev") -> None:
    store.commit([Put(f"/confd/envs/{env}/settings/web/{key}", json.dumps(value))])


def told(store: MemoryStore) -> str:
    """What stands in the store of the host's containers."""
    area = Area(KEYS.status(HOST, Container("")))
    return " ".join(entry.text for entry in store.snapshot([area]).entries.values())


def variables(engine: Engine) -> list[str]:
    return [text for one in engine.all().values() for text in one["Config"]["Env"]]


def test_a_change_reaches_the_container_and_a_stop_ends_all_of_it(
    store: MemoryStore, engine: Engine, running: Running
) -> None:
    put(store, "LOG", "debug")
    until(lambda: "LOG=debug" in variables(engine), 5)
    put(store, "LOG", "info")
    until(lambda: "LOG=info" in variables(engine), 5)
    running.end()
    assert running.ended == [None]
    assert store.read([KEYS.alive(HOST)]).entries == {}
    assert KEYS.about(HOST) in store.read([KEYS.about(HOST)]).entries


def test_a_policy_that_goes_lets_in_what_it_has_held(store: MemoryStore, engine: Engine, running: Running) -> None:
    policy, words = KEYS.policy(Env("dev"), "base"), "the policy dev/base asks for at most"
    store.commit([Put(policy, '{"schema": {"properties": {"memory": {"maximum": 67108864}}}}')])
    put(store, "run/memory", "128m")
    until(lambda: words in told(store), 5)
    store.commit([Delete(policy)])
    until(lambda: words not in told(store), 5)


def test_a_schema_brings_its_default_in_and_holds_what_is_against_it(
    store: MemoryStore, engine: Engine, running: Running
) -> None:
    schema = '{"properties": {"PORT": {"type": "string", "default": "80"}, "N": {"type": "string"}}}'
    store.commit([Put(KEYS.schema(App("web"), 1), schema)])
    until(lambda: "PORT=80" in variables(engine), 5)
    store.commit([Put("/confd/envs/dev/settings/web/N", "1")])
    until(lambda: "N: expected a string (schema 1)" in told(store), 5)
    assert not any(text.startswith("N=") for text in variables(engine))
    store.commit([Put(KEYS.schema(App("web"), 2), schema.replace('"80"', '"81"'))])
    until(lambda: "N: expected a string (schema 2)" in told(store), 5)
    store.commit([Put("/confd/envs/dev/settings/web/N", '"one"')])
    until(lambda: {"PORT=81", "N=one"} <= set(variables(engine)), 5)


def test_an_env_is_followed_when_its_first_container_is_there(store: MemoryStore, engine: Engine) -> None:
    engine.run("qa-web", {"confd.app": "web", "confd.env": "qa"})
    running = Running(store, engine).start()
    put(store, "STAGE", "qa", env="qa")
    until(lambda: "STAGE=qa" in variables(engine), 5)
    running.end()


def test_another_engines_agent_with_this_hosts_name_is_a_configuration_error(
    store: MemoryStore, engine: Engine, running: Running
) -> None:
    until(lambda: running.agent.world.active, 5)
    other = Running(store, Engine(), engine_id="e2").start()
    until(lambda: other.ended, 5)
    assert isinstance(other.ended[0], Configuration)
    assert "--host-name" in str(other.ended[0])


def test_a_second_agent_of_the_same_engine_stands_by_and_takes_over_b80(
    store: MemoryStore, engine: Engine, running: Running
) -> None:
    until(lambda: running.agent.world.active, 5)
    second = Running(store, engine).start()
    put(store, "LOG", "debug")
    until(lambda: "LOG=debug" in variables(engine), 5)
    assert not second.agent.world.active
    running.end()
    until(lambda: second.agent.world.active, 5)
    put(store, "LOG", "info")
    until(lambda: "LOG=info" in variables(engine), 5)
    second.end()
    assert [action for action, _ in engine.done] == ["recreate", "recreate"]


def test_one_that_is_stopped_while_it_starts_gives_its_host_up_b80(store: MemoryStore, engine: Engine) -> None:
    def claimed() -> bool:
        return KEYS.alive(HOST) in store.read([KEYS.alive(HOST)]).entries

    engine.target.set_reachable(False)
    one = Running(store, engine).start()
    until(claimed, 5)
    one.end()
    assert not claimed()


def test_after_an_outage_of_the_store_it_goes_on(store: MemoryStore, engine: Engine, running: Running) -> None:
    put(store, "LOG", "debug")
    until(lambda: "LOG=debug" in variables(engine), 5)
    store.set_reachable(False)
    until(lambda: not running.agent.mirror.current, 5)
    store.set_reachable(True)
    put(store, "LOG", "info")
    until(lambda: "LOG=info" in variables(engine), 10)


def test_nothing_is_applied_over_and_over_b108(store: MemoryStore, engine: Engine, running: Running) -> None:
    put(store, "LOG", "debug")
    until(lambda: "LOG=debug" in variables(engine), 5)
    prefix = f"/confd/hosts/{HOST}/status/"
    until(lambda: any("in-sync" in e.text for e in store.snapshot([Area(prefix)]).entries.values()), 5)
    place = (Env("dev"), App("web"))

    def is_still() -> bool:
        """Whether a pass writes nothing; the agent's own last one may still be at it."""
        revision = store.snapshot([Area(prefix)]).revision
        running.agent.reconciler.reconcile(place)
        return store.snapshot([Area(prefix)]).revision == revision

    until(is_still, 5)
    before = store.snapshot([Area(prefix)]).revision
    for _ in range(20):
        running.agent.reconciler.reconcile(place)
    assert [action for action, _ in engine.done] == ["recreate"]
    assert store.snapshot([Area(prefix)]).revision == before


def test_it_tells_of_its_hosts_freeze_file(store: MemoryStore, running: Running, tmp_path: Path) -> None:
    def held() -> str:
        entry = store.snapshot([Area(KEYS.about(HOST))]).entries.get(KEYS.about(HOST))
        return str(json.loads(entry.text)["held"]) if entry else "not told yet"

    until(lambda: held() == "", 5)
    running.agent.world.freeze = tmp_path / "freeze"
    running.agent.world.freeze.write_text("anna: the disk is full")
    until(lambda: "anna: the disk is full" in held(), 5)
    running.agent.world.freeze.unlink()
    until(lambda: held() == "", 5)


def test_it_tells_since_when_its_engine_does_not_answer(
    store: MemoryStore, engine: Engine, running: Running
) -> None:
    def away() -> object:
        entry = store.snapshot([Area(KEYS.about(HOST))]).entries.get(KEYS.about(HOST))
        return json.loads(entry.text)["engine_away_since"] if entry else "not told yet"

    until(lambda: away() is None, 5)
    engine.target.set_reachable(False)
    until(lambda: away() is not None, 5)
    engine.target.set_reachable(True)
    until(lambda: away() is None, 5)
