"""The work queue: keys, not events. Deduplicates, debounces, and is the only place that retries.

A key that is added while it is being worked on comes again afterwards, once. A failed key comes back after a
growing, jittered pause; a change of its settings (`fresh`) ends that pause, a mere hint (an engine event, the
slow resync) does not, so that an action that fails and thereby causes events never runs in a tight loop.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from confd.ports import Clock

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "Queue", "Waiting"]

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Dirty:
    """When the key became dirty, and when it is due."""

    since: float
    due: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """For how long a key has waited, and how often in a row its work failed."""

    age_s: float
    failures: int


class Queue(Generic[K]):
    """See the module. Thread-safe; `take` never blocks, `wait_take` does."""

    def __init__(self, clock: Clock, *, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._state = threading.Condition()
        self._dirty: dict[K, _Dirty] = {}
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}
        self._alarms: dict[K, float] = {}
        self._closed = False

    def add(self, key: K, *, min_s: float = 0.0, max_s: float = 0.0, fresh: bool = False) -> None:
        """Have the key worked on once it was quiet for `min_s`, at the latest `max_s` after its first add."""
        with self._state:
            now = self._clock.now()
            if fresh:
                self._failures.pop(key, None)
                self._not_before.pop(key, None)
            known = self._dirty.get(key)
            since = known.since if known else now
            due = min(now + min_s, since + max(min_s, max_s))
            if known is not None and not fresh:
                due = known.due  # a hint cuts the quiet time of a change not short
            self._dirty[key] = _Dirty(since, due)
            self._state.notify()

    def later(self, key: K, after_s: float) -> None:
        """Have the key worked on again after a time, and not before unless it is added meanwhile."""
        with self._state:
            self._alarms[key] = self._clock.now() + after_s
            self._state.notify()

    def take(self) -> K | None:
        """A key that is due and that nobody works on, the longest due first; or None."""
        with self._state:
            return self._take()

    def wait_take(self) -> K | None:
        """As `take`, but wait for one; None only when the queue is closed."""
        with self._state:
            while not self._closed:
                key = self._take()
                if key is not None:
                    return key
                self._state.wait(self._pause_s())
            return None

    def done(self, key: K) -> None:
        """The work succeeded, or failed for good: forget the key unless it was added again meanwhile."""
        with self._state:
            self._processing.discard(key)
            self._failures.pop(key, None)
            self._not_before.pop(key, None)
            self._state.notify()

    def retry(self, key: K) -> float:
        """The work failed and may succeed later: the key comes back after a pause, which is returned."""
        with self._state:
            self._processing.discard(key)
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            longest = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S)
            pause_s = max(FIRST_PAUSE_S, longest * (0.5 + 0.5 * self._jitter()))
            now = self._clock.now()
            self._not_before[key] = now + pause_s
            self._dirty.setdefault(key, _Dirty(now, now))
            self._state.notify()
            return pause_s

    def failures(self, key: K) -> int:
        """How often in a row the key failed."""
        with self._state:
            return self._failures.get(key, 0)

    def waiting(self) -> dict[K, Waiting]:
        """All that is to be worked on, also where somebody works on it already."""
        with self._state:
            now = self._clock.now()
            return {
                key: Waiting(now - dirty.since, self._failures.get(key, 0)) for key, dirty in self._dirty.items()
            }

    def close(self) -> None:
        """Let all who wait go."""
        with self._state:
            self._closed = True
            self._state.notify_all()

    def _due(self, key: K) -> float:
        return max(self._dirty[key].due, self._not_before.get(key, 0.0))

    def _take(self) -> K | None:
        self._ring()
        waiting = [key for key in self._dirty if key not in self._processing]
        key = min(waiting, key=self._due, default=None)
        if key is None or self._due(key) > self._clock.now():
            return None
        del self._dirty[key]
        self._alarms.pop(key, None)
        self._processing.add(key)
        return key

    def _ring(self) -> None:
        """Keys whose time has come are dirty."""
        now = self._clock.now()
        for key in [key for key, at in self._alarms.items() if at <= now]:
            del self._alarms[key]
            self._dirty.setdefault(key, _Dirty(now, now))

    def _pause_s(self) -> float | None:
        waiting = [self._due(key) for key in self._dirty if key not in self._processing]
        waiting += self._alarms.values()
        return max(min(waiting) - self._clock.now(), 0.0) if waiting else None
