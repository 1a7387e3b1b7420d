"""Revisions in heads and records become those of the store into which they are put."""

from __future__ import annotations

import json

import pytest

from confd.backups import Record
from confd.revisions import Revisions

HEAD, RECORD = "envs/dev/heads/web", "envs/dev/changes/web/000000000001"


@pytest.fixture
def revisions() -> Revisions:
    found = Revisions(3)
    for old, new in ((10, 4), (20, 5), (30, 6)):
        found.add(old, new)
    return found


@pytest.mark.parametrize(("since", "told"), [(9, 3), (10, 4), (19, 4), (20, 5), (39, 6), (40, None), (0, None)])
def test_a_head_was_decided_on_the_last_that_was_there(revisions: Revisions, since: int, told: int | None) -> None:
    text = revisions.text_of(Record(HEAD, 40, json.dumps({"number": 2, "since": since})))
    assert json.loads(text) == {"number": 2, **({"since": told} if told else {})}


@pytest.mark.parametrize(("edited", "told"), [(5, 4), (10, 4), (11, 5), (30, 6), (31, None), (40, None)])
def test_an_edit_began_with_the_first_from_there_on(revisions: Revisions, edited: int, told: int | None) -> None:
    text = revisions.text_of(Record(RECORD, 40, json.dumps({"number": 2, "edited": edited})))
    assert json.loads(text) == {"number": 2, **({"edited": told} if told else {})}


@pytest.mark.parametrize("key", [HEAD, RECORD, "envs/dev/settings/web/A"])
@pytest.mark.parametrize("text", ["{", "[1]", '{"number": 1}', '{"since": "1", "edited": null}'])
def test_what_names_none_stays_as_it_is(revisions: Revisions, key: str, text: str) -> None:
    assert revisions.text_of(Record(key, 40, text)) == text
