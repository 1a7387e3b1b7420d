"""What is counted of actions, and how long after it was written a change came into effect."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from confd.agent.metrics import Effects
from confd.entries import Base, LedgerEntry
from confd.keys import App, Env, Host, Layer
from confd.metrics import Page, Tally
from confd.model import Applied, Head, Outcome, Result
from tests.support.scraped import Page as Read
from tests.support.scraped import read

WEB = {"app": "web", "env": "dev"}
OWN, SHARED = Layer(Env("dev"), App("web")), Layer(Env("dev"), App("_default"))
OTHER = Layer(Env("dev"), App("api"))


@dataclass
class At:
    """A clock that shows one moment."""

    text: str

    def now(self) -> float:
        return 0.0

    def utc(self) -> str:
        return self.text

    def wait(self, event: object, timeout_s: float | None) -> bool:
        raise AssertionError("nobody waits for it")


def entry(revision: int) -> LedgerEntry:
    return LedgerEntry("web-1", App("web"), Env("dev"), Base(), Applied(revision))


def after(before: int, now: int, *results: Result, at: str = "2026-01-01T00:00:03.000Z") -> Read:
    """What is shown once the actions from one revision to another have ended."""
    heads = {
        OWN: Head(3, "a", 12, at="2026-01-01T00:00:02.000Z"),
        SHARED: Head(1, "b", 8, at="2026-01-01T00:00:00.500Z"),
        OTHER: Head(1, "c", 11, at="2026-01-01T00:00:01.000Z"),
    }
    tally = Tally()
    effects = Effects(tally, Host("h1"), At(at), lambda: heads)
    outcomes = [Outcome("update", result, "", now, at, 0.1) for result in results]
    effects(entry(before), Applied(now), outcomes)
    kind, body = Page(tally).text("")
    return read(kind, body.decode())


@pytest.mark.parametrize(
    ("before", "now", "count", "total_s"),
    [
        (10, 12, 1, 1.0),  # the app's own newest change
        (5, 12, 2, 3.5),  # that of a layer below too
        (5, 9, 1, 2.5),  # a newer one came meanwhile, and is not in effect yet
        (12, 12, None, None),  # nothing new: an action for another reason
        (0, 12, None, None),  # written before the container was there
    ],
)
def test_each_change_that_came_into_effect_is_timed(
    before: int, now: int, count: int | None, total_s: float | None
) -> None:
    page = after(before, now, Result.DONE)
    assert page.value("confd_app_effect_seconds_count", **WEB) == count
    assert page.value("confd_app_effect_seconds_sum", **WEB) == total_s
    assert page.number("confd_app_actions_total", **WEB, action="update", result="done") == 1


def test_a_writer_s_clock_that_is_ahead_makes_no_time_below_0() -> None:
    page = after(10, 12, Result.DONE, at="2026-01-01T00:00:01.000Z")
    assert page.number("confd_app_effect_seconds_sum", **WEB) == 0


def test_a_failure_is_counted_and_not_timed() -> None:
    page = after(10, 12, Result.FAILED)
    assert page.number("confd_app_actions_total", **WEB, action="update", result="failed") == 1
    assert page.value("confd_app_effect_seconds_count", **WEB) is None
