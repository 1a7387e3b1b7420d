from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from confd.adoption import Adoption, adoption_text
from confd.agent.apply import Applier
from confd.agent.inventory import Inventory, Place
from confd.agent.observe import Labels
from confd.agent.pace import Splay
from confd.agent.reconcile import Reconciler
from confd.agent.secretfolders import SecretFolders
from confd.agent.sightings import Sightings
from confd.agent.status import Reporter
from confd.agent.trust import Trust
from confd.agent.turns import Turns
from confd.agent.world import World
from confd.clock import ManualClock
from confd.errors import EngineRefused, EngineUnavailable, Held, Unavailable
from confd.holds import brakes_text
from confd.keys import App, Container, Env, Host, Keyspace, Layer
from confd.ledger import Ledger
from confd.mirror import Mirror
from confd.model import Brake, Reach, Select
from confd.ports import Area, Batch, Delete, Put, TargetEvent
from confd.published import observed_of
from confd.secret import DigestKey
from confd.secretfiles import mount_of_secrets
from confd.services.meta import Meta
from confd.shrink import names_digest
from confd.snapshot import env_area, meta_area
from confd.stores.memory import MemoryStore
from tests.support.wait import until
from tests.unit.agent.engine import Engine

DEV, WEB, HOST = Env("dev"), App("web"), Host("h1")
PLACE: Place = (DEV, WEB)
KEYS = Keyspace()
REACHES = {
    "signal": Reach.IN_PLACE,
    "update": Reach.IN_PLACE,
    "files": Reach.IN_PLACE,
    "restart": Reach.NEW_PROCESS,
    "recreate": Reach.NEW_CONTAINER,
}


@dataclass
class Host1:
    """An agent's parts on a store and an engine in memory."""

    store: MemoryStore = field(default_factory=MemoryStore)
    engine: Engine = field(default_factory=Engine)
    clock: ManualClock = field(default_factory=ManualClock)
    own: str | None = None

    def start(self) -> None:
        areas = (meta_area(KEYS), env_area(KEYS, Env("_default"), HOST), env_area(KEYS, DEV, HOST))
        self.mirror = Mirror(self.store, KEYS, areas)
        self.ledger = Ledger(self.store, KEYS, HOST)
        self.inventory = Inventory(self.engine.asked, DEV, Labels(), self.own)
        self.inventory.refresh()
        self.world = World(
            HOST,
            self.mirror,
            self.ledger,
            lambda text: Meta(2, text, DigestKey(text.encode())),
            Labels(),
            {},
            active=True,
            trust=Trust(self.clock),
        )
        self.turns = Turns(self.store, KEYS, HOST, self.mirror, self.clock)
        self.sightings = Sightings(self.store, KEYS, HOST, self.clock)
        acts = dict.fromkeys(REACHES, self.engine.act)
        reporter = Reporter(self.store, KEYS, HOST, self.clock)
        self.reconciler = Reconciler(
            HOST,
            self.world,
            self.inventory,
            self.ledger,
            reporter,
            self.clock,
            Applier(self.inventory, self.ledger, reporter, self.turns, self.clock, acts, self.world.check),
            REACHES,
            self.turns,
            self.sightings,
            Splay(self.clock, lambda: 0.5),
            SecretFolders(Path("/nowhere"), self.engine.target),
        )
        self.mirror.start()
        self.turns.claim(self.store.lease(10.0), None)
        self.sightings.claim(None)
        assert self.mirror.wait_current(5)

    def put(self, **settings: object) -> int:
        puts = [
            Put(f"/confd/envs/dev/settings/web/{k.replace('__', '/')}", json.dumps(v)) for k, v in settings.items()
        ]
        return self.see(self.store.commit(puts))

    def bind(self, **binding: object) -> int:
        return self.see(self.store.commit([Put(KEYS.binding(DEV, WEB), json.dumps(binding))]))

    def see(self, revision: int) -> int:
        self.mirror.wait(revision, 5)
        until(lambda: self.mirror.snapshot.revision >= revision, 5)
        return revision

    def reconcile(self) -> list[tuple[str, str]]:
        """What one pass does."""
        before = len(self.engine.done)
        self.reconciler.reconcile(PLACE)
        return self.engine.done[before:]

    def status(self) -> list[dict[str, object]]:
        prefix = KEYS.status(HOST, Container(""))
        return [json.loads(entry.text) for entry in self.store.snapshot([Area(prefix)]).entries.values()]

    def again(self) -> None:
        """The agent ends and starts anew."""
        self.mirror.stop()
        self.start()


@pytest.fixture
def host() -> Iterator[Host1]:
    host = Host1()
    host.store.commit([Put(KEYS.meta, "k")])
    host.engine.run("web", {"confd.app": "web"})
    host.start()
    yield host
    host.mirror.stop()


def test_a_changed_variable_recreates_exactly_once_in_five_passes_b65(host: Host1) -> None:
    host.put(LOG="debug")
    assert [host.reconcile() for _ in range(5)] == [[("recreate", "/web")], [], [], [], []]
    (container,) = host.engine.all().values()
    assert container["Config"]["Env"] == ["BASE=1", "LOG=debug"]


def test_several_keys_act_once_b111(host: Host1) -> None:
    host.put(A="1", B="2", C="3", D="4", E="5")
    assert host.reconcile() == [("recreate", "/web")]


def test_the_same_value_again_does_nothing_b83(host: Host1) -> None:
    host.put(LOG="debug")
    host.reconcile()
    host.put(LOG="debug")
    assert host.reconcile() == []


def test_a_network_that_was_connected_by_hand_is_carried_over(host: Host1) -> None:
    (container,) = host.engine.all()
    host.engine.connect(container, "second")
    host.put(LEVEL="debug")
    assert host.reconcile() == [("recreate", "/web")]
    (inspect,) = host.engine.all().values()
    assert sorted(inspect["NetworkSettings"]["Networks"]) == ["bridge", "second"]


def test_a_removed_setting_brings_the_containers_own_value_back(host: Host1) -> None:
    host.put(BASE="2", LOG="x")
    host.reconcile()
    host.see(host.store.commit([Delete("/confd/envs/dev/settings/web/BASE")]))
    assert host.reconcile() == [("recreate", "/web")]
    (container,) = host.engine.all().values()
    assert sorted(container["Config"]["Env"]) == ["BASE=1", "LOG=x"]


def test_memory_is_updated_in_the_same_container(host: Host1) -> None:
    before = set(host.engine.all())
    host.put(run__memory="64m")
    assert host.reconcile() == [("update", "/web")]
    assert set(host.engine.all()) == before
    assert host.reconcile() == []


def test_a_restarted_agent_does_nothing(host: Host1) -> None:
    host.put(LOG="debug", run__memory="64m")
    host.reconcile()
    host.again()
    assert host.reconcile() == []


def test_every_status_names_the_snapshots_revision_also_when_nothing_was_to_do(host: Host1) -> None:
    host.reconcile()
    revision = host.put(run__memory="64m")
    host.reconcile()
    later = host.put(run__memory="64m")
    assert later > revision
    host.reconcile()
    (status,) = host.status()
    assert (status["revision"], status["state"], status["name"]) == (later, "in-sync", "web")
    assert observed_of(status["observed"]).options["memory"] == "67108864"  # type: ignore[arg-type]  # JSON members


def test_no_reader_finds_a_container_without_status_while_it_is_replaced(host: Host1) -> None:
    first = host.put(LOG="info")
    host.reconcile()
    prefix = KEYS.status(HOST, Container(""))
    listing = host.store.snapshot([Area(prefix)])
    there, revision = set(listing.entries), host.put(LOG="debug")
    assert host.reconcile() == [("recreate", "/web")]
    last, stop, seen = host.store.snapshot([Area(prefix)]).revision, threading.Event(), list[int]()
    in_effect: list[int] = []
    for item in host.store.watch([Area(prefix)], listing.revision, stop):
        assert isinstance(item, Batch)
        there |= {event.key for event in item.events if event.entry is not None}
        in_effect += [json.loads(event.entry.text)["in_effect"] for event in item.events if event.entry]
        there -= {event.key for event in item.events if event.entry is None}
        seen.append(len(there))
        if item.revision >= last:
            stop.set()
    assert set(seen) == {1}
    assert (set(in_effect), in_effect[-1]) == ({first, revision}, revision)
    assert last > revision


def test_a_status_holds_no_value(host: Host1) -> None:
    host.put(TOKEN="hunter2")
    host.reconcile()
    assert "hunter2" not in json.dumps(host.status())


def test_a_recreate_that_failed_for_good_is_not_tried_again_until_the_settings_change_b109(host: Host1) -> None:
    host.put(LOG="debug")
    host.engine.fault = EngineRefused("exec format error")
    assert host.reconcile() == []
    assert [(one["state"], one["detail"]) for one in host.status()] == [
        ("failed", "exec format error; change a setting to try again")
    ]
    host.engine.fault = None
    assert [host.reconcile() for _ in range(3)] == [[], [], []]
    assert [one["state"] for one in host.status()] == ["failed"]
    host.put(LOG="info")
    assert host.reconcile() == [("recreate", "/web")]
    assert [one["state"] for one in host.status()] == ["in-sync"]


def test_a_failure_that_may_pass_goes_to_the_queue_and_heals_b114(host: Host1) -> None:
    host.put(LOG="debug")
    host.engine.fault = EngineUnavailable("the engine restarts")
    with pytest.raises(EngineUnavailable):
        host.reconcile()
    assert [(one["state"], one["detail"]) for one in host.status()] == [
        ("pending", "will be tried again: the engine restarts")
    ]
    host.engine.fault = None
    assert host.reconcile() == [("recreate", "/web")]


def test_one_containers_failure_does_not_keep_the_others_back(host: Host1) -> None:
    host.engine.run("web2", {"confd.app": "web"})
    host.inventory.refresh()
    host.put(LOG="debug")
    assert host.reconcile() == [("recreate", "/web"), ("recreate", "/web2")]


def test_a_container_removed_by_hand_is_forgotten_b114(host: Host1) -> None:
    host.put(LOG="debug")
    host.reconcile()
    (gone,) = host.engine.all()
    host.engine.remove(gone)
    host.inventory.saw(TargetEvent(Container(gone), "destroy", {"confd.app": "web"}))
    assert host.reconcile() == []
    assert host.ledger.entries() == {}
    assert host.status() == []


def test_without_meta_nothing_is_done() -> None:
    host = Host1()
    host.engine.run("web", {"confd.app": "web"})
    host.start()
    host.put(LOG="debug")
    assert host.reconcile() == []
    assert host.status() == []
    host.mirror.stop()


def test_settings_that_are_suddenly_gone_change_nothing(host: Host1) -> None:
    host.put(LOG="debug")
    host.reconcile()
    host.see(host.store.commit([Delete("/confd/envs/dev/settings/web/LOG")]))
    assert host.reconcile() == []


def vouch(host: Host1, *names: str, number: int = 2) -> None:
    """A change of web in dev that left these keys."""
    text = json.dumps({"number": number, "id": "x", "names": names_digest(names)})
    host.see(host.store.commit([Put(KEYS.head(Layer(DEV, WEB)), text)]))


def drop(host: Host1, *names: str) -> None:
    host.see(host.store.commit([Delete(f"/confd/envs/dev/settings/web/{name}") for name in names]))


def test_much_that_has_gone_without_a_change_is_held_until_a_change_vouches_for_it(host: Host1) -> None:
    host.put(A="1", B="1", C="1", D="1")
    vouch(host, "A", "B", "C", "D", number=1)
    host.reconcile()
    drop(host, "A", "B")
    assert host.reconcile() == []
    (status,) = host.status()
    assert (status["state"], "2 of 4 of its settings are suddenly gone" in str(status["detail"])) == ("held", True)
    assert [one["app"] for one in host.world.doubts()] == ["web"]
    host.again()
    assert host.reconcile() == [], "an agent that starts anew knows it from its ledger"
    host.put(E="1")
    vouch(host, "A", "B", "C", "D", "E")
    assert host.reconcile() == [], "a change that took nothing away vouches for no loss"
    vouch(host, "C", "D", "E")
    assert host.reconcile() == [("recreate", "/web")]
    assert host.world.doubts() == []


def test_a_third_may_go_without_a_change_and_what_comes_back_ends_the_doubt(host: Host1) -> None:
    host.put(A="1", B="1", C="1", D="1", E="1", F="1")
    host.reconcile()
    drop(host, "A", "B")
    assert host.reconcile() == [("recreate", "/web")]
    drop(host, "C", "D")
    assert host.reconcile() == []
    host.put(C="1", D="1")
    assert host.reconcile() == []
    assert host.status()[0]["state"] == "in-sync"


def test_layer_and_head_that_go_together_are_no_change(host: Host1) -> None:
    """As with `etcdctl del --prefix /confd/envs/dev`, while the shared env still has a layer."""
    host.see(host.store.commit([Put("/confd/envs/_default/settings/web/Z", '"1"')]))
    host.put(A="1", B="1")
    vouch(host, "A", "B")
    host.reconcile()
    drop(host, "A", "B")
    host.see(host.store.commit([Delete(KEYS.head(Layer(DEV, WEB)))]))
    assert host.reconcile() == []


def test_a_brake_is_looked_at_before_a_step_by_what_went_meanwhile(host: Host1) -> None:
    host.put(A="1", B="1", C="1")
    host.reconcile()
    drop(host, "A", "B")
    with pytest.raises(Held, match="2 of 3 of its settings"):
        host.world.check(PLACE, Reach.IN_PLACE, "web")


def test_while_the_store_is_away_nothing_is_done(host: Host1) -> None:
    host.put(LOG="debug")
    host.store.set_reachable(False)
    until(lambda: not host.mirror.current, 5)
    with pytest.raises(Unavailable):
        host.reconcile()
    assert host.engine.done == []


def test_a_freeze_file_that_went_before_anybody_looked_again_is_noticed(host: Host1, tmp_path: Path) -> None:
    host.world.freeze = tmp_path / "freeze"
    host.world.freeze.touch()
    host.put(LOG="debug")
    assert host.reconcile() == []
    host.world.freeze.unlink()
    assert (host.world.freeze_file_changed(), host.world.freeze_file_changed()) == (True, False)
    assert host.reconcile() == [("recreate", "/web")]


def test_what_the_store_tells_of_containers_that_are_not_here_is_withdrawn(host: Host1) -> None:
    host.reconcile()
    host.store.commit([Put(KEYS.status(HOST, Container("ghost")), "{}")])
    host.engine.run("fresh", {"confd.app": "web"})  # which no listing has shown yet
    fresh = next(one for one, inspect in host.engine.all().items() if inspect["Name"] == "/fresh")
    host.store.commit([Put(KEYS.status(HOST, Container(fresh)), '{"name": "fresh"}')])
    host.reconciler.reporter.sweep(host.inventory.has)
    assert sorted(str(one.get("name")) for one in host.status()) == ["fresh", "web"]


def test_what_is_in_effect_is_told_also_after_a_recreate_a_restart_and_more_that_waits(host: Host1) -> None:
    def told() -> tuple[object, object, object]:
        host.reconcile()
        (status,) = host.status()
        return status["state"], status["revision"], status["in_effect"]

    host.put(LOG="info")
    host.reconcile()
    second = host.put(LOG="debug")
    assert told() == ("in-sync", second, second)
    host.world.observe_only = True
    third = host.put(LOG="warn")
    assert told() == ("held", third, second)
    host.again()
    host.world.observe_only = True
    fourth = host.put(LOG="error")
    assert told() == ("held", fourth, second)
    host.world.observe_only = False
    assert told() == ("in-sync", fourth, fourth)


def test_who_only_observes_tells_and_does_nothing(host: Host1) -> None:
    host.world.observe_only = True
    host.put(LOG="debug")
    assert host.reconcile() == []
    (status,) = host.status()
    assert (status["state"], "--observe" in str(status["detail"])) == ("held", True)


def test_a_brake_holds_until_it_is_off(host: Host1) -> None:
    brake = Brake(WEB, None, "anna", "the disk is full", "2026-01-01T00:00:00.000Z")
    host.see(host.store.commit([Put(KEYS.freeze(DEV), brakes_text([brake]))]))
    host.put(LOG="debug")
    assert host.reconcile() == []
    (status,) = host.status()
    assert (status["state"], "anna" in str(status["detail"])) == ("held", True)
    host.see(host.store.commit([Delete(KEYS.freeze(DEV))]))
    assert host.reconcile() == [("recreate", "/web")]


def test_a_brake_in_mid_plan_stops_it_before_its_next_step(host: Host1, tmp_path: Path) -> None:
    """The file is written, then the brake comes on: the restart is not done until it is off."""
    host.engine.run("app", {"confd.app": "web"}, Binds=[f"{tmp_path}:/etc/app"])
    host.inventory.refresh()
    host.bind(
        files=[{"path": "/etc/app/a.json", "format": "json"}], on_change=[{"keys": "**", "action": "restart"}]
    )
    host.put(LEVEL="info")
    host.reconcile()
    host.world.freeze = tmp_path / "freeze"
    host.engine.after = {"files": host.world.freeze.touch}
    host.put(LEVEL="debug")
    assert host.reconcile() == [("files", "/app")]
    host.world.freeze.unlink()
    host.engine.after = {}
    assert ("restart", "/app") in host.reconcile()
    assert host.reconcile() == []


def test_a_brake_in_mid_recreate_takes_the_new_container_away_again(host: Host1, tmp_path: Path) -> None:
    before = set(host.engine.all())
    host.world.freeze = tmp_path / "freeze"
    host.engine.before = {"recreate": host.world.freeze.touch}
    host.put(LOG="debug")
    host.reconcile()
    assert set(host.engine.all()) == before
    assert [one["state"] for one in host.status()] == ["held"]
    host.world.freeze.unlink()
    host.engine.before = {}
    assert host.reconcile() == [("recreate", "/web")]


def test_a_freeze_file_is_news_once_to_an_agent_that_only_looks(host: Host1, tmp_path: Path) -> None:
    host.world.observe_only, host.world.freeze = True, tmp_path / "freeze"
    host.world.freeze.touch()
    host.put(LOG="debug")
    assert host.world.freeze_file_changed()
    assert host.reconcile() == []
    assert not host.world.freeze_file_changed()


def test_a_freeze_file_stops_all_action(host: Host1, tmp_path: Path) -> None:
    host.world.freeze = tmp_path / "freeze"
    host.world.freeze.write_text("anna: the\ndisk is full")
    host.put(LOG="debug")
    assert host.reconcile() == []
    (status,) = host.status()
    assert (status["state"], "anna: the disk is full" in str(status["detail"])) == ("held", True)
    host.world.freeze.unlink()
    assert host.reconcile() == [("recreate", "/web")]


def test_a_broken_binding_in_the_store_blocks_and_says_so(host: Host1) -> None:
    host.bind(no_such_field=1)
    host.put(LOG="debug")
    assert host.reconcile() == []
    (status,) = host.status()
    assert status["state"] == "blocked"
    assert "no_such_field" in str(status["detail"])


def test_the_agents_own_container_is_told_of_and_never_touched_b80() -> None:
    host = Host1()
    host.store.commit([Put(KEYS.meta, "k")])
    host.own = host.engine.run("agent", {"confd.app": "web"})
    host.engine.run("web", {"confd.app": "web"})
    host.start()
    host.put(LOG="debug", run__memory="64m")
    assert [host.reconcile() for _ in range(2)] == [[("recreate", "/web")], []]
    told = {one["name"]: (one["state"], str(one["detail"])) for one in host.status()}
    assert (told["web"][0], told["agent"][0]) == ("in-sync", "blocked")
    assert "this agent runs in it" in told["agent"][1]
    assert host.engine.all()[host.own]["Config"]["Env"] == ["BASE=1"]
    host.mirror.stop()


def test_a_container_is_acted_on_once_it_was_started(host: Host1) -> None:
    host.engine.remove("web")
    made = host.engine.create("web", {"confd.app": "web"})
    host.inventory.refresh()
    host.put(LOG="debug")
    assert host.reconcile() == []
    host.engine.target.start(made)
    host.inventory.saw(TargetEvent(made, "start", {"confd.app": "web"}))
    assert host.reconcile() == [("recreate", "/web")]
    assert [one["State"]["Running"] for one in host.engine.all().values()] == [True]


def test_the_successor_of_a_stopped_container_is_still_looked_after(host: Host1) -> None:
    host.engine.target.stop("web", None)
    host.inventory.refresh()
    host.put(LOG="debug")
    assert host.reconcile() == [("recreate", "/web")]
    host.inventory.refresh()
    assert [one["state"] for one in host.status()] == ["in-sync"]
    host.put(LOG="info")
    assert host.reconcile() == [("recreate", "/web")]


def test_a_file_and_a_signal_reach_the_same_container_without_another_inspect(host: Host1, tmp_path: Path) -> None:
    host.engine.remove("web")
    host.engine.run("web", {"confd.app": "web"}, Binds=[f"{tmp_path}:/etc/web"])
    host.inventory.refresh()
    rules = [{"keys": "**", "action": "signal", "signal": "HUP"}]
    host.bind(
        variables={"exclude": ["**"]}, files=[{"path": "/etc/web/app.json", "format": "json"}], on_change=rules
    )
    host.put(log="info")
    host.reconcile()
    before, asked = set(host.engine.all()), len(host.engine.asked.calls)
    host.put(log="debug")
    assert host.reconcile() == [("files", "/web"), ("signal", "/web")]
    assert set(host.engine.all()) == before
    assert set(host.engine.asked.calls[asked:]) <= {"image_config"}  # which the target remembers


def old_container(host: Host1) -> str:
    """One that ran before its host was watched, which a later agent finds."""
    host.engine.run("old", {"confd.app": "web"}, ["BASE=1", "LOG=debug"])
    (container,) = [one for one, inspect in host.engine.all().items() if inspect["Name"] == "/old"]
    host.sightings.since = "9999-01-01T00:00:00Z"
    host.inventory.refresh()
    return container


def test_what_ran_before_is_blocked_until_it_is_adopted(host: Host1) -> None:
    host.put(LOG="info")
    host.reconcile()
    old = Container(old_container(host))
    assert host.reconcile() == []
    assert [(one["state"], str(one["detail"])[:9]) for one in host.status() if one["name"] == "old"] == [
        ("blocked", "adoption:")
    ]
    adoption = Adoption((old,), "anna", "", "2026-01-01T00:00:00.000Z")
    host.see(host.store.commit([Put(KEYS.adoption(DEV, WEB, HOST), adoption_text(adoption))]))
    assert host.reconcile() == [("recreate", "/old")]
    assert {one["state"] for one in host.status()} == {"in-sync"}


def test_what_has_all_that_it_is_due_is_adopted_as_it_is(host: Host1) -> None:
    old = Container(old_container(host))
    host.reconcile()
    entry = host.ledger.entry(old)
    assert entry is not None
    assert not entry.adopted  # nothing is set yet: that is no reason to touch it once something is
    host.put(LOG="debug")
    host.reconcile()
    entry = host.ledger.entry(old)
    assert entry is not None
    assert entry.adopted
    host.put(LOG="info")
    assert ("recreate", "/old") in host.reconcile()


def test_a_container_that_something_else_makes_again_and_again_is_left_to_it(host: Host1) -> None:
    host.put(LOG="info")
    host.reconcile()
    for _ in range(3):
        (present,) = host.engine.all()
        host.engine.remove(present)
        host.engine.run("web", {"confd.app": "web"})
        host.inventory.refresh()
        done = host.reconcile()
    assert done == []
    assert [one["state"] for one in host.status()] == ["contested"]
    host.clock.advance(600)
    assert host.reconcile() == [("recreate", "/web")]


def test_what_no_binding_chooses_any_more_is_told_of_no_more_and_keeps_its_own_spec(host: Host1) -> None:
    host.engine.run("plain", {}, ["BASE=1"])
    host.inventory.refresh()
    host.inventory.choose({DEV: {App("other"): Select(name="plain")}})
    host.reconciler.reconcile((DEV, App("other")))
    assert sorted(str(one["name"]) for one in host.status()) == ["plain"]
    host.inventory.choose({})
    host.reconciler.reconcile((DEV, App("other")))
    assert host.status() == []
    assert [entry.name for entry in host.ledger.entries().values()] == ["plain"]
    host.inventory.choose({DEV: {WEB: Select(name="plain")}})
    host.reconcile()
    assert sorted(str(one["app"]) for one in host.status()) == ["web", "web"]


def test_a_container_that_two_apps_choose_is_nobodys(host: Host1) -> None:
    host.engine.run("plain", {})
    host.inventory.refresh()
    host.inventory.choose({DEV: {App("a"): Select(name="plain"), App("b"): Select(name="pl*")}})
    assert host.inventory.conflicts() == [("plain", DEV, ["a", "b"])]
    assert host.inventory.places() == {PLACE}


# --- what waits for its time ----------------------------------------------------------------------------------


def test_a_splay_is_waited_for_once_and_not_by_a_newcomer_b105(host: Host1) -> None:
    host.bind(splay="30s")
    host.put(A="1")
    assert host.reconcile() == [("recreate", "/web")]
    host.put(A="2")
    assert host.reconciler.reconcile(PLACE) == 15.0
    assert host.status()[0]["state"] == "pending"
    assert host.status()[0]["detail"] == "waits 15 s for its splay"
    host.put(A="3")
    host.clock.advance(10)
    assert host.reconciler.reconcile(PLACE) == 5.0
    host.clock.advance(5)
    assert host.reconcile() == [("recreate", "/web")]
    assert host.reconciler.reconcile(PLACE) is None


def test_an_update_in_place_does_not_wait_for_a_splay(host: Host1) -> None:
    host.put(A="1")
    host.reconcile()
    host.bind(splay="30s")
    host.put(run__memory="64m")
    assert host.reconcile() == [("update", "/web")]


def test_outside_its_window_a_container_is_blocked_and_comes_again_when_it_opens(host: Host1) -> None:
    host.put(A="1")
    host.bind(maintenance={"windows": [{"from": "01:00", "to": "02:00"}]})
    assert host.reconcile() == [("recreate", "/web")]  # nothing was in effect in it yet
    host.put(A="2")
    assert host.reconciler.reconcile(PLACE) == 3600.0  # the clock begins at midnight
    (status,) = host.status()
    assert (status["state"], status["detail"]) == (
        "blocked",
        "its maintenance window opens at 2026-01-01T01:00:00Z (Thu 01:00 UTC)",
    )
    host.put(run__memory="64m")
    assert host.reconcile() == [] or host.engine.done[-1][0] == "update"
    host.clock.advance(3600)
    assert host.reconcile()[-1] == ("recreate", "/web")


def test_what_ran_before_and_is_adopted_waits_for_its_window(host: Host1) -> None:
    host.bind(maintenance={"windows": [{"from": "01:00", "to": "02:00"}]})
    host.put(A="1")
    (entry,) = host.engine.all()
    host.reconciler.inventory.refresh()
    host.reconciler._containers(PLACE)
    known = host.ledger.entry(Container(entry))
    assert known is not None
    host.ledger.record_base(Container(entry), replace(known, came=False))
    assert host.reconcile() == []
    assert [one["cause"] for one in host.status()[0]["steps"]] == ["window"]  # type: ignore[attr-defined]


def test_an_app_waits_for_what_comes_before_it(host: Host1) -> None:
    db = (DEV, App("db"))
    host.engine.run("db", {"confd.app": "db"})
    host.inventory.refresh()
    host.bind(depends_on=["db"])
    host.put(A="1")
    puts = [Put("/confd/envs/dev/settings/db/B", '"1"')]
    host.see(host.store.commit(puts))
    assert host.reconcile() == []
    (status,) = host.status()
    assert status["detail"] == "waits for db: db is new here"
    assert host.reconciler.waiting.whom(db) == [PLACE]
    host.reconciler.reconcile(db)
    assert host.reconcile() == [("recreate", "/web")]
    assert host.reconciler.waiting.whom(db) == []
    host.put(A="2")
    host.see(host.store.commit([Put("/confd/envs/dev/settings/db/B", '"2"')]))
    assert host.reconcile() == []
    assert "waits for db: db is to be recreated first" in [one["detail"] for one in host.status()]


def test_an_app_goes_on_where_what_comes_first_is_not_on_this_host(host: Host1) -> None:
    host.bind(depends_on=["db"])
    host.put(A="1")
    assert host.reconcile() == [("recreate", "/web")]


def test_as_many_containers_as_the_binding_says_are_recreated_at_once(host: Host1) -> None:
    for number in range(1, 5):
        host.engine.run(f"web{number}", {"confd.app": "web"})
    host.inventory.refresh()
    host.bind(rollout={"max_parallel": 3}, health={"monitor": 0})
    busy, most, lock = [0], [0], threading.Lock()
    met = threading.Barrier(3)

    def begins() -> None:
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        with suppress(threading.BrokenBarrierError):
            met.wait(0.5)  # three at a time get here; the last two do not make three

    def ends() -> None:
        with lock:
            busy[0] -= 1

    host.engine.before, host.engine.after = {"recreate": begins}, {"recreate": ends}
    host.put(A="1")
    done = host.reconcile()
    assert sorted(done) == [("recreate", f"/web{number}") for number in ("", 1, 2, 3, 4)]
    assert most == [3]
    assert {one["state"] for one in host.status()} == {"in-sync"}
    assert host.reconcile() == []


def test_the_first_failure_stops_the_lanes_too_b106(host: Host1) -> None:
    for number in range(1, 6):
        host.engine.run(f"web{number}", {"confd.app": "web"})
    host.inventory.refresh()
    host.bind(rollout={"max_parallel": 2}, health={"monitor": 0})
    host.engine.fault = EngineRefused("no such option")
    host.put(A="1")
    assert host.reconcile() == []
    states = sorted(str(one["state"]) for one in host.status())
    assert states.count("failed") in (1, 2)
    assert states.count("blocked") == 6 - states.count("failed")


def test_the_statuses_of_very_many_containers_are_told_in_parts_that_the_store_takes(host: Host1) -> None:
    for number in range(400):
        host.engine.run(f"web{number}", {"confd.app": "web"})
    host.inventory.refresh()
    host.world.observe_only = True
    host.put(**{f"KEY{number}": "x" for number in range(50)})
    assert host.reconcile() == []
    assert len(host.status()) == 401


@pytest.fixture
def lost(host: Host1) -> Iterator[Path]:
    """A folder of secrets that a container has, and that a reboot has taken."""
    root = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="confd-"))
    host.reconciler = replace(host.reconciler, folders=SecretFolders(root / "secrets", host.engine.target))
    folder = root / "secrets" / ("a1" * 16)
    host.engine.run("lost", {"confd.app": "web"}, Mounts=[mount_of_secrets(str(folder))])
    host.inventory.refresh()
    yield folder
    shutil.rmtree(root)


def test_secrets_that_a_reboot_has_taken_are_brought_again_whatever_brake_the_store_has_on(
    host: Host1, lost: Path
) -> None:
    brake = Brake(None, None, "anna", "stop", "2026-01-01T00:00:00Z")
    host.see(host.store.commit([Put(KEYS.freeze(DEV), brakes_text([brake]))]))
    host.reconcile()
    assert lost.is_dir()


def test_an_agent_that_only_looks_brings_none(host: Host1, lost: Path) -> None:
    host.world.observe_only = True
    host.reconcile()
    assert not lost.exists()


def test_secrets_that_cannot_be_brought_are_an_error_and_the_pass_goes_on(host: Host1, lost: Path) -> None:
    lost.parent.write_text("in the way")
    host.put(LOG="debug")
    with pytest.raises(EngineRefused, match="cannot be had in memory"):
        host.reconcile()
    assert ("recreate", "/web") in host.engine.done
