"""A store in memory that keeps to the port's contract: revisions, atomic commits, watches, leases.

For tests and for everything that wants a store without a service. History is kept whole until `compact`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence

from confd.errors import Conflict, TooLarge, Unavailable
from confd.model import Entry
from confd.ports import Area, Batch, Delete, Event, Expect, Listing, Lost, Operation, Put, Resync, Watched

__all__ = ["MAX_COMMIT_BYTES", "MemoryLease", "MemoryStore"]

MAX_COMMIT_BYTES = 1536 * 1024
"""etcd's own default limit of a request."""

LOOK_S = 0.02
"""How soon a stream that waits sees that it is to stop."""


class MemoryLease:
    """A lease that ends only when it is closed, or expired by a test."""

    def __init__(self, store: MemoryStore, lease_id: int) -> None:
        self._store = store
        self._id = lease_id
        self._lost = threading.Event()

    @property
    def id(self) -> int:
        return self._id

    @property
    def lost(self) -> threading.Event:
        return self._lost

    def close(self) -> None:
        self._lost.set()
        self._store.expire(self._id)


class MemoryStore:
    """See `confd.ports.Store`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._entries: dict[str, Entry] = {}
        self._leases: dict[str, int] = {}
        self._history: list[Batch] = []
        self._revision = 1
        self._compacted = 0
        self._ids = itertools.count(1)
        self._reachable = True
        self._closed = False

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        with self._changed:
            self._check()
            return self._listing(areas, keys_only)

    def read(self, keys: Sequence[str]) -> Listing:
        with self._changed:
            self._check()
            return Listing(
                self._revision, {key: self._entries[key] for key in sorted(keys) if key in self._entries}
            )

    def watch(self, areas: Sequence[Area], after_revision: int, stop: threading.Event) -> Iterator[Watched]:
        reached = after_revision
        lost = False
        yield Batch(reached, ())
        while not stop.is_set():
            with self._changed:
                if self._closed:
                    return
                if not self._reachable:
                    item: Watched | None = None if lost else Lost("the store is out of reach")
                    lost = True
                else:
                    item = Batch(reached, ()) if lost else self._next(areas, reached)
                    lost = False
                if item is None:
                    self._changed.wait(LOOK_S)
                    continue
            if isinstance(item, Resync):
                reached = item.listing.revision
            elif isinstance(item, Batch):
                reached = item.revision
            yield item

    def commit(self, operations: Sequence[Operation], expected: Sequence[Expect] = ()) -> int:
        size = sum(len(o.key) + (len(o.text.encode()) if isinstance(o, Put) else 0) for o in operations)
        with self._changed:
            self._check()
            if size > MAX_COMMIT_BYTES:
                raise TooLarge(f"the commit holds {size} bytes; the store takes {MAX_COMMIT_BYTES}")
            for expect in expected:
                entry = self._entries.get(expect.key)
                if (entry.mod_revision if entry else 0) != expect.mod_revision:
                    raise Conflict("the settings were changed by somebody else meanwhile; read them and try again")
            return self._do(operations)

    def lease(self, ttl_s: float) -> MemoryLease:
        with self._changed:
            self._check()
            return MemoryLease(self, next(self._ids))

    def version(self) -> str:
        return "memory"

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def expire(self, lease_id: int) -> None:
        """Delete the lease's keys, as a store does when the lease ends."""
        with self._changed:
            gone = [Delete(key) for key, lease in self._leases.items() if lease == lease_id]
            if gone:
                self._do(gone)

    def compact(self, revision: int | None = None) -> None:
        """Forget history up to a revision (default: all)."""
        with self._changed:
            self._compacted = revision or self._revision
            self._history = [batch for batch in self._history if batch.revision > self._compacted]
            self._changed.notify_all()

    def restore(self, revision: int) -> None:
        """Be again what it was at a revision, as a restored backup; history since is gone, leases stay."""
        with self._changed:
            kept = [batch for batch in self._history if batch.revision <= revision]
            found = {event.key: event.entry for batch in kept for event in batch.events}
            self._entries = {key: entry for key, entry in found.items() if entry is not None}
            self._history, self._revision = kept, revision
            self._changed.notify_all()

    def set_reachable(self, reachable: bool) -> None:
        """Let every call fail, or work again."""
        with self._changed:
            self._reachable = reachable
            self._changed.notify_all()

    def _check(self) -> None:
        if self._closed or not self._reachable:
            raise Unavailable("the store is out of reach; try again")

    def _listing(self, areas: Sequence[Area], keys_only: bool = False) -> Listing:
        found = {
            key: Entry(key, "", entry.mod_revision, entry.create_revision) if keys_only else entry
            for key, entry in sorted(self._entries.items())
            if any(area.holds(key) for area in areas)
        }
        return Listing(self._revision, found)

    def _next(self, areas: Sequence[Area], reached: int) -> Watched | None:
        if reached < self._compacted or reached > self._revision:
            return Resync(self._listing(areas), restored=reached > self._revision)
        for batch in self._history:
            if batch.revision <= reached:
                continue
            if any(event.key.startswith(area.prefix) for event in batch.events for area in areas):
                kept = tuple(event for event in batch.events if any(area.holds(event.key) for area in areas))
                return Batch(batch.revision, kept)
        return None

    def _do(self, operations: Sequence[Operation]) -> int:
        if not operations:
            return self._revision
        self._revision += 1
        events: list[Event] = []
        for operation in operations:
            if isinstance(operation, Put):
                old = self._entries.get(operation.key)
                created = old.create_revision if old else self._revision
                entry = Entry(operation.key, operation.text, self._revision, created)
                self._entries[operation.key] = entry
                self._leases[operation.key] = operation.lease
                events.append(Event(operation.key, entry))
            elif self._entries.pop(operation.key, None) is not None:
                self._leases.pop(operation.key, None)
                events.append(Event(operation.key, None))
        self._history.append(Batch(self._revision, tuple(events)))
        self._changed.notify_all()
        return self._revision
