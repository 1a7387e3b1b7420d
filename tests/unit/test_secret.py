"""Keyed digests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.secret import MASK, DigestKey, is_known, masked, unknown, without_passwords

KEY = DigestKey(b"k" * 32)


def test_digest_carries_its_version() -> None:
    digest = KEY.digest("a")
    assert digest.startswith("v1:")
    assert is_known(digest)
    assert not is_known("v0:" + digest[3:])


def test_a_digest_that_says_nothing_any_more_is_not_known() -> None:
    digest = KEY.digest("a")
    assert not is_known(unknown(digest))
    assert unknown(digest) == unknown(unknown(digest))


def test_another_key_gives_another_digest() -> None:
    assert DigestKey(b"x" * 32).digest("a") != KEY.digest("a")


def test_the_key_never_prints() -> None:
    assert "kkk" not in repr(KEY)


@given(st.lists(st.text()), st.lists(st.text()))
def test_only_equal_sequences_have_equal_digests(left: list[str], right: list[str]) -> None:
    assert (KEY.digest(*left) == KEY.digest(*right)) == (left == right)


def test_a_masked_text_has_none_of_the_secrets_left_the_longest_first() -> None:
    assert masked("a=pass b=password c", ["pass", "password", ""]) == f"a={MASK} b={MASK} c"
    assert masked("a", []) == "a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "cannot reach postgres://shop:p%40ss=w@db:5432/shop",
            "cannot reach postgres://shop:********@db:5432/shop",
        ),
        ("redis://:hunter2@cache", "redis://:********@cache"),
        ("a://u:p@q@h and b://v:w@i", "a://u:********@h and b://v:********@i"),
        ("http://127.0.0.1:8700/a@b", "http://127.0.0.1:8700/a@b"),
        ("user@host: no address", "user@host: no address"),
    ],
)
def test_passwords_of_urls_are_masked_without_any_flag_b150(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
