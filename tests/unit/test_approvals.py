"""The rule of approval, and proposals as texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from confd.approvals import (
    APPROVED,
    Approval,
    Proposal,
    Vote,
    approval_document,
    dump,
    is_over,
    lacking,
    moved,
    parse,
    parse_approval,
)
from confd.errors import Malformed
from confd.keys import App, Env, Host, Layer
from confd.model import ChangeKind

PROD, QA = Env("prod"), Env("qa")
AT = "2026-01-01T00:00:00Z"
WORDS = some.text(max_size=8)
VOTES = some.builds(Vote, WORDS, WORDS, some.just(AT))
TEXTS = some.dictionaries(WORDS, some.none() | WORDS, max_size=3)
PROPOSALS = some.builds(
    Proposal,
    id=WORDS,
    layer=some.builds(Layer, some.just(PROD), some.just(App("web")), some.sampled_from([None, Host("h1")])),
    kind=some.sampled_from(ChangeKind),
    who=some.sampled_from(["anna", "ben", "cleo"]),
    author=WORDS,
    at=some.just(AT),
    before=TEXTS,
    after=TEXTS,
    message=WORDS,
    note=WORDS,
    force=some.booleans(),
    votes=some.lists(VOTES, max_size=3).map(tuple),
    state=some.sampled_from(["open", "approved", "rejected"]),
    closed=some.none() | VOTES,
    why=WORDS,
    number=some.integers(0, 99),
)


def proposal(who: str = "anna", *voters: str) -> Proposal:
    votes = tuple(Vote(voter, voter, AT) for voter in voters)
    return Proposal("1", Layer(PROD, App("web")), ChangeKind.SETTINGS, who, who, AT, votes=votes)


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (True, Approval(True)),
        (False, Approval()),
        ({}, Approval(True)),
        ({"required": False}, Approval(False)),
        ({"approvers": ["anna", "ben", "anna"], "count": 2}, Approval(True, ("anna", "ben"), 2)),
    ],
)
def test_a_rule_is_read_from_its_document(document: Any, rule: Approval) -> None:
    assert parse_approval(document) == rule
    assert parse_approval(approval_document(rule)) == rule


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (1, "/approval"),
        ({"colour": 1}, "/approval/colour"),
        ({"required": 1}, "/approval/required"),
        ({"count": 0}, "/approval/count"),
        ({"count": True}, "/approval/count"),
        ({"count": 11}, "/approval/count"),
        ({"approvers": "anna"}, "/approval/approvers"),
        ({"approvers": ["a b"]}, "/approval/approvers"),
        ({"approvers": [f"n{number}" for number in range(101)]}, "/approval/approvers"),
        ({"approvers": ["anna", "anna"], "count": 2}, "/approval/approvers"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(document: Any, pointer: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_approval(document)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize(
    ("rules", "voters", "lacks"),
    [
        ({}, [], 1),
        ({}, ["ben"], 0),
        ({}, ["anna"], 1),
        ({PROD: Approval(True)}, ["anna"], 1),
        ({PROD: Approval(True)}, ["ben"], 0),
        ({PROD: Approval(True, count=2)}, ["ben", "ben"], 1),
        ({PROD: Approval(True, count=2)}, ["ben", "cleo"], 0),
        ({PROD: Approval(True, ("ben",))}, ["cleo"], 1),
        ({PROD: Approval(True, ("ben",)), QA: Approval(True, ("cleo",))}, ["ben"], 1),
        ({PROD: Approval(True, ("ben",)), QA: Approval(True, ("cleo",))}, ["ben", "cleo"], 0),
    ],
)
def test_how_many_others_a_proposal_lacks(rules: Any, voters: list[str], lacks: int) -> None:
    assert lacking(rules, proposal("anna", *voters)) == lacks


@given(PROPOSALS, some.integers(1, 3))
def test_nobody_approves_alone_what_is_their_own(one: Proposal, count: int) -> None:
    own = replace(one, votes=(Vote(one.who, "somebody else", AT),) * count)
    assert lacking({PROD: Approval(True, count=count)}, own) == count


@given(PROPOSALS)
def test_a_proposal_is_read_as_it_was_written(one: Proposal) -> None:
    assert parse(dump(one)) == one


@pytest.mark.parametrize("host", [None, Host("h1")])
@pytest.mark.parametrize("closed", [None, Vote("ben", "Ben", AT)])
def test_a_decided_one_and_an_open_one_are_read_as_they_were_written(
    host: Host | None, closed: Vote | None
) -> None:
    one = replace(proposal("anna", "cleo"), layer=Layer(PROD, App("web"), host), closed=closed)
    one = replace(one, before={"A": None, "B": '"1"'}, after={"A": "1", "B": None}, force=True, number=3)
    assert parse(dump(one)) == one
    assert (moved(one.before, {"B": '"1"', "C": "2"}), moved(one.before, {"A": "1"})) == ([], ["A", "B"])


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", dump(proposal()).replace('"web"', '"WEB"')])
def test_what_is_no_proposal_is_none(text: str) -> None:
    assert parse(text) is None


@given(TEXTS, TEXTS)
def test_only_keys_that_it_touches_move_a_proposal(
    before: dict[str, str | None], now: dict[str, str | None]
) -> None:
    found = moved(before, now)
    assert set(found) == {key for key in before if before[key] != now.get(key)}
    assert moved(before, {**now, **before}) == []


@pytest.mark.parametrize(
    ("now", "over"),
    [("2026-01-30T00:00:00Z", False), ("2026-02-01T00:00:01Z", True), ("never", True)],
)
def test_a_proposal_waits_for_thirty_days(now: str, over: bool) -> None:
    assert is_over(proposal(), now) is over


def test_a_decided_one_is_kept_from_then_on() -> None:
    closed = replace(proposal(), state=APPROVED, closed=Vote("ben", "ben", "2026-01-29T00:00:00Z"))
    assert not is_over(closed, "2026-02-20T00:00:00Z")
