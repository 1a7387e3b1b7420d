"""Secrets at rest: they open where they were sealed, and nowhere else; what does not open says why, not what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.errors import Invalid
from confd.keyfile import KeyFile
from confd.keyring import (
    Keyring,
    WrappedKey,
    is_sealed,
    keyring,
    opened_size,
    rewrap,
    unmarked,
    wrapped,
    written_at,
)
from confd.keys import App, Env, Host, Layer
from confd.model import Entry
from tests.support.secrets import FIRST, KEYS, SECOND

DEV, QA, WEB = Env("dev"), Env("qa"), App("web")
HERE = Layer(DEV, WEB)
OLD, NEW = (wrapped(FIRST.of_env(DEV), at) for at in ("1", "2"))
RING = keyring({DEV: (OLD,), QA: (wrapped(FIRST.of_env(QA), "1"),)}, KEYS)
CANARY = '"canary-7411"'


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["k", "a/b.c"]))
def test_what_is_sealed_opens_again(text: str, key: str) -> None:
    sealed = RING.seal(jsontext.dump(text), HERE, key)
    assert is_sealed(sealed)
    assert RING.open(sealed, HERE, key) == jsontext.dump(text)
    assert opened_size(sealed) == len(jsontext.dump(text).encode())
    assert len(text) < 8 or text not in sealed


@pytest.mark.parametrize(
    ("layer", "key"),
    [
        (Layer(QA, WEB), "k"),
        (Layer(DEV, App("api")), "k"),
        (Layer(DEV, WEB, Host("h1")), "k"),
        (HERE, "other"),
    ],
)
def test_a_ciphertext_that_is_moved_elsewhere_does_not_open(layer: Layer, key: str) -> None:
    with pytest.raises(Invalid, match=key) as caught:
        RING.open(RING.seal(CANARY, HERE, "k"), layer, key)
    assert "canary" not in caught.value.detail


def test_nothing_of_the_place_in_the_store_is_bound_so_that_a_restore_elsewhere_opens() -> None:
    assert RING.open(RING.seal(CANARY, HERE, "k"), Layer(DEV, WEB), "k") == CANARY


def test_the_same_value_twice_gives_two_ciphertexts() -> None:
    assert RING.seal(CANARY, HERE, "k") != RING.seal(CANARY, HERE, "k")


ENVELOPE: dict[str, Any] = json.loads(RING.seal(CANARY, HERE, "k"))["$secret"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"v": 2}, "no secret that this release knows"),
        ({"nonce": "AAAA"}, "no secret that this release knows"),
        ({"text": "?"}, "no secret that this release knows"),
        ({"text": 1}, "no secret that this release knows"),
        ({"written": "x"}, "no secret that this release knows"),
        ({"text": ""}, "does not open"),
        ({"text": ENVELOPE["text"][::-1].lstrip("=") + "=="}, "k in layer dev/web"),
        ({"key": "gone"}, "a data key that the store does not have"),
    ],
)
def test_what_is_damaged_says_so_and_no_more(members: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        RING.open(json.dumps({"$secret": ENVELOPE | members}), HERE, "k")


@pytest.mark.parametrize("text", ['{"$secret":1}', '{"$secret":null}', '{"$secret":{}}', '{"$secret":{"v":1}}'])
def test_what_only_looks_like_a_secret_does_not_open(text: str) -> None:
    with pytest.raises(Invalid, match="set it again"):
        RING.open(text, HERE, "k")
    assert RING.renewed(text, HERE, "k") == text
    assert RING.needs(text, HERE, "k") == ""


def test_who_lacks_the_master_key_is_told_which() -> None:
    shut = keyring({DEV: (OLD,)}, KeyFile((SECOND,)))
    sealed = RING.seal(CANARY, HERE, "k")
    assert (shut.needs(sealed, HERE, "k"), shut.can_seal(DEV)) == (FIRST.id, False)
    with pytest.raises(Invalid, match=f"needs master key {FIRST.id}"):
        shut.open(sealed, HERE, "k")
    with pytest.raises(Invalid, match="no key to seal it with"):
        shut.seal(CANARY, HERE, "k")
    assert shut.renewed(sealed, HERE, "k") == sealed


def test_an_env_without_keys_has_none_to_seal_with() -> None:
    assert not keyring({DEV: ()}, KEYS).can_seal(DEV)
    assert not Keyring().can_seal(DEV)


def test_under_a_newer_data_key_one_ciphertext_becomes_one_again() -> None:
    both = keyring({DEV: (OLD, NEW)}, KEYS)
    old = RING.seal(CANARY, HERE, "k")
    new = both.renewed(old, HERE, "k")
    assert json.loads(new)["$secret"]["key"] == NEW.id
    assert both.open(new, HERE, "k") == both.open(old, HERE, "k") == CANARY
    assert both.renewed(old, HERE, "k") == new == both.renewed(new, HERE, "k")
    assert keyring({DEV: (NEW,)}, KEYS).open(new, HERE, "k") == CANARY


def test_a_value_keeps_the_revision_that_wrote_it() -> None:
    both = keyring({DEV: (OLD, NEW)}, KEYS)
    old = RING.seal(CANARY, HERE, "k")
    new = both.renewed(old, HERE, "k", 5)
    newest = keyring({DEV: (OLD, NEW, wrapped(FIRST.of_env(DEV), "3"))}, KEYS).renewed(new, HERE, "k", 9)
    assert [written_at(Entry("k", text, 12)) for text in (old, new, newest)] == [12, 5, 5]
    assert written_at(Entry("k", '{"$secret":{"written":99}}', 12)) == 12
    assert written_at(Entry("k", '"$secret"', 12)) == 12
    assert written_at(Entry("k", '{"$secret":{}}', 12)) == 12


def test_a_new_write_is_not_marked_with_the_revision_of_an_old_one() -> None:
    both = keyring({DEV: (OLD, NEW)}, KEYS)
    old = RING.seal(CANARY, HERE, "k")
    assert unmarked(both.renewed(old, HERE, "k", 5)) == both.renewed(old, HERE, "k")
    assert unmarked(old) == old
    assert unmarked('"x"') == '"x"'


def test_the_size_of_a_secret_is_that_of_what_was_said() -> None:
    assert [opened_size(RING.seal("x" * size, HERE, "k")) for size in (0, 1, 2, 3)] == [0, 1, 2, 3]
    assert opened_size('{"$secret":{}}') == 0


def test_a_data_key_goes_under_another_master_key_and_stays_the_same() -> None:
    both = (SECOND.of_env(DEV), FIRST.of_env(DEV))
    again = rewrap(OLD, both)
    assert again is not None
    assert (again.id, again.master, again.at) == (OLD.id, SECOND.id, OLD.at)
    sealed = RING.seal(CANARY, HERE, "k")
    assert keyring({DEV: (again,)}, KeyFile((SECOND,))).open(sealed, HERE, "k") == CANARY
    assert rewrap(again, both) == again
    assert rewrap(OLD, (SECOND.of_env(DEV),)) is None


@pytest.mark.parametrize(
    "one",
    [WrappedKey("other", FIRST.id, OLD.text), WrappedKey(OLD.id, FIRST.id, "?"), WrappedKey(OLD.id, FIRST.id, "")],
)
def test_a_damaged_data_key_is_shut(one: WrappedKey) -> None:
    assert keyring({DEV: (one,)}, KEYS).shut == {(DEV, one.id): FIRST.id}


@pytest.mark.parametrize(
    "text", [None, '"x"', '"$secret"', '{"$secret":1,"a":2}', '{"$secret"', '{"a":{"$secret":1}}']
)
def test_what_is_no_envelope_is_a_value(text: str | None) -> None:
    assert not is_sealed(text)
    assert text is None or opened_size(text) == len(text)


def test_a_keyring_does_not_show_itself() -> None:
    assert repr(RING) == "Keyring(...)"
