"""Secrets between resolving and rendering: opened, and told of where they do not open."""

from __future__ import annotations

from confd.keyring import Keyring, keyring, wrapped
from confd.keys import App, Env, Layer
from confd.model import Entry, Resolved, Snapshot
from confd.resolve import resolve
from confd.unsealing import unsealed
from tests.support.secrets import FIRST, KEYS

DEV, WEB = Env("dev"), App("web")
HERE = Layer(DEV, WEB)
RING = keyring({DEV: (wrapped(FIRST.of_env(DEV), "1"),)}, KEYS)


def resolved(**texts: str) -> Resolved:
    return resolve(Snapshot(7, {HERE: {key: Entry(key, text, 5) for key, text in texts.items()}}), DEV, WEB)


def test_secrets_are_opened_and_all_else_is_as_it_was() -> None:
    opened = unsealed(resolved(a="1", s=RING.seal('"canary"', HERE, "s")), RING)
    assert {key: one.text for key, one in opened.settings.items()} == {"a": "1", "s": '"canary"'}
    assert [key for key, one in opened.settings.items() if one.secret] == ["s"]
    assert "canary" not in repr(opened)


def test_what_does_not_open_is_left_out_and_told_of_by_its_key() -> None:
    opened = unsealed(resolved(a="1", s=RING.seal('"canary"', HERE, "other")), RING)
    assert list(opened.settings) == ["a"]
    (problem,) = opened.problems
    assert (problem.code, problem.keys) == ("secret", ("s",))
    assert "canary" not in problem.detail


def test_without_secrets_nothing_is_done() -> None:
    plain = resolved(a="1")
    assert unsealed(plain, Keyring()) is plain
