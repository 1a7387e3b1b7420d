"""One gRPC stream that watches some areas, and comes back whatever ends it.

One watcher per area's prefix, all on one stream, which etcd feeds in order of revision as long as they are in
step; should one ever be behind another, the areas are listed anew (`Resync`). Every few seconds a linearizable
read tells the newest revision and the stream has to answer for itself; one that is silent is opened again.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.errors import ConfdError, Unavailable
from confd.model import Entry
from confd.ports import Area, Batch, Event, Listing, Lost, Resync, Watched
from confd.stores.etcd_calls import Calls, is_token_refusal, translate

__all__ = ["Watcher", "entry_of", "range_end"]

CATCH_UP_S = 0.25
"""etcd brings watchers that start in the past into step every 100 ms."""
SETTLE_S = 0.005
ANSWER_S = 5.0
_END = object()


def range_end(prefix: bytes) -> bytes:
    """The end of the range of all keys with this prefix: its last byte below 0xFF raised, the rest cut."""
    for index in range(len(prefix) - 1, -1, -1):
        if prefix[index] < 0xFF:
            return prefix[:index] + bytes([prefix[index] + 1])
    return b"\0"


def entry_of(kv: Any) -> Entry:
    """An entry from etcd's key and value; bytes that are no UTF-8 become U+FFFD."""
    return Entry(
        kv.key.decode(errors="replace"), kv.value.decode(errors="replace"), kv.mod_revision, kv.create_revision
    )


class _Broken(Exception):
    """The stream is of no more use; the reason is told to the consumer."""


class _Gap(Exception):
    """What is needed next cannot be had from the stream: list everything."""


class Watcher:
    """The areas, and where the consumer stands."""

    def __init__(
        self, calls: Calls, areas: tuple[Area, ...], listing: Callable[..., Listing], check_s: float
    ) -> None:
        self._calls = calls
        self._areas = areas
        self._listing = listing
        self._check_s = check_s
        self._last = 0
        self._reset = False

    def run(self, after_revision: int, stop: threading.Event, closed: threading.Event) -> Iterator[Watched]:
        self._last = after_revision
        delay_s = 0.1
        while not stop.is_set() and not closed.is_set():
            began = time.monotonic()
            index = self._calls.index
            try:
                yield from self._connected(index, stop, closed)
            except grpc.RpcError as exc:
                reason = translate(exc).detail
            except ConfdError as exc:
                reason = exc.detail
            except _Broken as exc:
                reason = str(exc)
            else:
                continue
            if stop.is_set() or closed.is_set():
                return
            self._calls.next_endpoint(index)
            yield Lost(reason)
            delay_s = 0.1 if time.monotonic() - began > 5 else min(delay_s * 2, 2.0)
            stop.wait(delay_s * random.uniform(0.8, 1.2))  # noqa: S311  jitter, no secret

    def _connected(self, index: int, stop: threading.Event, closed: threading.Event) -> Iterator[Watched]:
        """One connection. Returns to be opened again at once, after a full listing if there was a gap."""
        newest = self._newest()
        if self._reset or newest < self._last:  # a gap, or a restored backup
            yield self._resync()
        stream = _Stream(self._calls, index, self._areas, self._last + 1)
        try:
            stream.created()
            yield from self._follow(stream, newest, stop, closed)
        except _Gap:
            self._reset = True
        finally:
            stream.close()

    def _resync(self) -> Resync:
        listing = self._listing(self._areas)
        self._last, self._reset = listing.revision, False
        return Resync(listing)

    def _follow(
        self, stream: _Stream, newest: int, stop: threading.Event, closed: threading.Event
    ) -> Iterator[Watched]:
        yield from self._batches(stream.gather(CATCH_UP_S if newest > self._last else 0.0))
        yield Batch(self._last, ())
        check_at = time.monotonic() + self._check_s
        wanted = 0
        while not stop.is_set() and not closed.is_set():
            yield from self._batches(stream.gather(SETTLE_S if len(self._areas) > 1 else 0.0, wait_s=0.1))
            if wanted and stream.progress >= wanted:
                wanted, check_at = 0, time.monotonic() + self._check_s
                yield Batch(self._last, ())
            if time.monotonic() < check_at:
                continue
            if wanted:
                raise _Broken(f"the watch did not reach revision {wanted} within {ANSWER_S:.0f} s")
            wanted = self._newest()
            stream.ask()
            check_at = time.monotonic() + ANSWER_S

    def _batches(self, responses: list[Any]) -> Iterator[Batch]:
        """The responses' events, by revision; what the areas do not hold is left out."""
        found: dict[int, dict[str, Event]] = {}
        for response in responses:
            for event in response.events:
                entry = entry_of(event.kv)
                deleted = event.type == 1
                at = found.setdefault(entry.mod_revision, {})
                if any(area.holds(entry.key) for area in self._areas):
                    at[entry.key] = Event(entry.key, None if deleted else entry)
        for revision in sorted(found):
            if revision <= self._last:
                raise _Gap
            self._last = revision
            yield Batch(revision, tuple(found[revision].values()))

    def _newest(self) -> int:
        request = rpc.RangeRequest(key=self._areas[0].prefix.encode() if self._areas else b"/", count_only=True)
        answer = self._calls.unary(lambda channel: rpc.KVStub(channel).Range, request, safe=True)
        return int(answer.header.revision)


class _Stream:
    """The gRPC stream: a thread reads it into a queue."""

    def __init__(self, calls: Calls, index: int, areas: tuple[Area, ...], revision: int) -> None:
        self._calls = calls
        self._prefixes = tuple(dict.fromkeys(area.prefix for area in areas))
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._responses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._early: list[Any] = []
        self.progress = 0
        for prefix in self._prefixes:
            create = rpc.WatchCreateRequest(
                key=prefix.encode() or b"\0",
                range_end=range_end(prefix.encode()),
                start_revision=revision,
                progress_notify=True,
            )
            self._requests.put(rpc.WatchRequest(create_request=create))
        channel = calls.channel(index)
        self._metadata = calls.metadata(index)
        try:
            self._call = rpc.WatchStub(channel).Watch(
                iter(self._requests.get, None), metadata=[*self._metadata, ("hasleader", "true")]
            )
        except ValueError as exc:
            raise Unavailable("the store is closed") from exc
        threading.Thread(target=self._read, name="etcd-watch", daemon=True).start()

    def created(self) -> None:
        """Wait until every watcher stands."""
        deadline = time.monotonic() + ANSWER_S
        standing = 0
        while standing < len(self._prefixes):
            response = self._take(max(0.0, deadline - time.monotonic()))
            if response is None:
                raise _Broken(f"etcd did not set up the watch within {ANSWER_S:.0f} s")
            standing += response.created
            if response.events:
                self._early.append(response)

    def gather(self, settle_s: float, wait_s: float = 0.0) -> list[Any]:
        """What came, until it has been quiet for the time to settle; waits for a first response."""
        gathered, self._early = self._early, []
        response = self._take(settle_s if gathered else max(wait_s, settle_s))
        while response is not None:
            gathered.append(response)
            if len(gathered) > 10_000:
                break
            response = self._take(settle_s)
        return gathered

    def ask(self) -> None:
        self._requests.put(rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()

    def _take(self, timeout_s: float) -> Any:
        try:
            response = self._responses.get(timeout=timeout_s) if timeout_s > 0 else self._responses.get_nowait()
        except queue.Empty:
            return None
        if response is _END:
            raise _Broken("etcd closed the watch")
        if isinstance(response, grpc.RpcError):
            self._refused(response.details() or "")
            raise response
        if response.compact_revision:
            raise _Gap
        if response.canceled:
            self._refused(response.cancel_reason)
            raise _Broken(f"etcd cancelled the watch: {response.cancel_reason}")
        self.progress = max(self.progress, response.header.revision)
        return response

    def _refused(self, text: str) -> None:
        if is_token_refusal(text) or "permission denied" in text or "unauthenticated" in text.lower():
            self._calls.forget_token(self._metadata)

    def _read(self) -> None:
        try:
            for response in self._call:
                self._responses.put(response)
            self._responses.put(_END)
        except grpc.RpcError as exc:
            self._responses.put(exc)
