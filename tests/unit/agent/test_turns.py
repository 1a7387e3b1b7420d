"""The queue of hosts that interrupt an app's containers, on a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from confd.agent.inventory import Place
from confd.agent.turns import Turns
from confd.clock import ManualClock
from confd.errors import Held, Unavailable
from confd.keys import App, Env, Host, Keyspace
from confd.mirror import Mirror
from confd.model import Reach, Step
from confd.ports import Expect, Lease, Operation, Put
from confd.rollout import Ticket, stop_in
from confd.snapshot import env_area
from confd.stores.memory import MemoryStore
from tests.support.wait import until

DEV, WEB = Env("dev"), App("web")
PLACE: Place = (DEV, WEB)
KEYS = Keyspace()
RECREATE = Step("recreate", Reach.NEW_CONTAINER, ())


class Member:
    """One host's turns, with a mirror and a claim of its own."""

    def __init__(self, store: MemoryStore, name: str) -> None:
        host = Host(name)
        self.store = store
        self.mirror = Mirror(store, KEYS, (env_area(KEYS, DEV, host),))
        self.turns = Turns(store, KEYS, host, self.mirror, ManualClock())
        self.mirror.start()
        assert self.mirror.wait_current(5)
        self.lease = self.claim()

    def claim(self) -> Lease:
        lease = self.store.lease(10.0)
        self.turns.claim(lease, None)
        return lease

    def ask(self, max_parallel: int = 1) -> str:
        return self.turns.ask(PLACE, Ticket("web", "recreate"), max_parallel).waits

    def sees(self, what: Callable[[], bool]) -> None:
        until(what, 5)

    def queue(self) -> set[str]:
        return set(self.mirror.snapshot.turns.get(PLACE, {}))

    def is_next(self, max_parallel: int = 1) -> bool:
        return self.turns.is_next(self.mirror.snapshot, PLACE, max_parallel)


@pytest.fixture
def fleet() -> Iterator[list[Member]]:
    store = MemoryStore()
    members = [Member(store, f"h{number}") for number in (1, 2, 3)]
    yield members
    for member in members:
        member.mirror.stop()


def test_the_first_has_the_turn_and_the_next_is_woken_when_it_leaves_b106(fleet: list[Member]) -> None:
    one, two, three = fleet
    assert one.ask() == ""
    assert two.ask() == three.ask() == "web is being recreated on h1"
    assert not two.is_next()
    one.turns.leave(PLACE)
    two.sees(two.is_next)
    three.sees(lambda: three.queue() == {"h2", "h3"})
    assert not three.is_next()
    assert two.ask() == ""
    two.turns.check(PLACE, "web")


def test_as_many_as_the_binding_says_have_the_turn(fleet: list[Member]) -> None:
    one, two, three = fleet
    assert (one.ask(2), two.ask(2)) == ("", "")
    assert three.ask(2) == "web is being recreated on h1, web is being recreated on h2"
    two.turns.leave(PLACE)
    three.sees(lambda: three.is_next(2))
    assert three.ask(2) == ""


def test_the_turn_of_a_dead_agent_ends_with_its_lease_b106(fleet: list[Member]) -> None:
    one, two, _ = fleet
    assert one.ask() == ""
    assert two.ask()
    one.store.expire(one.lease.id)
    two.sees(two.is_next)
    assert two.ask() == ""
    with pytest.raises(Held, match="was lost"):
        one.turns.check(PLACE, "web")


def test_who_has_no_claim_gets_no_turn(fleet: list[Member]) -> None:
    one, _, _ = fleet
    one.lease.lost.set()
    with pytest.raises(Unavailable, match="not the active one"):
        one.ask()


def test_a_turn_that_another_agent_of_the_host_took_is_not_ours_any_more(fleet: list[Member]) -> None:
    one, _, _ = fleet
    assert one.ask() == ""
    one.store.commit([Put(KEYS.turn(DEV, WEB, Host("h1")), "{}", one.lease.id)])
    with pytest.raises(Held):
        one.turns.check(PLACE, "web")


def test_an_agent_that_follows_another_on_its_host_keeps_the_place_in_the_queue(fleet: list[Member]) -> None:
    one, two, _ = fleet
    assert one.ask() == ""
    assert two.ask()
    one.claim()
    assert one.ask() == ""
    assert two.ask()


def test_what_an_agent_before_it_left_is_taken_away(fleet: list[Member]) -> None:
    one, two, _ = fleet
    assert one.ask() == ""
    one.claim()
    one.turns.leave(PLACE)
    two.sees(lambda: two.queue() == set())


def test_a_place_that_is_lost_in_the_queue_is_asked_for_anew(fleet: list[Member]) -> None:
    one, two, _ = fleet
    assert one.ask() == ""
    assert two.ask()
    two.store.expire(two.lease.id)
    two.sees(lambda: two.queue() == {"h1"})
    with pytest.raises(Unavailable, match="queueing again"):
        two.ask()
    two.claim()
    assert two.ask() == "web is being recreated on h1"


def test_a_failure_stops_once_and_a_success_of_its_host_ends_it_b106(fleet: list[Member]) -> None:
    one, two, _ = fleet
    one.turns.failed(PLACE, RECREATE, "web", "exited 1")
    two.sees(lambda: stop_in(two.mirror.snapshot, DEV, WEB) is not None)
    two.turns.failed(PLACE, RECREATE, "web", "exited 2")
    two.turns.succeeded(PLACE)
    stop = stop_in(two.mirror.snapshot, DEV, WEB)
    assert stop is not None
    assert (stop.host, stop.detail) == ("h1", "exited 1")
    one.sees(lambda: PLACE in one.mirror.snapshot.stops)
    one.turns.succeeded(PLACE)
    two.sees(lambda: PLACE not in two.mirror.snapshot.stops)
    two.turns.succeeded(PLACE)


def test_a_failure_that_the_mirror_does_not_show_yet_holds_the_next_container_b106(
    fleet: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = fleet
    assert (one.ask(2), two.ask(2)) == ("", "")
    two.mirror.stop()
    one.turns.failed(PLACE, RECREATE, "web", "exited 1")
    monkeypatch.setattr("confd.agent.turns.NEWS_S", 0.0)
    with pytest.raises(Held, match="recreate of web on h1 failed: exited 1; the others keep"):
        two.turns.check(PLACE, "other")
    one.turns.check(PLACE, "web")
    two.store.commit([Put(KEYS.stop(DEV, WEB), "{}")])
    two.turns.check(PLACE, "other")


def test_who_fails_second_waits_until_it_sees_the_stop_of_the_first_b106(
    fleet: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = fleet
    commit = two.store.commit

    def after_another(operations: list[Operation], expected: Sequence[Expect] = ()) -> int:
        with monkeypatch.context() as undone:
            undone.setattr(two.store, "commit", commit)
            one.turns.failed(PLACE, RECREATE, "web", "exited 1")
        return commit(operations, expected)

    monkeypatch.setattr(two.store, "commit", after_another)
    two.turns.failed(PLACE, RECREATE, "other", "exited 2")
    stop = stop_in(two.mirror.snapshot, DEV, WEB)
    assert stop is not None
    assert stop.container == "web"


def test_a_stop_of_settings_that_are_past_is_written_over_and_taken_away(fleet: list[Member]) -> None:
    one, two, _ = fleet
    one.turns.failed(PLACE, RECREATE, "web", "exited 1")
    revision = one.store.commit([Put("/confd/envs/dev/settings/web/A", "1")])
    two.sees(lambda: two.mirror.snapshot.revision >= revision and stop_in(two.mirror.snapshot, DEV, WEB) is None)
    two.turns.succeeded(PLACE)
    one.sees(lambda: PLACE not in one.mirror.snapshot.stops)
