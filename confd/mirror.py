"""A process's one view of the store: list, then watch, and hand out immutable snapshots.

Readers take `snapshot`; followers subscribe. Whatever ends a stream, the mirror goes on where it was; after
a compaction it takes the full state. It never hands out a state that never existed, and `current` says
whether the stream is up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from confd.errors import ConfdError, Unavailable
from confd.keys import Keyspace
from confd.model import Snapshot
from confd.ports import Area, Batch, Lost, Resync, Store, Watched
from confd.snapshot import Touched, advance, from_listing

__all__ = ["Mirror"]

log = logging.getLogger(__name__)

Follower = Callable[[Snapshot, Touched | None], None]
"""Called with each new snapshot and what it touched; None: everything may have changed."""


class Mirror:
    """See the module. Start it once; `stop` ends its thread."""

    def __init__(self, store: Store, keyspace: Keyspace, areas: Sequence[Area], *, resync_s: float = 300.0) -> None:
        self._resync_s = resync_s
        self._compared_at = time.monotonic()
        self.repairs = 0
        self.openings = 0
        """How often the stream came up: whoever trusts the store looks again after each."""
        self.relists = 0
        """How often the full state was taken anew, since history was compacted or the store is another."""
        self.heard_at = time.monotonic()
        """When the stream last showed that it lives."""
        self._alive_at = 0
        self.era = 0
        """How often the store turned out to have left the line of history that was followed."""
        self._store = store
        self._keyspace = keyspace
        self._areas = tuple(areas)
        self._state = threading.Condition()
        self._snapshot = Snapshot()
        self._current = False
        self._listed = False
        self._followers: list[Follower] = []
        self._stop = threading.Event()
        self._turn = threading.Event()  # ends the present watch: stop, or other areas
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    @property
    def snapshot(self) -> Snapshot:
        """The newest state known; empty until the first listing."""
        return self._snapshot

    @property
    def current(self) -> bool:
        """Whether the stream is up, so that the snapshot follows the store."""
        return self._current

    @property
    def reached(self) -> int:
        """The store's revision at the last sign of life, or that of the snapshot where that is newer."""
        return max(self._alive_at, self._snapshot.revision)

    @property
    def listed(self) -> bool:
        """Whether a state of the store is known at all; before that the snapshot is empty and says nothing."""
        return self._listed

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._turn.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def subscribe(self, follower: Follower) -> None:
        """Tell the follower of each new snapshot, from the mirror's own thread; it must be quick."""
        self._followers.append(follower)

    def follow(self, areas: Sequence[Area]) -> None:
        """Follow other areas from now on; followers get the full state."""
        with self._state:
            if tuple(areas) != self._areas:
                self._areas = tuple(areas)
                self._current = False
                self._turn.set()

    def wait_current(self, timeout_s: float) -> bool:
        """Wait until the first listing is there and the stream is up."""
        with self._state:
            return self._state.wait_for(lambda: self._current, timeout_s)

    def wait(self, revision: int, timeout_s: float) -> Snapshot:
        """A snapshot not older than a revision.

        When the stream does not bring it in time, a fresh listing does. Raises `Unavailable`.
        """
        with self._state:
            if self._state.wait_for(lambda: self._snapshot.revision >= revision and self._listed, timeout_s):
                return self._snapshot
            areas = self._areas
        listing = self._store.snapshot(areas)
        if listing.revision < revision:
            raise Unavailable(f"the store has not reached revision {revision} yet; try again")
        return from_listing(self._keyspace, listing)

    def _run(self) -> None:
        pause_s = 0.1
        while not self._stop.is_set():
            with self._state:
                self._turn.clear()
                areas = self._areas
            if self._stop.is_set():
                return
            try:
                listing = self._store.snapshot(areas)
            except ConfdError as error:
                log.warning("cannot list the store: %s", error.detail)
                self._set_current(False)
                self._stop.wait(pause_s)
                pause_s = min(pause_s * 2, 5.0)
                continue
            pause_s = 0.1
            self._take(from_listing(self._keyspace, listing), None)
            for item in self._store.watch(areas, listing.revision, self._turn):
                if self._turn.is_set():
                    break
                self._see(item)
                self._compare(areas)

    def _see(self, item: Watched) -> None:
        if isinstance(item, Lost):
            log.warning("the watch ended, opening it again: %s", item.reason)
            self._set_current(False)
        elif isinstance(item, Resync):
            self.relists += 1
            self._alive_at = 0
            self.heard_at = time.monotonic()
            if item.restored:
                log.warning("the store went back to an older state, revision %d", item.listing.revision)
            self._take(from_listing(self._keyspace, item.listing), None, restored=item.restored)
        elif isinstance(item, Batch):
            self.heard_at = time.monotonic()
            self._alive_at = max(self._alive_at, item.alive_at)
            snapshot, touched = advance(self._keyspace, self._snapshot, item)
            if snapshot is not self._snapshot:
                self._take(snapshot, touched)
            self._set_current(True)

    def _take(self, snapshot: Snapshot, touched: Touched | None, *, restored: bool = False) -> None:
        with self._state:
            self.era += restored or snapshot.revision < self._snapshot.revision
            self._snapshot = snapshot
            self._listed = True
            self._state.notify_all()
        for follower in self._followers:
            follower(snapshot, touched)

    def _compare(self, areas: Sequence[Area]) -> None:
        """Every few minutes: list everything, and repair what the stream should have told and did not."""
        if time.monotonic() - self._compared_at < self._resync_s:
            return
        self._compared_at = time.monotonic()
        try:
            fresh = from_listing(self._keyspace, self._store.snapshot(areas))
        except ConfdError as error:
            log.warning("the periodic comparison was left out: %s", error.detail)
            return
        if fresh.revision >= self._snapshot.revision and replace(fresh, revision=0) != replace(
            self._snapshot, revision=0
        ):
            self.repairs += 1
            self._take(fresh, None)

    def _set_current(self, current: bool) -> None:
        with self._state:
            if self._current != current:
                self._current = current
                self.openings += current
                self._state.notify_all()
