"""What every use-case works with: the store, the process's one view of it, the clock, and the actions' reaches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from confd.actions import REACHES
from confd.errors import Conflict, Unavailable
from confd.keyfile import KeyFile
from confd.keys import Keyspace, Layer
from confd.mirror import Mirror
from confd.model import Reach, Snapshot
from confd.ports import Clock, Store
from confd.secret import DigestKey
from confd.services.meta import ensure_meta, parse_meta, require_whole
from confd.services.places import Sight
from confd.snapshot import all_areas, from_listing

__all__ = ["Context"]

CATCH_UP_S = 2.0
TRIES = 8
"""So often a write is decided, at most."""

T = TypeVar("T")


@dataclass(slots=True)
class _State:
    """What changes: the newest revision this process wrote in the store's present history, and a lock a layer."""

    written: int = 0
    acts: int = 0
    era: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)
    locks: dict[Layer, threading.Lock] = field(default_factory=dict)
    numbers: dict[Layer, tuple[int, Mapping[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """See the module. Reads come from the mirror; one that asks for more than it has, from the store."""

    store: Store
    keyspace: Keyspace
    mirror: Mirror
    clock: Clock
    reaches: Mapping[str, Reach] = field(default_factory=lambda: REACHES)
    keys: KeyFile = field(default_factory=KeyFile)
    state: _State = field(default_factory=_State)

    def snapshot(self, min_revision: int = 0) -> Snapshot:
        """The newest state, not older than a revision nor than what this process wrote. Raises `Unavailable`.

        What it wrote before the store was put back from a backup is in no state that is to come: a listing, which
        is never behind the store, may be older than that.
        """
        self._leave_history()
        if self.mirror.current:
            return require_whole(self.mirror.wait(max(min_revision, self.state.written), CATCH_UP_S))
        fresh = self.fresh()
        if fresh.revision < min_revision:
            raise Unavailable(f"the store has not reached revision {min_revision} yet; try again")
        return fresh

    def fresh(self) -> Snapshot:
        """The state as the store has it now, whatever the mirror knows. Raises `Unavailable`."""
        return require_whole(from_listing(self.keyspace, self.store.snapshot(all_areas(self.keyspace))))

    def digest_key(self, snapshot: Snapshot) -> DigestKey:
        """The cluster's digest key. Raises `Configuration` for a store of another format."""
        return parse_meta(snapshot.meta) if snapshot.meta else ensure_meta(self.store, self.keyspace)

    def sight(self, snapshot: Snapshot) -> Sight:
        """What the places of a snapshot are seen with. Raises `Configuration` for a store of another format."""
        return Sight(self.digest_key(snapshot), self.keys)

    def wrote(self, revision: int) -> None:
        """Reads of this process are not older than this from now on."""
        with self.state.guard:
            self.state.written = max(self.state.written, revision)

    def _leave_history(self) -> None:
        """Forget what is known by revisions of a history that the store has left."""
        with self.state.guard:
            if self.state.era != self.mirror.era:
                self.state.era, self.state.written = self.mirror.era, 0
                self.state.numbers.clear()

    def decided(self, layer: Layer, decide: Callable[[Snapshot], T]) -> T:
        """What `decide` stores by the newest state, decided again when somebody else was faster.

        Raises what it raises, the last `Conflict` of several too.
        """
        with self.writing(layer):
            snapshot = self.snapshot()
            for _ in range(TRIES - 1):
                try:
                    return decide(snapshot)
                except Conflict as error:
                    if not error.retryable:
                        raise
                snapshot = self.fresh()
            return decide(snapshot)

    @contextmanager
    def writing(self, layer: Layer) -> Iterator[None]:
        """Writers of one process to one layer take turns, so that they seldom lose a race to each other."""
        with self.state.guard:
            lock = self.state.locks.setdefault(layer, threading.Lock())
        with lock:
            yield
