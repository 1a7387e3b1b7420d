"""Faults around the watch on etcd: what the adapter and the mirror do about each."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from confd.config import EtcdConfig
from confd.errors import Unavailable
from confd.ports import Area, Batch, Listing, Lost, Put, Resync, Watched
from confd.snapshot import Touched
from confd.stores.etcd import EtcdStore
from confd.stores.watching import range_end
from tests.support.etcd import EtcdProcess, free_port
from tests.support.mirrors import WEB, A, Seen, text_of
from tests.support.wait import until

Follow = Callable[..., Seen]
Start = Callable[..., EtcdProcess]
ENVS = Area("/confd/envs/")


def take(store: EtcdStore, areas: list[Area], after: int, until_told: Callable[[Watched], bool]) -> list[Watched]:
    """What a watch tells, up to and with the first item that will do."""
    stop = threading.Event()
    items: list[Watched] = []
    for item in store.watch(areas, after, stop):
        items.append(item)
        if until_told(item):
            stop.set()
    return items


def test_the_same_value_again_is_seen_and_leaves_the_text_as_it_was_b83(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(etcd.config)
    store.commit([Put(A, "1")])
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    revision = store.commit([Put(A, "1")])
    seen.mirror.wait(revision, 5)
    snapshot, touched = seen.told[-1]
    assert touched == Touched(layers=frozenset({WEB}))
    assert [text_of(told) for told, _ in seen.told] == ["1", "1"]
    assert snapshot.layers[WEB]["A"].mod_revision == revision


def test_a_watch_from_a_compacted_revision_gives_the_full_state_b84(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    for number in range(10):
        revision = store.commit([Put(A, str(number))])
    etcd.ctl("compact", str(revision))
    began = time.monotonic()
    items = take(store, [ENVS], 2, lambda item: isinstance(item, Batch))
    assert time.monotonic() - began < 5
    resync, batch = items  # one full read, then the watch goes on from there: no hot loop
    assert isinstance(resync, Resync)
    assert (resync.listing.revision, resync.listing.entries[A].text) == (revision, "9")
    assert batch == Batch(revision, ())


def test_after_a_compaction_the_watch_goes_on_from_the_full_read_b84(etcd: EtcdProcess) -> None:
    store, stop = EtcdStore(etcd.config), threading.Event()
    for number in range(50):
        revision = store.commit([Put(A, str(number))])
    etcd.ctl("compact", str(revision))
    watch = store.watch([ENVS], 5, stop)
    assert isinstance(next(watch), Resync)
    assert next(watch) == Batch(revision, ())
    last = store.commit([Put(A, "after")])
    item = next(watch)
    stop.set()
    assert isinstance(item, Batch)
    assert (item.revision, [event.key for event in item.events]) == (last, [A])


def test_what_other_hosts_tell_is_not_sent(etcd: EtcdProcess) -> None:
    store, stop, told = EtcdStore(etcd.config), threading.Event(), list[Watched]()
    areas = [Area("/confd/meta"), Area("/confd/envs/prod/"), Area("/confd/envs/_default/")]
    watch = store.watch(areas, store.commit([Put(A, "0")]), stop)
    told.append(next(watch))
    store.commit([Put("/confd/hosts/h1/status/c", "told")])
    meta = store.commit([Put("/confd/meta", "m")])
    store.commit([Put("/confd/hosts/h2/alive", "told")])
    other = store.commit([Put("/confd/envs/qa/settings/web/A", "2")])
    last = store.commit([Put(A, "1")])
    told += itertools.islice(watch, 3)
    stop.set()
    assert [(item.revision, [e.key for e in item.events]) for item in told[1:] if isinstance(item, Batch)] == [
        (meta, ["/confd/meta"]),
        (other, []),
        (last, [A]),
    ]


def test_a_transaction_over_two_folders_is_seen_whole(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    areas = [Area("/confd/meta"), Area("/confd/envs/prod/")]
    start = store.commit([Put(A, "0")])
    both = store.commit([Put(A, "1"), Put("/confd/meta", "m")])
    *_, whole = take(store, areas, start, lambda item: isinstance(item, Resync))
    assert isinstance(whole, Resync)
    assert whole.listing.revision >= both
    assert [entry.text for entry in whole.listing.entries.values()] == ["1", "m"]


def test_with_no_server_calls_fail_in_time_and_a_mirror_waits_b87(follow: Follow) -> None:
    store = EtcdStore(EtcdConfig((f"127.0.0.1:{free_port()}",), timeout_s=1.0))
    began = time.monotonic()
    with pytest.raises(Unavailable):
        store.snapshot([ENVS])
    assert time.monotonic() - began < 3
    seen = follow(store)
    busy = time.process_time()
    assert not seen.mirror.wait_current(3)
    assert time.process_time() - busy < 0.3
    began = time.monotonic()
    seen.mirror.stop()
    assert time.monotonic() - began < 3
    assert (seen.told, seen.mirror.current) == ([], False)


def test_a_watch_on_no_server_tells_lost_with_growing_pauses_b87() -> None:
    store = EtcdStore(EtcdConfig((f"127.0.0.1:{free_port()}",), timeout_s=1.0))
    stop = threading.Event()
    at: list[float] = []
    for item in store.watch([ENVS], 5, stop):
        assert isinstance(item, Lost)
        at.append(time.monotonic())
        if len(at) == 5:
            stop.set()
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses[0] < pauses[-1] < 3
    assert sum(pauses) > 0.8


def test_every_change_after_a_killed_server_arrives_b89(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(etcd.config)
    store.commit([Put(A, "0")])
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    for number in ("1", "2", "3", "4", "5"):
        etcd.kill()
        until(lambda: not seen.mirror.current, 5)
        etcd.start()
        etcd.ctl("put", A, number)
        until(lambda expected=number: seen.text == expected, 8)  # type: ignore[misc]  # a default binds it
    assert [text_of(snapshot) for snapshot, _ in seen.told] == ["0", "1", "2", "3", "4", "5"]


def test_a_change_between_the_listing_and_the_watch_is_told_b90(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    listing = store.snapshot([ENVS])
    revision = store.commit([Put(A, "between")])
    items = take(store, [ENVS], listing.revision, lambda item: isinstance(item, Batch) and bool(item.events))
    assert items[-1].revision == revision  # type: ignore[union-attr]  # a batch, by the condition


class _Paused(EtcdStore):
    """Another writer comes between each full read and what follows it."""

    writes = 0

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        listing = super().snapshot(areas, keys_only=keys_only)
        self.writes += 1
        self.commit([Put(A, f"between {self.writes}")])
        return listing


def test_a_mirror_takes_what_was_written_between_its_read_and_its_watch_b90(
    etcd: EtcdProcess, follow: Follow
) -> None:
    store = _Paused(etcd.config)
    revision = store.commit([Put(A, "first")])
    seen = follow(store)
    until(lambda: seen.text == "between 1", 5)
    assert (store.writes, [told.revision for told, _ in seen.told]) == (1, [revision, revision + 1])


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        (b"/tx-resource", b"/tx-resourcf"),
        (b"/az", b"/a{"),
        (b"a\xff", b"b"),
        (b"a\xfe\xff\xff", b"a\xff"),
        (b"\xff\xff", b"\0"),
        (b"", b"\0"),
    ],
)
def test_the_end_of_a_prefix_is_right_b92(prefix: bytes, end: bytes) -> None:
    assert range_end(prefix) == end


@pytest.mark.parametrize("prefix", ["/tx-resource", "/tz", "/t\u00ff", ""])
def test_only_keys_of_the_prefix_are_listed_and_told_b92(etcd: EtcdProcess, prefix: str) -> None:
    store = EtcdStore(etcd.config)
    own = [f"{prefix}", f"{prefix}/a", f"{prefix}~"] if prefix else ["/a", "~"]
    others = [] if not prefix else [prefix[:-1], prefix[:-1] + chr(ord(prefix[-1]) + 1), "/"]
    revision = store.commit([Put(key, "1") for key in own + others])
    area = Area(prefix)
    assert sorted(store.snapshot([area]).entries) == sorted(own)
    items = take(store, [area], revision - 1, lambda item: isinstance(item, Batch) and bool(item.events))
    assert isinstance(items[-1], Batch)
    assert sorted(event.key for event in items[-1].events) == sorted(own)


def test_a_burst_over_many_apps_arrives_whole_and_in_order_b93(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(etcd.config)
    store.commit([Put(f"/confd/envs/prod/settings/app{n}/A", "0") for n in range(500)])
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    for number in range(1000):
        revision = store.commit([Put(f"/confd/envs/prod/settings/app{number % 500}/A", str(number))])
    snapshot = seen.mirror.wait(revision, 5)
    assert len(snapshot.layers) == 500
    revisions = [told.revision for told, _ in seen.told]
    assert revisions == list(range(revision - 1000, revision + 1))


def test_a_periodic_comparison_repairs_what_was_missed_b93(follow: Follow) -> None:
    from confd.stores.memory import MemoryStore

    class Forgetful(MemoryStore):
        """Its watch tells of no event at all."""

        def watch(self, areas, after_revision, stop):  # type: ignore[no-untyped-def]  # as the port's
            for item in super().watch(areas, after_revision, stop):
                yield Batch(after_revision, ()) if isinstance(item, Batch) else item

    store = Forgetful()
    seen = follow(store, resync_s=0.0)
    assert seen.mirror.wait_current(5)
    store.commit([Put(A, "missed")])
    until(lambda: seen.text == "missed", 5)
    assert seen.mirror.repairs == 1
    assert seen.told[-1][1] is None


def test_the_last_state_stays_while_the_store_is_away_b95(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(etcd.config)
    revision = store.commit([Put(A, "1")])
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    etcd.kill()
    until(lambda: not seen.mirror.current, 5)
    assert (seen.text, seen.mirror.snapshot.revision) == ("1", revision)
    with pytest.raises(Unavailable):
        seen.mirror.wait(revision + 1, 0.1)
    assert seen.mirror.wait(revision, 0.1).revision == revision


def test_a_frozen_server_is_noticed_and_the_watch_goes_on_b89(
    etcd: EtcdProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("confd.stores.watching.PROBE_S", 0.5)
    store = EtcdStore(etcd.config)
    revision = store.commit([Put(A, "1")])
    stop = threading.Event()
    frozen = False
    items: list[Watched] = []
    for item in store.watch([ENVS], revision, stop):
        items.append(item)
        if not frozen:
            etcd.freeze()
            frozen = True
        elif isinstance(item, Lost):
            etcd.thaw()
        else:
            stop.set()
    assert [type(item) for item in items] == [Batch, Lost, Batch]


def test_a_dead_endpoint_costs_no_call_and_no_watch(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(EtcdConfig((f"127.0.0.1:{free_port()}", etcd.endpoint), timeout_s=3.0))
    assert store.commit([Put(A, "1")]) == 2  # the first call of all, and no read went before it
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    assert seen.text == "1"


def test_a_store_put_back_to_an_older_state_gives_the_full_state(start_etcd: Start, tmp_path: Path) -> None:
    etcd = start_etcd()
    store = EtcdStore(etcd.config)
    old = store.commit([Put(A, "old")])
    items = take(store, [ENVS], old + 1000, lambda item: isinstance(item, Batch))
    assert [type(item) for item in items] == [Resync, Batch]
    assert isinstance(items[0], Resync)
    assert items[0].listing.revision == old


def test_a_watch_ends_when_its_store_is_closed(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    for item in store.watch([ENVS], 1, threading.Event()):
        assert item == Batch(1, ())
        store.close()
    with pytest.raises(Unavailable):
        store.read([A])


def test_mutual_tls(start_etcd: Start) -> None:
    etcd = start_etcd(tls=True)
    store = EtcdStore(etcd.config)
    assert store.commit([Put(A, "1")]) == 2
    bare = EtcdStore(EtcdConfig(etcd.config.endpoints, ca=etcd.config.ca, timeout_s=1.0))
    with pytest.raises(Unavailable):
        bare.read([A])


def test_a_restored_backup_is_followed_where_it_stands(etcd: EtcdProcess, follow: Follow) -> None:
    store = EtcdStore(etcd.config)
    store.commit([Put(A, "1")])
    backup = etcd.save()
    seen = follow(store)
    revision = store.commit([Put(A, "2")])
    assert text_of(seen.mirror.wait(revision, 5)) == "2"
    etcd.restore(backup)
    until(lambda: seen.mirror.current and seen.text == "1", 10)
    assert (seen.mirror.era, seen.mirror.snapshot.revision) == (1, revision - 1)
    revision = store.commit([Put(A, "3")])
    assert text_of(seen.mirror.wait(revision, 5)) == "3"
    opened = seen.mirror.openings
    etcd.kill()
    etcd.start()
    until(lambda: seen.mirror.openings > opened, 10)
    assert seen.mirror.era == 1


def test_a_restored_backup_that_has_grown_since_is_known_by_its_raft_term(etcd: EtcdProcess) -> None:
    etcd.kill()
    etcd.start()  # each start is a term of its own; a restored store begins with the first
    store = EtcdStore(etcd.config)
    store.commit([Put(A, "1")])
    backup, stop = etcd.save(), threading.Event()
    reached = store.commit([Put(A, "2")])
    items = store.watch([ENVS], reached, stop)
    assert next(items) == Batch(reached, ())
    etcd.restore(backup)
    other = EtcdStore(etcd.config)
    for number in range(5):
        grown = other.commit([Put(A, f"other {number}")])
    assert grown > reached
    found = next(item for item in items if isinstance(item, Resync))
    assert (found.restored, found.listing.entries[A].text) == (True, "other 4")
    stop.set()
