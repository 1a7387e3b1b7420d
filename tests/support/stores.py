"""A store that fails as it is told to, in front of one that works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from confd.errors import ConfdError
from confd.ports import Area, Expect, Lease, Listing, Operation, Put, Store, Watched
from confd.stores.memory import MemoryStore

__all__ = ["FailingStore"]


@dataclass(slots=True)
class FailingStore:
    """See `confd.ports.Store`. While `read_error` or `write_error` is set, reads or commits raise it.

    A full store still deletes, so `write_error` meets commits that put something. `lose_answer` is raised
    once, after the commit has happened, as when the connection breaks before the answer. `before_commit` is
    called with what is about to be committed until it returns True: what another process does at that moment.
    """

    inner: Store = field(default_factory=MemoryStore)
    read_error: ConfdError | None = None
    write_error: ConfdError | None = None
    lose_answer: ConfdError | None = None
    before_commit: Callable[[Sequence[Operation]], bool] | None = None

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        self._check(self.read_error)
        return self.inner.snapshot(areas, keys_only=keys_only)

    def read(self, keys: Sequence[str]) -> Listing:
        self._check(self.read_error)
        return self.inner.read(keys)

    def watch(self, areas: Sequence[Area], after_revision: int, stop: threading.Event) -> Iterator[Watched]:
        return self.inner.watch(areas, after_revision, stop)

    def commit(self, operations: Sequence[Operation], expected: Sequence[Expect] = ()) -> int:
        hook, self.before_commit = self.before_commit, None
        if hook is not None and not hook(operations):
            self.before_commit = hook
        if any(isinstance(operation, Put) for operation in operations):
            self._check(self.write_error)
        revision = self.inner.commit(operations, expected)
        lost, self.lose_answer = self.lose_answer, None
        self._check(lost)
        return revision

    def lease(self, ttl_s: float) -> Lease:
        self._check(self.write_error)
        return self.inner.lease(ttl_s)

    def version(self) -> str:
        self._check(self.read_error)
        return self.inner.version()

    def close(self) -> None:
        self.inner.close()

    @staticmethod
    def _check(error: ConfdError | None) -> None:
        if error is not None:
            raise error
