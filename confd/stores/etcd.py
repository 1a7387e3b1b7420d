"""The store in etcd, over the raw stubs of the client library (its own client forgets endpoints and tokens).

Pages are read at one revision; a commit of more than 128 operations is nested, since etcd's limit is per
level, and stays one transaction at one revision.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import etcd3.etcdrpc as rpc
import grpc

from confd.config import EtcdConfig
from confd.errors import ConfdError, Conflict, TooLarge, Unavailable
from confd.model import Entry, frozen
from confd.ports import Area, Expect, Listing, Operation, Put, Watched
from confd.stores import watching
from confd.stores.connection import Compacted, Connection, translate
from confd.stores.watching import entry_of, range_end

__all__ = ["EtcdStore"]

logger = logging.getLogger(__name__)

LEVEL = 128
"""etcd's limit of operations (`--max-txn-ops`); what one level takes is no longer there for those below it."""
PAGE = 2_000
FEWEST = 16
"""So many of the largest values fit into one answer."""
MAX_REQUEST_BYTES = 1_500_000


class EtcdLease:
    """Kept alive by a thread three times per life."""

    def __init__(self, connection: Connection, number: int, ttl_s: float) -> None:
        self._connection = connection
        self._id = number
        self._ttl_s = ttl_s
        self._lost = threading.Event()
        self._closed = threading.Event()
        threading.Thread(target=self._keep, name=f"lease-{number}", daemon=True).start()

    @property
    def id(self) -> int:
        return self._id

    @property
    def lost(self) -> threading.Event:
        return self._lost

    def close(self) -> None:
        self._closed.set()
        request = rpc.LeaseRevokeRequest(ID=self._id)
        try:
            self._connection.call("Lease", "LeaseRevoke", request)
        except ConfdError as exc:
            logger.info("lease %d was not given back and ends by itself: %s", self._id, exc.detail)
        self._lost.set()

    def _keep(self) -> None:
        deadline = time.monotonic() + self._ttl_s
        while not self._closed.wait(self._ttl_s / 3):
            asked = time.monotonic()
            try:
                left = _keep_alive(self._connection, self._id, self._ttl_s)
            except ConfdError:
                left = None
            if left is not None:
                deadline = asked + left
            if left == 0 or time.monotonic() > deadline:
                self._lost.set()
                return


def _keep_alive(connection: Connection, number: int, ttl_s: float) -> int:
    """The seconds the lease has left, 0 when it is gone. Raises `Unavailable` or another `ConfdError`."""
    request = rpc.LeaseKeepAliveRequest(ID=number)
    at, metadata = connection.at, connection.metadata()
    try:
        stub = rpc.LeaseStub(connection.channel())
        answers = stub.LeaseKeepAlive(iter([request]), timeout=ttl_s / 3, metadata=metadata)
        return int(next(answers).TTL)
    except (StopIteration, ValueError) as exc:
        raise Unavailable("etcd ended the call") from exc
    except grpc.RpcError as exc:
        if not connection.forget_token(exc.details() or "", metadata):
            connection.next_endpoint(at)
        raise translate(exc) from exc


class EtcdStore:
    """`confd.ports.Store` on an etcd cluster. Make it after any fork."""

    def __init__(self, config: EtcdConfig) -> None:
        self._connection = Connection(config)

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        for attempt in (1, 2):
            try:
                return self._snapshot(areas, keys_only)
            except Compacted as exc:
                if attempt == 2:
                    raise Unavailable("etcd is compacted faster than it can be read; try again") from exc
        raise AssertionError("not reached")

    def read(self, keys: Sequence[str]) -> Listing:
        entries: dict[str, Entry] = {}
        wanted, at, page, revision = sorted(set(keys)), 0, LEVEL, 0
        while at == 0 or at < len(wanted):
            operations = [
                rpc.RequestOp(request_range=rpc.RangeRequest(key=key.encode(), revision=revision))
                for key in wanted[at : at + page]
            ]
            try:
                answer = self._txn(rpc.TxnRequest(success=operations), safe=True)
            except TooLarge as error:
                page = _fewer(page, error)
                continue
            at += page
            revision = revision or answer.header.revision
            for part in answer.responses:
                entries.update(
                    (kv.key.decode(errors="surrogateescape"), entry_of(kv)) for kv in part.response_range.kvs
                )
        return Listing(revision, frozen(dict(sorted(entries.items()))))

    def watch(self, areas: Sequence[Area], after_revision: int, stop: threading.Event) -> Iterator[Watched]:
        return watching.watch(self._connection, self.snapshot, areas, after_revision, stop)

    def commit(self, operations: Sequence[Operation], expected: Sequence[Expect] = ()) -> int:
        if len(expected) > LEVEL:
            raise TooLarge(f"{len(expected)} expectations in one write; at most {LEVEL} are possible")
        unique = list({operation.key: operation for operation in operations}.values())
        compares = [
            rpc.Compare(
                result=rpc.Compare.EQUAL,
                target=rpc.Compare.MOD,
                key=expect.key.encode(),
                mod_revision=expect.mod_revision,
            )
            for expect in expected
        ]
        request = rpc.TxnRequest(compare=compares, success=_nest([_request(op) for op in unique]))
        size = request.ByteSize()
        if size > MAX_REQUEST_BYTES:
            raise TooLarge(f"this write has {size} bytes; etcd takes at most {MAX_REQUEST_BYTES} at once")
        answer = self._txn(request, safe=False)
        if not answer.succeeded:
            keys = ", ".join(expect.key for expect in expected[:3])
            raise Conflict(f"somebody else wrote in between ({keys}); read it again and retry")
        return int(answer.header.revision)

    def lease(self, ttl_s: float) -> EtcdLease:
        request = rpc.LeaseGrantRequest(TTL=max(1, math.ceil(ttl_s)))
        answer = self._connection.call("Lease", "LeaseGrant", request)
        return EtcdLease(self._connection, answer.ID, float(answer.TTL))

    def version(self) -> str:
        return f"etcd {self._connection.call('Maintenance', 'Status', rpc.StatusRequest()).version}"

    def close(self) -> None:
        self._connection.close()

    def _snapshot(self, areas: Sequence[Area], keys_only: bool) -> Listing:
        reader = _Reader(self._connection, keys_only)
        for area in areas:
            roots = reader.children(area.prefix) if area.each_child else [area.prefix]
            for root in roots:
                for part in area.parts:
                    reader.read(root + part)
        if not areas:
            reader.read("/", limit=1)
            reader.entries.clear()
        return Listing(reader.revision, frozen(dict(sorted(reader.entries.items()))))

    def _txn(self, request: Any, *, safe: bool) -> Any:
        return self._connection.call("KV", "Txn", request, again=safe)


class _Reader:
    """Ranges, page by page, all at the revision of the first.

    Keys come in ascending order by themselves; asked to sort, etcd reads the whole range for every page.
    """

    def __init__(self, connection: Connection, keys_only: bool) -> None:
        self._connection = connection
        self._keys_only = keys_only
        self.revision = 0
        self.entries: dict[str, Entry] = {}

    def read(self, prefix: str, limit: int = PAGE) -> None:
        key, end = prefix.encode(), range_end(prefix.encode())
        while True:
            try:
                answer = self._range(key, end, limit, self._keys_only)
            except TooLarge as error:
                limit = _fewer(limit, error)
                continue
            for kv in answer.kvs:
                entry = entry_of(kv)
                self.entries[entry.key] = entry
            if not answer.more or limit == 1:
                return
            key = answer.kvs[-1].key + b"\0"

    def children(self, prefix: str) -> list[str]:
        """The folders below a prefix, found by jumping from one to the next."""
        found: list[str] = []
        start, end = prefix.encode(), range_end(prefix.encode())
        key = start
        while True:
            kvs = self._range(key, end, 1, True).kvs
            if not kvs:
                return found
            child, slash, _ = bytes(kvs[0].key)[len(start) :].partition(b"/")
            if slash:
                found.append((start + child + b"/").decode(errors="replace"))
                key = start + child + b"0"  # the byte behind the slash
            else:
                key = bytes(kvs[0].key) + b"\0"

    def _range(self, key: bytes, end: bytes, limit: int, keys_only: bool) -> Any:
        request = rpc.RangeRequest(
            key=key or b"\0",
            range_end=end,
            limit=limit,
            revision=self.revision,
            keys_only=keys_only,
        )
        answer = self._connection.call("KV", "Range", request)
        self.revision = self.revision or answer.header.revision
        return answer


def _fewer(page: int, error: TooLarge) -> int:
    """The next smaller page, after one that held more than an answer may. Raises the error at the smallest."""
    if page <= FEWEST:
        raise error
    return max(page // 8, FEWEST)


def _request(operation: Operation) -> Any:
    if isinstance(operation, Put):
        put = rpc.PutRequest(key=operation.key.encode(), value=operation.text.encode(), lease=operation.lease)
        return rpc.RequestOp(request_put=put)
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=operation.key.encode()))


def _nest(operations: list[Any]) -> list[Any]:
    """The same operations as a tree: with k levels each has at most a k-th of the limit.

    One put stays at the top, since a full etcd refuses a transaction only for the puts that it sees there.
    """
    if len(operations) <= LEVEL:
        return operations
    operations = sorted(operations, key=lambda operation: not operation.HasField("request_put"))
    top, rest = operations[:1], operations[1:]
    levels = next((k for k in range(2, 8) if len(rest) < (LEVEL // k - 1) * (LEVEL // k) ** (k - 1)), 8)
    width = LEVEL // levels
    while len(rest) >= width:
        rest = [
            rpc.RequestOp(request_txn=rpc.TxnRequest(success=rest[start : start + width]))
            for start in range(0, len(rest), width)
        ]
    return top + rest
