"""What is kept of outcomes in the ledger, and what of that is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from confd.keys import Container, Key
from confd.model import Outcome, Reason, Result
from confd.outcomes import KEPT_BYTES, KEPT_OUTCOMES, LOG_LINES, document_of, kept, reasons_document, shown, tail_of

ONE = Outcome("recreate", Result.DONE, "", 7, "2026-01-01T00:00:00Z", 1.5, (Reason(Key("A"), "variable A"),))


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def test_an_outcome_is_shown_as_it_was() -> None:
    document = document_of(replace(ONE, container=Container("new"), replaced=Container("old"), log="bye\n"))
    assert shown(json.loads(json.dumps(document))) == {
        "action": "recreate",
        "result": "done",
        "detail": "",
        "revision": 7,
        "at": "2026-01-01T00:00:00Z",
        "took_s": 1.5,
        "reasons": [{"key": "A", "why": "variable A"}],
        "more": 0,
        "container": "new",
        "replaced": "old",
        "log": "bye",
        "log_file": "",
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"reasons": "none", "revision": "7", "took_s": True, "container": None, "base": {"variables": {"A": "1"}}},
        {"reasons": [1], "log": None},
    ],
)
def test_what_another_release_wrote_is_shown_as_far_as_it_goes(document: dict[str, object]) -> None:
    found = shown(document)
    assert (found["reasons"], found["revision"], found["took_s"], found["container"]) == ([], 0, 0, None)
    assert "base" not in found


def test_of_very_many_reasons_the_first_are_kept_and_the_rest_counted() -> None:
    reasons = tuple(Reason(Key(f"key/{n}"), f"variable KEY_{n}") for n in range(3000))
    document = document_of(replace(ONE, reasons=reasons))
    assert document["reasons"][0] == {"key": "key/0", "why": "variable KEY_0"}
    assert len(document["reasons"]) + document["more"] == 3000
    assert _size(document) < 8192
    assert reasons_document(reasons[:2]) == document["reasons"][:2]


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("", ""),
        ("a\nb\n", "a\nb"),
        ("\n".join(map(str, range(100))), "\n".join(map(str, range(100 - LOG_LINES, 100)))),
    ],
)
def test_the_tail_of_a_log_is_its_last_lines(text: str, tail: str) -> None:
    assert tail_of(text) == tail


@pytest.mark.parametrize("text", ["ü" * 100_000, "x" * 5000 + "\n" + "y" * 5000, "\x1b" * 9000])
def test_the_tail_of_long_lines_fits_and_ends_as_they_do(text: str) -> None:
    tail = tail_of(text)
    assert _size(tail) <= 8192
    assert text.endswith(tail)
    assert tail


def test_the_newest_outcomes_are_kept() -> None:
    found = kept([document_of(replace(ONE, revision=n)) for n in range(30)], [replace(ONE, revision=30)])
    assert [one["revision"] for one in found] == list(range(31 - KEPT_OUTCOMES, 31))


def test_older_outcomes_lose_their_log_before_they_go() -> None:
    outcomes = [replace(ONE, revision=n, log="x" * 6000) for n in range(10)]
    found = kept([], outcomes)
    assert [one["revision"] for one in found] == list(range(10))
    assert [bool(one["log"]) for one in found] == [False] * 5 + [True] * 5
    assert sum(map(_size, found)) <= KEPT_BYTES


def test_the_oldest_go_where_there_is_no_room_even_without_logs() -> None:
    reasons = tuple(Reason(Key(f"k{n}"), "variable " + "x" * 400) for n in range(20))
    found = kept([], [replace(ONE, revision=n, reasons=reasons) for n in range(20)])
    assert found[-1]["revision"] == 19
    assert 0 < len(found) < 20
    assert sum(map(_size, found)) <= KEPT_BYTES
