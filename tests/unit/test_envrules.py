"""What an env asks of its changes: its own document over that of every env, over the defaults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.approvals import Approval
from confd.envrules import EnvRules, holds_edits_of, parse_rules, rules_of, rules_text
from confd.errors import Malformed
from confd.keys import App, Env, Layer
from confd.model import Entry, Snapshot, frozen

PROD, EVERY = Env("prod"), Env("_default")


def stand(**documents: Any) -> Snapshot:
    """A snapshot with these documents; a text stands there as it is."""
    texts = {env: one if isinstance(one, str) else json.dumps(one) for env, one in documents.items()}
    return Snapshot(1, rules=frozen({Env(env): Entry("approval", text, 1) for env, text in texts.items()}))


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({}, EnvRules()),
        ({"prod": {}}, EnvRules(out_of_band="apply", keep_changes=1000, keep_days=90)),
        ({"prod": {"out_of_band": "hold"}}, EnvRules(out_of_band="hold")),
        ({"_default": {"out_of_band": "hold"}}, EnvRules(out_of_band="hold")),
        ({"_default": {"out_of_band": "hold"}, "prod": {"out_of_band": "apply"}}, EnvRules()),
        ({"prod": {"approval": True}}, EnvRules(approval=Approval(True), out_of_band="hold")),
        ({"prod": {"approval": True, "out_of_band": "apply"}}, EnvRules(approval=Approval(True))),
        (
            {"_default": {"records": {"changes": 5}}, "prod": {"records": {"days": 3}}},
            EnvRules(Approval(), "apply", 5, 3),
        ),
        (
            {"_default": {"records": {"changes": 5}}, "prod": {"records": {"changes": 0}}},
            EnvRules(Approval(), "apply", 0),
        ),
        ({"qa": {"out_of_band": "hold"}}, EnvRules()),
        ({"prod": "{"}, EnvRules(Approval(True), "hold", 0, 0)),
        ({"prod": '{"out_of_band": "maybe"}'}, EnvRules(Approval(True), "hold", 0, 0)),
    ],
)
def test_what_holds_in_an_env(documents: dict[str, Any], expected: EnvRules) -> None:
    assert rules_of(stand(**documents), PROD) == expected


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({"aproval": True}, "/aproval"),
        ({"approval": "yes"}, "/approval"),
        ({"out_of_band": "drop"}, "/out_of_band"),
        ({"records": 3}, "/records"),
        ({"records": {"hours": 3}}, "/records/hours"),
        ({"records": {"days": -1}}, "/records/days"),
        ({"records": {"changes": True}}, "/records/changes"),
        ({"records": {"changes": 10**9}}, "/records/changes"),
    ],
)
def test_what_is_refused_is_pointed_at(document: Any, pointer: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_rules(document)
    assert caught.value.pointer == pointer


def test_a_document_reads_back_as_it_was_written() -> None:
    document = {"approval": True, "out_of_band": "hold", "records": {"changes": 5, "days": 0}}
    assert parse_rules(json.loads(rules_text(document))) == document


@pytest.mark.parametrize(
    ("documents", "env", "expected"),
    [
        ({}, "prod", False),
        ({"prod": {"out_of_band": "hold"}}, "prod", True),
        ({"prod": {"out_of_band": "hold"}}, "qa", False),
        ({"prod": {"out_of_band": "hold"}}, "_default", True),
        ({"_default": {"out_of_band": "hold"}}, "prod", True),
        ({"prod": {}}, "_default", False),
    ],
)
def test_a_layer_of_all_envs_is_held_where_one_of_them_holds(
    documents: dict[str, Any], env: str, expected: bool
) -> None:
    assert holds_edits_of(stand(**documents), Layer(Env(env), App("web"))) is expected
