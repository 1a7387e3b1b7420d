"""What is held since it takes much away, and when a change has vouched for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import App, Env, Host, Layer, layers_of
from confd.model import Entry, Head, Snapshot, frozen
from confd.shrink import is_shrink, is_vouched, names_digest, shows_all

DEV, WEB, H1 = Env("dev"), App("web"), Host("h1")
OWN, ON_H1 = Layer(DEV, WEB), Layer(DEV, WEB, H1)
SHARED = Layer(Env("_default"), App("_default"))
LAYERS = layers_of(DEV, WEB, H1)


@pytest.mark.parametrize(
    ("was", "now", "held"),
    [("abcd", "ab", True), ("abcdef", "abcd", False), ("abcdef", "abc", True), ("ab", "", True), ("ab", "a", False),
     ("a", "", False), ("", "", False), ("abc", "abcd", False), ("abc", "xyz", True), ("abcdef", "abcdxyz", False)],
)  # fmt: skip
def test_more_than_a_third_or_all(was: str, now: str, held: bool) -> None:
    assert is_shrink(set(was), set(now)) is held


@given(st.sets(st.integers(0, 30).map(str)), st.sets(st.integers(0, 30).map(str)))
def test_what_is_added_makes_no_difference(was: set[str], now: set[str]) -> None:
    assert is_shrink(was, now) == is_shrink(was, now & was)


@given(st.lists(st.text("ab/_", min_size=1, max_size=4), unique=True))
def test_the_names_count_and_not_their_order(names: list[str]) -> None:
    assert names_digest(names) == names_digest(reversed(names)) != ""
    assert names_digest(names) != names_digest([*names, "zzz"])


def stand(names: str, vouched: str | None, revision: int, layer: Layer = OWN) -> Snapshot:
    entries = {name: Entry(name, '"v"', 1) for name in names}
    head = Head(1, "id", revision, "" if vouched is None else names_digest(vouched))
    return Snapshot(50, frozen({layer: frozen(entries)} if names else {}), frozen({layer: head}))


@pytest.mark.parametrize(
    ("snapshot", "vouched"),
    [
        (stand("ab", "ab", 20), True),
        (stand("ab", "ab", 10), False),
        (stand("a", "ab", 20), False),
        (stand("", "ab", 20), False),
        (stand("", "", 20), True),
        (stand("a", None, 20), True),
        (stand("a", None, 9), False),
        (stand("ab", "ab", 20, ON_H1), True),
        (stand("ab", "abc", 20, SHARED), False),
        (stand("ab", "ab", 20, Layer(Env("qa"), WEB)), False),
        (Snapshot(50), False),
    ],
)
def test_only_a_change_since_that_left_what_is_there_vouches_for_it(snapshot: Snapshot, vouched: bool) -> None:
    assert is_vouched(snapshot, LAYERS, 10) is vouched


def test_a_layer_without_a_head_shows_all_that_is_known() -> None:
    assert shows_all(Snapshot(1), OWN)
    assert shows_all(stand("ab", None, 1), OWN)
    assert not shows_all(stand("a", "ab", 1), OWN)
