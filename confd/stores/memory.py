"""A store in this process's memory: the same promises as etcd's, nothing kept when the process ends."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from confd.errors import Conflict, TooLarge, Unavailable
from confd.model import Entry, frozen
from confd.ports import Area, Batch, Delete, Event, Expect, Listing, Operation, Put, Resync, Watched

__all__ = ["MemoryStore"]

MAX_REQUEST_BYTES = 1_500_000


class MemoryLease:
    """Lives until closed: there is nobody to lose it to."""

    def __init__(self, store: MemoryStore, number: int) -> None:
        self._store = store
        self._id = number
        self._lost = threading.Event()

    @property
    def id(self) -> int:
        return self._id

    @property
    def lost(self) -> threading.Event:
        return self._lost

    def close(self) -> None:
        self._lost.set()
        self._store.end_lease(self._id)


class MemoryStore:
    """Entries, their history and leases under one lock."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._revision = 1
        self._entries: dict[str, Entry] = {}
        self._leases: dict[int, set[str]] = {}
        self._history: list[Batch] = []
        self._compacted = 0
        self._closed = False
        self._ids = itertools.count(1)

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        with self._changed:
            self._check_open()
            return self._list(areas, keys_only)

    def read(self, keys: Sequence[str]) -> Listing:
        with self._changed:
            self._check_open()
            found = {key: self._entries[key] for key in sorted(set(keys)) if key in self._entries}
            return Listing(self._revision, frozen(found))

    def commit(self, operations: Sequence[Operation], expected: Sequence[Expect] = ()) -> int:
        size = sum(
            len(op.key.encode()) + (len(op.text.encode()) if isinstance(op, Put) else 0) for op in operations
        )
        if size > MAX_REQUEST_BYTES:
            raise TooLarge(f"this write has {size} bytes; the store takes at most {MAX_REQUEST_BYTES} at once")
        with self._changed:
            self._check_open()
            for expect in expected:
                entry = self._entries.get(expect.key)
                if (entry.mod_revision if entry else 0) != expect.mod_revision:
                    raise Conflict(f"{expect.key} was changed by somebody else; read it again and retry")
            for operation in operations:
                if isinstance(operation, Put) and operation.lease and operation.lease not in self._leases:
                    raise Conflict(f"the lease behind {operation.key} has ended; take a new one")
            self._apply(operations)
            return self._revision

    def lease(self, ttl_s: float) -> MemoryLease:
        with self._changed:
            self._check_open()
            number = next(self._ids)
            self._leases[number] = set()
        return MemoryLease(self, number)

    def end_lease(self, number: int) -> None:
        with self._changed:
            keys = self._leases.pop(number, set())
            self._apply([Delete(key) for key in sorted(keys)])

    def compact(self, revision: int) -> None:
        """Forget the history up to and including a revision, as etcd does when told to."""
        with self._changed:
            self._compacted = min(revision, self._revision)
            self._history = [batch for batch in self._history if batch.revision > self._compacted]

    def watch(self, areas: Sequence[Area], after_revision: int, stop: threading.Event) -> Iterator[Watched]:
        last = after_revision
        with self._changed:
            first: list[Watched] = [] if self._history_from(last) else [Batch(last, ())]
        yield from first
        while not stop.is_set():
            items = self._next(areas, last, stop)
            if items is None:
                return
            for item in items:
                last = item.listing.revision if isinstance(item, Resync) else item.revision
                yield item

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self, areas: Sequence[Area], last: int, stop: threading.Event) -> list[Batch | Resync] | None:
        with self._changed:
            deadline = time.monotonic() + 0.2
            while not self._history_from(last) and not stop.is_set() and not self._closed:
                self._changed.wait(0.05)
                if time.monotonic() > deadline:
                    return []
            if stop.is_set() or self._closed:
                return None
            if last < self._compacted:
                return [Resync(self._list(areas, False))]
            return [_narrow(batch, areas) for batch in self._history if batch.revision > last]

    def _history_from(self, last: int) -> bool:
        return last < self._compacted or bool(self._history and self._history[-1].revision > last)

    def _list(self, areas: Sequence[Area], keys_only: bool) -> Listing:
        found = {key: entry for key, entry in sorted(self._entries.items()) if any(a.holds(key) for a in areas)}
        if keys_only:
            found = {k: Entry(k, "", e.mod_revision, e.create_revision) for k, e in found.items()}
        return Listing(self._revision, frozen(found))

    def _apply(self, operations: Sequence[Operation]) -> None:
        revision = self._revision + 1
        events: list[Event] = []
        for operation in {op.key: op for op in operations}.values():
            event = self._do(operation, revision)
            if event is not None:
                events.append(event)
        if events:
            self._revision = revision
            self._history.append(Batch(revision, tuple(events)))
            self._changed.notify_all()

    def _do(self, operation: Operation, revision: int) -> Event | None:
        old = self._entries.get(operation.key)
        for keys in self._leases.values():
            keys.discard(operation.key)
        if isinstance(operation, Delete):
            return Event(operation.key, None) if self._entries.pop(operation.key, None) else None
        created = old.create_revision if old else revision
        entry = Entry(operation.key, operation.text, revision, created)
        self._entries[operation.key] = entry
        if operation.lease:
            self._leases[operation.lease].add(operation.key)
        return Event(operation.key, entry)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the store is closed")


def _narrow(batch: Batch, areas: Sequence[Area]) -> Batch:
    return Batch(batch.revision, tuple(e for e in batch.events if any(area.holds(e.key) for area in areas)))
