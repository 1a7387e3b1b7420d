"""The watch on etcd: one stream, resumed at the last revision + 1 after any end.

Areas of one folder are followed by one watcher over their common prefix, so that revisions come whole and in
order; what the areas do not hold is dropped here. Areas of other folders have watchers of their own on the same
stream, so that an agent is not sent what every other host tells of itself. etcd fills a stream in order of
revision; where it does not (a watcher that lags, a transaction over two folders), the full state is read instead.

Before a stream is opened, a linearizable read at the revision that was reached tells whether the store still has
it: a restored backup does not. One that has grown beyond it since is known by etcd's cluster id, or by a raft term
that went back.

A silent peer is found by keepalive, by `hasleader`, and by a linearizable read every 15 s, whose revision the
stream must have reached within 5 s.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.errors import ConfdError, TooLarge, Unavailable
from confd.model import Entry
from confd.ports import Area, Batch, Event, Listing, Lost, Resync, Watched
from confd.stores.connection import OLD_TOKEN, Compacted, Connection, WentBack, translate

__all__ = ["entry_of", "range_end", "watch"]

PROBE_S = 15.0
ANSWER_S = 5.0
FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 2.0


class _OutOfOrder(Exception):
    """An older revision came after a newer one: what was told is no state that the store had."""


List = Callable[[Sequence[Area]], Listing]


@dataclass(slots=True)
class _Line:
    """The line of history that is followed, as far as etcd's answers tell it."""

    cluster: int = 0
    term: int = 0

    def goes_on(self, header: Any) -> bool:
        """Whether an answer may come from the same line; it is taken for the one that is followed from now on."""
        before, self.cluster, self.term = (self.cluster, self.term), header.cluster_id, header.raft_term
        return before == (0, 0) or (before[0] == self.cluster and before[1] <= self.term)


def watch(
    connection: Connection, listing: List, areas: Sequence[Area], after_revision: int, stop: threading.Event
) -> Iterator[Watched]:
    """See `confd.ports.Store.watch`."""
    reached, pause_s, line = after_revision, FIRST_PAUSE_S, _Line()
    while not (stop.is_set() or connection.closed.is_set()):
        at = connection.at
        try:
            found = _full_state(connection, listing, areas, reached, line)
            if found is not None:
                reached = found.listing.revision
                yield found
            for item in _follow(connection, listing, areas, reached, stop):
                reached, pause_s = _revision_of(item), FIRST_PAUSE_S
                yield item
            continue
        except grpc.RpcError as exc:
            reason = translate(exc).detail
        except ConfdError as error:
            reason = error.detail
        if not (stop.is_set() or connection.closed.is_set()):
            yield Lost(reason)
            connection.next_endpoint(at)
            stop.wait(pause_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads clients, guards nothing
            pause_s = min(2 * pause_s, LAST_PAUSE_S)


def _full_state(
    connection: Connection, listing: List, areas: Sequence[Area], reached: int, line: _Line
) -> Resync | None:
    """The full state, where the store's history is another or no longer holds what was reached."""
    try:
        same = line.goes_on(_look(connection, areas, reached))
        if same:
            return None
    except WentBack:
        same = False
    except Compacted:
        same = line.goes_on(_look(connection, areas))
    return Resync(listing(areas), restored=not same)


def _follow(
    connection: Connection, listing: List, areas: Sequence[Area], reached: int, stop: threading.Event
) -> Iterator[Batch | Resync]:
    """One stream, or the full state where the stream cannot go on; returns to be called again."""
    try:
        yield from _stream(connection, areas, reached, stop)
    except (Compacted, _OutOfOrder):
        yield Resync(listing(areas))
        return
    except grpc.RpcError as exc:
        if not isinstance(translate(exc), TooLarge):
            raise
        yield Resync(listing(areas))  # what happened meanwhile is more than one answer may hold
        return
    raise Unavailable("etcd ended the stream")


def _revision_of(item: Batch | Resync) -> int:
    return item.listing.revision if isinstance(item, Resync) else item.revision


def _look(connection: Connection, areas: Sequence[Area], known: int = 0) -> Any:
    """What heads the answer to a linearizable read: the newest revision, whose it is.

    Raises `Unavailable`, and `Compacted` when the store's history does not hold the known revision.
    """
    request = rpc.RangeRequest(key=_roots(areas)[0].encode() or b"\0", revision=known)
    return connection.call("KV", "Range", request).header


def _stream(connection: Connection, areas: Sequence[Area], reached: int, stop: threading.Event) -> Iterator[Batch]:
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    roots = _roots(areas)
    for root in roots:
        requests.put(_create(root, reached + 1))
    awaited = len(roots)
    token = connection.metadata()
    call = _open(connection, requests, (*token, ("hasleader", "true")))
    guard = _Guard(call, requests, stop, lambda: int(_look(connection, areas).revision))
    guard.start()
    try:
        for response in call:
            guard.heard(response.header.revision)
            _check(response, connection, token)
            awaited -= response.created
            if not response.events and not awaited:  # all watchers stand, or answer that they still do
                yield Batch(reached, (), 0 if response.created else response.header.revision)
            for batch in _batches(response, areas):
                if batch.revision <= reached:
                    raise _OutOfOrder(f"revision {batch.revision} came after {reached}")
                reached = batch.revision
                yield batch
    except grpc.RpcError as exc:
        connection.forget_token(exc.details() or "", token)
        if guard.verdict:
            raise Unavailable(guard.verdict) from exc
        raise
    finally:
        guard.done.set()
        requests.put(None)
        call.cancel()


def _open(connection: Connection, requests: queue.SimpleQueue[Any], metadata: Any) -> Any:
    try:
        return rpc.WatchStub(connection.channel()).Watch(iter(requests.get, None), metadata=metadata)
    except ValueError as exc:  # the channel was closed in between
        raise Unavailable("the store is closed") from exc


def _check(response: Any, connection: Connection, token: Any) -> None:
    """Raises `Compacted`, or `Unavailable` when etcd ended the watch for another reason."""
    if response.compact_revision:
        raise Compacted("history was compacted")
    if response.canceled:
        if "permission denied" in response.cancel_reason:  # what an old token gives here
            connection.forget_token(OLD_TOKEN[0], token)
        raise Unavailable(f"etcd cancelled the watch: {response.cancel_reason or 'no reason given'}")


def _create(root: str, start: int) -> Any:
    end = range_end(root.encode())
    create = rpc.WatchCreateRequest(
        key=root.encode() or b"\x00", range_end=end, start_revision=start, progress_notify=True
    )
    return rpc.WatchRequest(create_request=create)


def _roots(areas: Sequence[Area]) -> list[str]:
    """What to watch: for the areas of each folder their common prefix, and none below another."""
    folders: dict[str, list[str]] = {}
    for area in areas or (Area(""),):
        folders.setdefault(area.prefix.rstrip("/").rpartition("/")[0], []).append(area.prefix)
    found = sorted(_common_prefix(prefixes) for prefixes in folders.values())
    return [root for root in found if not any(root != other and root.startswith(other) for other in found)]


def _common_prefix(prefixes: Sequence[str]) -> str:
    first, *others = prefixes
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
    """Ends the stream when it is to stop, and when it does not get as far as the store is.

    It asks for progress after a linearizable read has told the revision that the answer must not be below.
    """

    def __init__(
        self, call: Any, requests: queue.SimpleQueue[Any], stop: threading.Event, newest_of: Callable[[], int]
    ) -> None:
        super().__init__(name="watch-guard", daemon=True)
        self._call = call
        self._requests = requests
        self._stop_event = stop
        self._newest_of = newest_of
        self._revision = -1
        self._wanted: int | None = 0  # any answer: the watch stands
        self._since = time.monotonic()
        self.verdict = ""
        self.done = threading.Event()

    def heard(self, revision: int) -> None:
        self._revision = max(self._revision, revision)

    def run(self) -> None:
        while not self.done.is_set() and not self._stop_event.wait(0.2):
            if not self._goes_on():
                break
        self._call.cancel()

    def _goes_on(self) -> bool:
        now = time.monotonic()
        if self._wanted is None:
            return now - self._since < PROBE_S or self._ask()
        if self._revision >= self._wanted:
            self._wanted, self._since = None, now
        elif now - self._since > ANSWER_S:
            self.verdict = f"the watch did not reach revision {self._wanted} within {ANSWER_S:.0f} s"
            return False
        return True

    def _ask(self) -> bool:
        try:
            self._wanted = self._newest_of()
        except ConfdError as error:
            self.verdict = error.detail
            return False
        self._since = time.monotonic()
        self._requests.put(rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))
        return True
