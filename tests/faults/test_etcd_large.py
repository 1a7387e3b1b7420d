"""More settings than one answer of etcd may hold are listed, read and followed all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from confd.ports import Area, Batch, Lost, Put, Resync, Store
from confd.stores.etcd import EtcdStore
from tests.support.etcd import EtcdProcess

SETTINGS = Area("/confd/envs/", ("settings/",), each_child=True)
KEYS = [f"/confd/envs/dev/settings/web/k{number:03d}" for number in range(150)]
TEXT = '"' + "x" * 500_000 + '"'


@pytest.fixture
def store(etcd: EtcdProcess) -> Iterator[Store]:
    """A store that holds 75 MB of settings."""
    made = EtcdStore(etcd.config)
    for key in KEYS:
        made.commit([Put(key, TEXT)])
    yield made
    made.close()


def test_more_than_one_answer_holds_is_listed_and_read(store: Store) -> None:
    listing = store.snapshot([SETTINGS])
    assert list(listing.entries) == KEYS
    assert {len(entry.text) for entry in listing.entries.values()} == {len(TEXT)}
    assert list(store.read(KEYS).entries) == KEYS


def test_a_watch_that_is_far_behind_catches_up(store: Store) -> None:
    stop, seen = threading.Event(), set[str]()
    lost = 0
    for item in store.watch([SETTINGS], 1, stop):
        assert not isinstance(item, Lost) or (lost := lost + 1) < 3, item
        if isinstance(item, Resync):
            seen |= set(item.listing.entries)
        elif isinstance(item, Batch):
            seen |= {event.key for event in item.events}
        if len(seen) == len(KEYS):
            stop.set()
    assert seen == set(KEYS)
