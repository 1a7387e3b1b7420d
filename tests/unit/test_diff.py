"""What differs, key by key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from confd.diff import Difference, diff

TEXTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["1", "1.0", '"1"', None]))


def test_each_key_is_added_changed_or_removed() -> None:
    found = diff({"a": "1", "b": "1", "c": "1", "e": None}, {"b": "1.0", "c": "1", "d": "1"})
    assert found == [Difference("a", "1", None), Difference("b", "1", "1.0"), Difference("d", None, "1")]
    assert [difference.action for difference in found] == ["remove", "change", "add"]


@given(TEXTS, TEXTS)
def test_applying_the_differences_gives_the_other_side(
    before: dict[str, str | None], after: dict[str, str | None]
) -> None:
    merged = {**before, **{difference.key: difference.after for difference in diff(before, after)}}
    assert diff(merged, after) == []
