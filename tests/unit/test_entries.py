"""Ledger entries: they come back from their document, and what is none is passed over."""

from __future__ import annotations

import json

import pytest

from confd.entries import Base, LedgerEntry, dump, parse
from confd.keys import App, Env, Key
from confd.model import Applied
from confd.secret import Digest

WHOLE = LedgerEntry(
    "web",
    App("shop"),
    Env("prod"),
    Base({"A": "1"}, {"memory": "64"}, ("run",), "sha256:1", ("A",), 3),
    Applied(7, Digest("v1:s"), {Key("A"): Digest("v1:a")}, Digest("v1:f"), "it died", Digest("v1:r")),
    Digest("v1:g"),
    {"actions": ["recreate"]},
    ({"action": "update"},),
    adopted=False,
    came=True,
)


@pytest.mark.parametrize("entry", [WHOLE, LedgerEntry("web", App("shop"), Env("prod"), Base())])
def test_an_entry_comes_back_from_its_document(entry: LedgerEntry) -> None:
    assert parse(dump(entry)) == entry


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({**json.loads(dump(WHOLE)), "applied": 1})])
def test_what_is_no_entry_is_passed_over(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(("came", "revision", "new"), [(True, 0, True), (True, 3, False), (False, 0, False)])
def test_a_newcomer_has_nothing_in_effect_yet(came: bool, revision: int, new: bool) -> None:
    entry = LedgerEntry("web", App("shop"), Env("prod"), Base(), Applied(revision), came=came)
    assert entry.is_newcomer is new
