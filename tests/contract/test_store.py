"""What every store keeps to, in memory and in etcd."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from confd.errors import Conflict, TooLarge
from confd.ports import Area, Batch, Delete, Expect, Put, Store
from confd.stores.etcd import EtcdStore
from confd.stores.locks import acquire
from confd.stores.memory import MemoryStore
from tests.support.etcd import EtcdProcess
from tests.support.wait import until

ENVS = Area("/confd/envs/", ("settings/", "heads/"), each_child=True)
A = "/confd/envs/prod/settings/web/A"


@pytest.fixture(params=["memory", "etcd"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        made: Store = MemoryStore()
    else:
        process: EtcdProcess = request.getfixturevalue("etcd")
        made = EtcdStore(process.config)
    yield made
    made.close()


def test_a_commit_is_one_revision(store: Store) -> None:
    revision = store.commit([Put(A, "1"), Put("/confd/envs/qa/heads/web", "{}")])
    listing = store.snapshot([ENVS])
    assert listing.revision == revision
    assert [(entry.key, entry.text, entry.mod_revision) for entry in listing.entries.values()] == [
        (A, "1", revision),
        ("/confd/envs/qa/heads/web", "{}", revision),
    ]


def test_an_area_leaves_the_rest_out(store: Store) -> None:
    store.commit([Put(A, "1"), Put("/confd/envs/prod/changes/web/1", "x"), Put("/confd/envsx", "y")])
    assert list(store.snapshot([ENVS], keys_only=True).entries) == [A]


def test_a_failed_expectation_writes_nothing(store: Store) -> None:
    revision = store.commit([Put(A, "1")], [Expect(A, 0)])
    with pytest.raises(Conflict):
        store.commit([Put(A, "2"), Put(A + "2", "2")], [Expect(A, 0)])
    assert store.read([A, A + "2"]).entries[A].text == "1"
    assert store.commit([Delete(A)], [Expect(A, revision)]) > revision
    assert not store.read([A]).entries


@pytest.mark.parametrize("count", [128, 129, 1000, 3000])
def test_many_keys_are_one_change_b96(store: Store, count: int) -> None:
    revision = store.commit([Put(f"{A}{i}", "1") for i in range(count)], [Expect(A, 0)])
    entries = store.snapshot([ENVS]).entries
    assert len(entries) == count
    assert {entry.mod_revision for entry in entries.values()} == {revision}


def test_a_large_write_is_refused_with_its_size_b99(store: Store) -> None:
    with pytest.raises(TooLarge, match=r"16\d\d\d\d\d"):
        store.commit([Put(A, "x" * 1_600_000)])
    with pytest.raises(TooLarge, match=r"20\d\d\d\d\d"):
        store.commit([Put(f"{A}{i}", "x" * 100_000) for i in range(20)])
    with pytest.raises(TooLarge):
        store.commit([Delete(f"{A}/{'k' * 400}{i}") for i in range(4000)])
    assert not store.snapshot([ENVS]).entries


def test_a_watch_begins_where_the_listing_ended_b90(store: Store) -> None:
    listing = store.snapshot([ENVS])
    revision = store.commit([Put(A, "1"), Put("/confd/envs/prod/heads/web", "{}")])
    stop = threading.Event()
    for item in store.watch([ENVS], listing.revision, stop):
        assert isinstance(item, Batch)
        if item.events:
            assert (item.revision, len(item.events)) == (revision, 2)
            stop.set()


def test_the_same_value_again_is_told_b83(store: Store) -> None:
    first = store.commit([Put(A, "1")])
    second = store.commit([Put(A, "1")])
    stop = threading.Event()
    seen: list[int] = []
    for item in store.watch([ENVS], first - 1, stop):
        assert isinstance(item, Batch)
        seen += [item.revision] if item.events else []
        if len(seen) == 2:
            stop.set()
    assert seen == [first, second]


def test_a_lock_has_one_holder(store: Store) -> None:
    lease = acquire(store, "/confd/locks/x", "me", 5)
    assert lease is not None
    assert acquire(store, "/confd/locks/x", "you", 5) is None
    lease.close()
    until(lambda: not store.read(["/confd/locks/x"]).entries, 3)
    again = acquire(store, "/confd/locks/x", "you", 5)
    assert again is not None
    again.close()
