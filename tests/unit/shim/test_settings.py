"""What the API says that the child is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.shim.settings import Settings, parse_settings
from confd.shim.told import FetchError
from confd.shrink import is_shrink


def test_settings_are_parsed() -> None:
    settings = parse_settings(b'{"revision": 7, "digest": "d", "variables": {"A": "\\u00e9", "B": null}}')
    assert (settings.revision, settings.variables) == (7, {"A": "\u00e9", "B": None})


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")), st.booleans())
def test_the_shrink_guard_is_that_of_the_agents(was: set[str], now: set[str], meant: bool) -> None:
    before = Settings(1, dict.fromkeys(was, "x") | {"null": None})
    after = Settings(2, dict.fromkeys(now, "x"), allow_shrink=meant)
    held = is_shrink(was, now) or (bool(was) and not was & now)
    assert bool(after.lost(before)) == (held and not meant)


def test_an_answer_that_says_nothing_of_it_allows_fewer() -> None:
    assert parse_settings(b'{"variables": {}}').allow_shrink
    assert not parse_settings(b'{"variables": {}, "allow_shrink": false}').allow_shrink


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"variables": []}',
        b'{"variables": {"A": 1}}',
        b'{"variables": {"A=B": "x"}}',
        b'{"variables": {"": "x"}}',
        b'{"variables": {"A": "planted\\u0000"}}',
        b'{"variables": {"A": "planted\\ud800"}}',
        b"[" * 100_000,
    ],
)
def test_settings_that_no_process_can_be_given_are_refused_without_a_value(body: bytes) -> None:
    with pytest.raises(FetchError) as caught:
        parse_settings(body)
    assert "planted" not in caught.value.detail
