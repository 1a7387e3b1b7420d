"""Maintenance windows: when one is open and when the next one opens, in any time zone, also as clocks change."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.binding import parse_binding
from confd.jsontext import parse
from confd.model import Cause, Maintenance, Reach, Window
from confd.windows import closed, opens_at

NIGHT = Window((4, 5), 22 * 60, 4 * 60)
"""From Friday and Saturday at 22:00 to four hours after midnight."""

BERLIN = Maintenance((NIGHT,), "Europe/Berlin")


@pytest.mark.parametrize(
    ("utc", "opens"),
    [
        pytest.param("2026-11-27T21:00:00Z", None, id="friday as it opens"),
        pytest.param("2026-11-27T20:59:59Z", "2026-11-27T21:00:00+00:00", id="a second before"),
        pytest.param("2026-11-28T02:59:59Z", None, id="the night after, until four"),
        pytest.param("2026-11-28T03:00:00Z", "2026-11-28T21:00:00+00:00", id="over, and again in the evening"),
        pytest.param("2026-11-29T03:00:00Z", "2026-12-04T21:00:00+00:00", id="over for a week"),
        pytest.param("2026-07-03T19:59:00Z", "2026-07-03T20:00:00+00:00", id="an hour earlier in summer"),
        pytest.param("2026-10-24T20:00:00Z", None, id="the night in which clocks go back"),
        pytest.param("2026-10-25T02:59:00Z", None, id="which is an hour longer"),
        pytest.param("2026-10-25T03:00:00Z", "2026-10-30T21:00:00+00:00", id="and no more than that"),
    ],
)
def test_when_the_next_window_opens(utc: str, opens: str | None) -> None:
    found = opens_at(BERLIN, utc)
    assert (found.isoformat() if found else None) == opens


def test_without_windows_nothing_is_waited_for() -> None:
    assert (opens_at(None, "2026-11-28T12:00:00Z"), closed(None, "2026-11-28T12:00:00Z")) == (None, ())


def test_a_closed_window_holds_what_reaches_as_far_as_it_says_and_tells_when_it_opens() -> None:
    (hold,) = closed(BERLIN, "2026-11-28T12:00:00Z", ["web"])
    assert (hold.cause, hold.reach, hold.spares) == (Cause.WINDOW, Reach.NEW_PROCESS, ["web"])
    assert hold.why == "its maintenance window opens at 2026-11-28T21:00:00Z (Sat 22:00 Europe/Berlin)"
    assert closed(BERLIN, "2026-11-28T21:00:00Z") == ()


MINUTES = st.integers(0, 24 * 60 - 1)
WINDOWS = st.builds(Window, st.lists(st.integers(0, 6), min_size=1).map(tuple), MINUTES, MINUTES)
PLANS = st.builds(
    Maintenance,
    st.lists(WINDOWS, min_size=1, max_size=3).map(tuple),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)


@given(PLANS, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))
def test_at_the_time_that_is_told_a_window_is_open_and_a_second_before_none_is(
    maintenance: Maintenance, at: datetime
) -> None:
    utc = at.replace(microsecond=0).isoformat() + "+00:00"
    opens = opens_at(maintenance, utc)
    if opens is not None:
        assert opens > datetime.fromisoformat(utc)
        assert opens - datetime.fromisoformat(utc) <= timedelta(days=8)
        assert opens_at(maintenance, opens.isoformat()) is None
        assert opens_at(maintenance, (opens - timedelta(seconds=1)).isoformat()) == opens


def test_a_binding_has_windows_on_every_day_unless_it_says_which() -> None:
    text = (
        '{"maintenance": {"windows": [{"from": "22:00", "to": "04:30"}, {"days": ["sun", "mon"], "from": "00:00", '
    )
    text += '"to": "00:00"}], "zone": "Asia/Tokyo", "reach": "in-place"}}'
    windows = (Window(tuple(range(7)), 1320, 270), Window((0, 6), 0, 0))
    assert parse_binding(parse(text)).maintenance == Maintenance(windows, "Asia/Tokyo", Reach.IN_PLACE)
