"""The watch on etcd: one stream, resumed at the last revision + 1 after any end.

All areas of a reader are followed by one watcher over their common prefix, so that revisions come whole and in
order; what the areas do not hold is dropped here. A silent peer is found by keepalive, by `hasleader`, and by
asking for progress every 15 s, which must be answered within 5 s.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.errors import ConfdError
from confd.model import Entry
from confd.ports import Area, Batch, Event, Listing, Lost, Resync, Watched
from confd.stores.connection import Compacted, Connection, translate

__all__ = ["entry_of", "range_end", "watch"]

PROBE_S = 15.0
ANSWER_S = 5.0

List = Callable[[Sequence[Area]], Listing]


def watch(
    connection: Connection, listing: List, areas: Sequence[Area], after_revision: int, stop: threading.Event
) -> Iterator[Watched]:
    """See `confd.ports.Store.watch`."""
    reached, pause_s = after_revision, 0.1
    while not stop.is_set():
        at = connection.at
        try:
            for item in _stream(connection, areas, reached, stop):
                reached, pause_s = item.revision, 0.1
                yield item
            reason = "the stream ended"
        except Compacted:
            resync = _relist(listing, areas)
            if resync is not None:
                reached = resync.listing.revision
                yield resync
                continue
            reason = "history was compacted and the store cannot be listed"
        except grpc.RpcError as exc:
            connection.forget_token(exc)
            reason = str(translate(exc))
        except ConfdError as error:
            reason = error.detail
        if stop.is_set():
            return
        yield Lost(reason)
        connection.next_endpoint(at)
        stop.wait(pause_s)
        pause_s = min(2 * pause_s, 2.0)


def _relist(listing: List, areas: Sequence[Area]) -> Resync | None:
    try:
        return Resync(listing(areas))
    except ConfdError:
        return None


def _stream(connection: Connection, areas: Sequence[Area], reached: int, stop: threading.Event) -> Iterator[Batch]:
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    requests.put(_create(areas, reached + 1))
    metadata = (*connection.metadata(), ("hasleader", "true"))
    call = rpc.WatchStub(connection.channel()).Watch(iter(requests.get, None), metadata=metadata)
    guard = _Guard(call, requests, stop)
    guard.start()
    try:
        for response in call:
            guard.heard()
            if response.compact_revision:
                raise Compacted("history was compacted")
            if response.canceled:
                return
            if not response.events:  # the watch stands, or answers that it still does
                yield Batch(reached, ())
            for batch in _batches(response, areas):
                reached = batch.revision
                yield batch
    finally:
        guard.done.set()
        requests.put(None)
        call.cancel()


def _create(areas: Sequence[Area], start: int) -> Any:
    prefix = _common_prefix(areas)
    end = range_end(prefix.encode())
    create = rpc.WatchCreateRequest(
        key=prefix.encode() or b"\x00", range_end=end, start_revision=start, progress_notify=True
    )
    return rpc.WatchRequest(create_request=create)


def _common_prefix(areas: Sequence[Area]) -> str:
    first, *others = (area.prefix for area in areas)
    while not all(other.startswith(first) for other in others):
        first = first.rstrip("/").rpartition("/")[0] + "/" if "/" in first.rstrip("/") else ""
    return first


def _batches(response: Any, areas: Sequence[Area]) -> Iterator[Batch]:
    events: list[Event] = []
    revision = 0
    for event in response.events:
        if event.kv.mod_revision != revision and revision:
            yield Batch(revision, tuple(events))
            events = []
        revision = event.kv.mod_revision
        key = event.kv.key.decode(errors="surrogateescape")
        if any(area.holds(key) for area in areas):
            events.append(Event(key, None if event.type else entry_of(event.kv)))
    if revision:
        yield Batch(revision, tuple(events))


def entry_of(kv: Any) -> Entry:
    """An entry from etcd's key and value; bytes of the value that are no UTF-8 become U+FFFD."""
    key = kv.key.decode(errors="surrogateescape")
    return Entry(key, kv.value.decode(errors="replace"), kv.mod_revision, kv.create_revision)


def range_end(prefix: bytes) -> bytes:
    """The end of the range of all keys with this prefix: its last byte below 0xFF raised, the rest cut."""
    cut = prefix.rstrip(b"\xff")
    return cut[:-1] + bytes([cut[-1] + 1]) if cut else b"\0"


class _Guard(threading.Thread):
    """Ends the stream when it is to stop, and when the peer does not answer."""

    def __init__(self, call: Any, requests: queue.SimpleQueue[Any], stop: threading.Event) -> None:
        super().__init__(name="watch-guard", daemon=True)
        self._call = call
        self._requests = requests
        self._stop_event = stop
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None
        self.done = threading.Event()

    def heard(self) -> None:
        self._heard_at, self._asked_at = time.monotonic(), None

    def run(self) -> None:
        while not self.done.is_set():
            if self._stop_event.wait(0.5):
                self._call.cancel()
                return
            now = time.monotonic()
            if self._asked_at is not None and now - self._asked_at > ANSWER_S:
                self._call.cancel()
                return
            if self._asked_at is None and now - self._heard_at > PROBE_S:
                self._asked_at = now
                self._requests.put(rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))
