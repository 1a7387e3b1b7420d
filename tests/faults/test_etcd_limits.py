"""etcd's limits: of one transaction, of one request, of the whole store."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from confd.errors import StoreFull, TooLarge
from confd.ports import Area, Delete, Expect, Put
from confd.stores.etcd import EtcdStore
from tests.support.etcd import EtcdProcess
from tests.support.mirrors import WEB, A, Seen, text_of
from tests.support.wait import until

ENVS = Area("/confd/envs/")


@pytest.mark.parametrize("count", [128, 129, 1000, 5000])
def test_any_number_of_keys_is_one_revision_and_one_event_b96(
    etcd: EtcdProcess, follow: Callable[..., Seen], count: int
) -> None:
    store = EtcdStore(etcd.config)
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    revision = store.commit([Put(f"{A}{n}", "1") for n in range(count)], [Expect(A + "0", 0)])
    assert len(seen.mirror.wait(revision, 5).layers[WEB]) == count
    assert [told.revision for told, _ in seen.told] == [revision - 1, revision]


def test_a_writer_killed_midway_leaves_old_or_new_b97(etcd: EtcdProcess, follow: Callable[..., Seen]) -> None:
    store = EtcdStore(etcd.config)
    seen = follow(store)
    assert seen.mirror.wait_current(5)
    writer = (
        "import sys; from confd.config import EtcdConfig; from confd.ports import Put\n"
        "from confd.stores.etcd import EtcdStore\n"
        "store = EtcdStore(EtcdConfig((sys.argv[1],)))\n"
        "for round in range(10_000):\n"
        f"    store.commit([Put(f'{A}{{n}}', str(round)) for n in range(300)])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", writer, etcd.endpoint], env=os.environ)
    until(lambda: len(seen.told) > 5, 15)
    process.kill()
    process.wait(5)
    revision = store.snapshot([ENVS]).revision
    seen.mirror.wait(revision, 5)
    for snapshot, _ in seen.told[1:]:
        entries = snapshot.layers[WEB].values()
        assert (len(entries), len({entry.text for entry in entries})) == (300, 1)


def test_too_large_a_write_is_refused_and_changes_nothing_b99(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    revision = store.commit([Put(A, "1")])
    with pytest.raises(TooLarge, match=r"160\d{4} bytes.*1500000"):
        store.commit([Put(A, "x" * 1_600_000)])
    with pytest.raises(TooLarge, match=r"200\d{4} bytes"):
        store.commit([Put(f"{A}{n}", "x" * 100_000) for n in range(20)])
    assert store.commit([Put(A, "x" * 1_400_000)]) == revision + 1


def test_a_full_store_reads_deletes_and_recovers_b100(
    start_etcd: Callable[..., EtcdProcess], follow: Callable[..., Seen]
) -> None:
    etcd = start_etcd("--quota-backend-bytes", str(4 << 20))
    store = EtcdStore(etcd.config)
    store.commit([Put(A, "1"), Put(A + "2", "1")])
    filled: list[str] = []
    with pytest.raises(StoreFull, match="alarm disarm"):
        _fill(store, filled)
    assert store.read([A]).entries[A].text == "1"
    with pytest.raises(StoreFull):
        store.commit([Put(A, "2")])
    with pytest.raises(StoreFull):
        store.commit([Put(f"{A}/{n}", "2") for n in range(300)])  # nested ones too
    seen = follow(EtcdStore(etcd.config))
    assert seen.mirror.wait_current(5)
    assert seen.text == "1"
    revision = store.commit([Delete(A + "2")] + [Delete(key) for key in filled])
    assert text_of(seen.mirror.wait(revision, 5), "A2") is None
    etcd.ctl("compact", str(revision))
    etcd.ctl("defrag")
    etcd.ctl("alarm", "disarm")
    revision = store.commit([Put(A, "3")])
    assert text_of(seen.mirror.wait(revision, 5)) == "3"


def _fill(store: EtcdStore, filled: list[str]) -> None:
    """Until it is refused: etcd looks at its size only now and then."""
    for number in itertools.count():
        filled.append(f"/confd/fill/{number}")
        store.commit([Put(filled[-1], "x" * 500_000)])


def test_order_comes_from_revisions_and_no_time_is_stored_b102(etcd: EtcdProcess) -> None:
    store = EtcdStore(etcd.config)
    revisions = [store.commit([Put(A, text)]) for text in ("1", "2")]
    listing = store.snapshot([ENVS])
    assert revisions == sorted(set(revisions))
    assert (listing.revision, listing.entries[A].mod_revision) == (revisions[1], revisions[1])


def test_a_lease_ends_by_itself_only_when_nobody_keeps_it_b102(etcd: EtcdProcess) -> None:
    store, holder = EtcdStore(etcd.config), EtcdStore(etcd.config)
    lease = holder.lease(1)
    store.commit([Put("/confd/locks/x", "me", lease.id)])
    assert not lease.lost.wait(3)
    assert store.read(["/confd/locks/x"]).entries
    holder.close()
    assert lease.lost.wait(5)
    until(lambda: not store.read(["/confd/locks/x"]).entries, 8)
