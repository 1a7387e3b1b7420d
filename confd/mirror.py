"""A running copy of the store: list, then watch, then tell subscribers.

It never acts. While the store is away the last snapshot stays and `current` is False. A full listing every
few minutes repairs what a watch may have missed. Must not know of containers or HTTP.
"""

from __future__ import annotations

import logging
import random
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

logger = logging.getLogger(__name__)

Subscriber = Callable[[Snapshot, Touched | None], None]


class Mirror:
    """One thread that keeps `snapshot` equal to the store's areas."""

    def __init__(self, store: Store, keyspace: Keyspace, areas: Sequence[Area], *, resync_s: float = 300.0) -> None:
        self._store = store
        self._keyspace = keyspace
        self._areas = tuple(areas)
        self._resync_s = resync_s
        self._listed_at = 0.0
        self._snapshot = Snapshot()
        self._current = False
        self._changed = threading.Condition(threading.RLock())
        self._subscribers: list[Subscriber] = []
        self._stopped = threading.Event()
        self._again = threading.Event()
        self._thread: threading.Thread | None = None
        self.repairs = 0
        self.lost = 0

    @property
    def snapshot(self) -> Snapshot:
        """The newest state known; revision 0 before the first listing."""
        return self._snapshot

    @property
    def current(self) -> bool:
        """Whether the watch runs, so that the snapshot is as new as the store within moments."""
        return self._current

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        with self._changed:
            self._again.set()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def subscribe(self, callback: Subscriber) -> None:
        """Call back with each new snapshot and what was touched; None: everything may have changed.

        Called in the mirror's thread, in order; it must not block.
        """
        with self._changed:
            self._subscribers.append(callback)

    def follow(self, areas: Sequence[Area]) -> None:
        """Follow these areas instead; the snapshot is listed anew."""
        with self._changed:
            if tuple(areas) == self._areas:
                return
            self._areas = tuple(areas)
            self._current = False
            self._again.set()

    def wait_current(self, timeout_s: float) -> bool:
        with self._changed:
            return (
                self._changed.wait_for(lambda: self._current or self._stopped.is_set(), timeout_s) and self._current
            )

    def wait(self, revision: int, timeout_s: float = 5.0) -> Snapshot:
        """A snapshot not older than the revision. Raises `Unavailable` when the store cannot be read."""
        with self._changed:
            if self._changed.wait_for(lambda: self._snapshot.revision >= revision, timeout_s):
                return self._snapshot
            areas = self._areas
        fresh = from_listing(self._keyspace, self._store.snapshot(areas))
        if fresh.revision < revision:
            raise Unavailable(f"the store is at revision {fresh.revision} and below {revision}; try again")
        with self._changed:
            if areas == self._areas and fresh.revision > self._snapshot.revision:
                self._publish(fresh, None)
            return fresh

    def _run(self) -> None:
        delay_s = 0.1
        while not self._stopped.is_set():
            with self._changed:
                self._again = again = threading.Event()
                areas = self._areas
                if self._stopped.is_set():
                    return
            try:
                listing = self._store.snapshot(areas)
            except ConfdError as exc:
                self._lose(exc.detail)
                again.wait(delay_s * random.uniform(0.8, 1.2))  # noqa: S311  jitter, no secret
                delay_s = min(delay_s * 2, 5.0)
                continue
            delay_s = 0.1
            self._listed_at = time.monotonic()
            self._publish(from_listing(self._keyspace, listing), None)
            for item in self._store.watch(areas, listing.revision, again):
                if again.is_set():
                    break
                self._take(item, areas)
            again.wait(0.05)

    def _take(self, item: Watched, areas: tuple[Area, ...]) -> None:
        if isinstance(item, Lost):
            self._lose(item.reason)
        elif isinstance(item, Resync):
            self._listed_at = time.monotonic()
            self._publish(from_listing(self._keyspace, item.listing), None, current=True)
        else:
            self._advance(item)
            self._compare(areas)

    def _advance(self, batch: Batch) -> None:
        with self._changed:
            snapshot, touched = advance(self._keyspace, self._snapshot, batch)
            self._publish(snapshot, touched, current=True)

    def _compare(self, areas: tuple[Area, ...]) -> None:
        """Every few minutes: list all, and repair when it differs from what the watch made."""
        if time.monotonic() - self._listed_at < self._resync_s:
            return
        self._listed_at = time.monotonic()
        try:
            fresh = from_listing(self._keyspace, self._store.snapshot(areas))
        except ConfdError as exc:
            logger.warning("the periodic comparison was left out: %s", exc.detail)
            return
        with self._changed:
            if (
                replace(fresh, revision=0) != replace(self._snapshot, revision=0)
                and fresh.revision >= self._snapshot.revision
            ):
                self.repairs += 1
                self._publish(fresh, None, current=True)

    def _publish(self, snapshot: Snapshot, touched: Touched | None, current: bool = False) -> None:
        with self._changed:
            changed = touched != Touched()
            self._snapshot = snapshot
            self._current = self._current or current
            self._changed.notify_all()
            for callback in tuple(self._subscribers) if changed else ():
                callback(snapshot, touched)

    def _lose(self, reason: str) -> None:
        with self._changed:
            if self._current:
                logger.warning("the watch on the store ended and is opened again: %s", reason)
            self._current = False
            self.lost += 1
            self._changed.notify_all()
