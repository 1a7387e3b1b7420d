"""Maintenance windows: when an app's containers may be interrupted. Pure; the time is given.

A window begins on each of its days at `start_min` and ends at `end_min`, minutes of the local day in the binding's
time zone; one that does not end later than it begins ends on the next day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from confd.model import Cause, Hold, Maintenance, Window

__all__ = ["closed", "opens_at"]

_WEEK = 8
"""Days from yesterday on in which each window begins at least once more."""


def closed(maintenance: Maintenance | None, utc: str, spares: Collection[str] = ()) -> tuple[Hold, ...]:
    """What holds the containers at this time (RFC 3339 UTC) until a window opens; nothing while one is open.

    `spares` are the names of those that need not wait.
    """
    opens = opens_at(maintenance, utc)
    if maintenance is None or opens is None:
        return ()
    local = opens.astimezone(ZoneInfo(maintenance.zone))
    at = opens.isoformat(timespec="seconds").replace("+00:00", "Z")
    why = f"its maintenance window opens at {at} ({local:%a %H:%M} {maintenance.zone})"
    return (Hold(Cause.WINDOW, why, maintenance.reach, spares),)


def opens_at(maintenance: Maintenance | None, utc: str) -> datetime | None:
    """When the next window opens; None where one is open, or where there are none to keep to."""
    if maintenance is None:
        return None
    now = datetime.fromisoformat(utc)
    spans = sorted(_spans(maintenance, now))
    if any(begin <= now < end for begin, end in spans):
        return None
    return min(begin for begin, _ in spans if begin > now)


def _spans(maintenance: Maintenance, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    zone = ZoneInfo(maintenance.zone)
    first = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None) - timedelta(days=1)
    for number in range(_WEEK + 1):
        day = first + timedelta(days=number)
        for window in maintenance.windows:
            if day.weekday() in window.days:
                begin, end = (day + timedelta(minutes=minutes) for minutes in _minutes(window))
                yield (begin.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone).astimezone(UTC))


def _minutes(window: Window) -> tuple[int, int]:
    later = window.end_min > window.start_min
    return window.start_min, window.end_min if later else window.end_min + 24 * 60
