"""Whose a key is: the manifest's that named it last, and nobody's once another has written it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import App, Env, Layer
from confd.model import Entry, Snapshot, frozen
from confd.owned import Claim, owners_after, owners_of, owners_text

LAYER = Layer(Env("dev"), App("web"))
OWNERS = {"a": "m", "b": "m", "c": "n"}


def stored(text: str | None) -> Snapshot:
    return Snapshot(owned=frozen({LAYER: Entry("k", text, 1)} if text is not None else {}))


@pytest.mark.parametrize(
    ("text", "owners"),
    [
        (None, {}),
        ('{"m":["a","b"],"n":["c"]}', OWNERS),
        ("no json", {}),
        ("[]", {}),
        ('{"m":"a","n":["c",1]}', {"c": "n"}),
    ],
)
def test_what_the_store_says_is_read_and_what_is_damaged_owns_nothing(
    text: str | None, owners: dict[str, str]
) -> None:
    assert owners_of(stored(text), LAYER) == owners


@pytest.mark.parametrize(
    ("touched", "claim", "after"),
    [
        (set(), None, OWNERS),
        ({"a"}, None, {"b": "m", "c": "n"}),
        ({"a"}, Claim("m", {"a", "b"}), OWNERS),
        ({"b"}, Claim("m", {"a"}), {"a": "m", "c": "n"}),
        (set(), Claim("m", {"a"}), {"a": "m", "c": "n"}),
        ({"c"}, Claim("m", {"a", "c"}), {"a": "m", "c": "m"}),
        (set(), Claim("m", set()), {"c": "n"}),
    ],
)
def test_whose_each_key_is_after_a_write(touched: set[str], claim: Claim | None, after: dict[str, str]) -> None:
    assert owners_after(OWNERS, touched, claim) == after


@given(st.dictionaries(st.text("abc/", min_size=1), st.sampled_from(["m", "n", "web@dev"])))
def test_owners_that_are_written_are_read_again(owners: dict[str, str]) -> None:
    assert owners_of(stored(owners_text(owners)), LAYER) == owners


def test_nothing_owned_is_no_document() -> None:
    assert owners_text({}) is None
    assert owners_text(OWNERS) == '{"m":["a","b"],"n":["c"]}'
