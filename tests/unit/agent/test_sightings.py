"""Since when a host is watched, and what something else makes again and again there."""

from __future__ import annotations

import pytest

from confd.agent.inventory import Place
from confd.agent.sightings import Sightings
from confd.clock import ManualClock
from confd.errors import Conflict
from confd.keys import App, Env, Host, Keyspace
from confd.model import Select
from confd.ports import Expect, Put
from confd.stores.memory import MemoryStore

KEYS, H1 = Keyspace(), Host("h1")
PLACE: Place = (Env("dev"), App("web"))


class Watch:
    """Sightings that can end and begin again on the same store."""

    def __init__(self) -> None:
        self.store, self.clock = MemoryStore(), ManualClock()
        self.sightings = self.again()

    def again(self) -> Sightings:
        self.sightings = Sightings(self.store, KEYS, H1, self.clock)
        self.sightings.claim(None)
        return self.sightings

    def container(self, name: str = "web", **labels: str) -> dict[str, object]:
        return {"Name": f"/{name}", "Created": self.clock.utc(), "Config": {"Labels": labels}}

    def remade(self, times: int) -> dict[str, object]:
        for number in range(times):
            self.clock.advance(1)
            self.sightings.saw(self.container(), known=number == 0)
        return self.container(**{"com.docker.compose.project": "shop"})


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_what_was_made_before_is_no_newcomer_and_what_comes_later_is(watch: Watch) -> None:
    old = watch.container()
    watch.clock.advance(60)
    watch.again()
    since = watch.sightings.since
    assert watch.sightings.is_newcomer(old, PLACE, chosen=False)
    assert not watch.sightings.is_newcomer({**old, "Created": "2025-12-31T23:59:59.9Z"}, PLACE, chosen=False)
    assert watch.again().since == since


@pytest.mark.parametrize("created", ["", "yesterday"])
def test_what_does_not_say_when_it_was_made_is_no_newcomer(watch: Watch, created: str) -> None:
    assert not watch.sightings.is_newcomer({"Created": created}, PLACE, chosen=False)


def test_a_container_that_a_binding_chooses_is_new_only_since_the_binding(watch: Watch) -> None:
    watch.clock.advance(10)
    old = watch.container()
    assert not watch.sightings.is_newcomer(old, PLACE, chosen=True)
    watch.clock.advance(10)
    watch.sightings.choose({PLACE: Select(name="web")})
    watch.clock.advance(10)
    watch.sightings.choose({PLACE: Select(name="web")})
    assert not watch.sightings.is_newcomer(old, PLACE, chosen=True)
    assert watch.sightings.is_newcomer(watch.container(), PLACE, chosen=True)
    before = watch.container()
    watch.clock.advance(10)
    watch.sightings.choose({PLACE: Select(name="w*")})
    assert not watch.again().is_newcomer(before, PLACE, chosen=True)


def test_three_foreign_recreations_in_ten_minutes_are_a_fight_also_after_a_restart(watch: Watch) -> None:
    assert watch.sightings.contested(watch.remade(2), "") == ""
    again = watch.remade(1)
    said = watch.sightings.contested(again, "")
    assert said.startswith("Compose, project shop made it anew 3 times")
    assert watch.again().contested(again, "") == said


def test_a_fight_ends_after_ten_quiet_minutes_or_when_somebody_adopts(watch: Watch) -> None:
    again = watch.remade(3)
    watch.clock.advance(1)
    assert watch.sightings.contested(again, watch.clock.utc()) == ""
    assert watch.sightings.contested(again, "2026-01-01T00:00:00.000Z")
    watch.clock.advance(600)
    assert watch.sightings.contested(again, "") == ""


def test_the_first_of_a_name_is_no_recreation(watch: Watch) -> None:
    for number in range(5):
        watch.sightings.saw(watch.container(f"web-{number}"), known=False)
    assert watch.sightings.contested(watch.container("web-0"), "") == ""


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"since": 1, "selects": [], "recreated": 1}'])
def test_what_cannot_be_read_is_begun_anew(watch: Watch, text: str) -> None:
    watch.store.commit([Put(KEYS.sightings(H1), text)])
    watch.clock.advance(5)
    assert not watch.again().is_newcomer({"Created": "2020-01-01T00:00:00Z"}, PLACE, chosen=False)


def test_who_has_lost_the_claim_writes_nothing(watch: Watch) -> None:
    watch.store.commit([Put(KEYS.alive(H1), "{}")])
    fence = Expect(KEYS.alive(H1), watch.store.read([KEYS.alive(H1)]).entries[KEYS.alive(H1)].mod_revision)
    watch.sightings.claim(fence)
    watch.store.commit([Put(KEYS.alive(H1), "{}")])
    with pytest.raises(Conflict):
        watch.sightings.choose({PLACE: Select(name="web")})
