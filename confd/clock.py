"""The two clocks: the machine's, and one that moves only when a test says so."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

__all__ = ["ManualClock", "SystemClock"]


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return _rfc3339(datetime.now(UTC))

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        return event.wait(timeout_s)


class ManualClock:
    """Stands still until `advance`. A wait ends when its event is set or the time it asked for has come."""

    def __init__(self) -> None:
        self._now = 0.0
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self._moved = threading.Condition()

    def now(self) -> float:
        return self._now

    def utc(self) -> str:
        return _rfc3339(self._start + timedelta(seconds=self._now))

    def advance(self, seconds: float) -> None:
        """Move on, and let those whose time has come go on."""
        with self._moved:
            self._now += seconds
            self._moved.notify_all()

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        until = None if timeout_s is None else self._now + timeout_s
        with self._moved:
            while not event.is_set() and (until is None or self._now < until):
                self._moved.wait(0.01)  # an event tells this condition nothing, so look at it now and then
        return event.is_set()
