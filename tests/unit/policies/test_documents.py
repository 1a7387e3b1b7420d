"""A policy's document: what is taken, what is refused and where, and what is read from the store."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Invalid
from confd.keys import Env
from confd.model import Entry, Policy, Snapshot
from confd.policies import PRESETS, check_words, parse_policy, policies_of, preset_rules, violations

DEV, EVERY = Env("dev"), Env("_default")
RULES = [rule.id for rule in preset_rules("secure")]


def test_a_schema_is_one_rule_without_a_name() -> None:
    (rule,) = parse_policy({"description": "why", "schema": {"required": ["memory"]}})
    assert (rule.id, rule.title, rule.why, rule.mend) == ("", "", "why", "")


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        pytest.param([], "", "expected object", id="no-object"),
        pytest.param({"schmea": {}}, "", "schmea", id="unknown-member"),
        pytest.param({}, "", "give a schema or", id="nothing"),
        pytest.param({"schema": {}, "preset": "secure"}, "", "not both", id="both"),
        pytest.param({"schema": True}, "/schema", "expected object", id="no-schema"),
        pytest.param({"schema": {}, "except": ["user"]}, "/except", "goes with a preset", id="except-nothing"),
        pytest.param({"preset": "secret"}, "/preset", "known are: secure", id="preset"),
        pytest.param({"preset": "secure", "except": ["user", "users"]}, "/except/1", "no rule 'users'", id="rule"),
        pytest.param(
            {"schema": {"properties": {"memory": {"minimum": "1g"}}}},
            "/schema/properties/memory/minimum",
            "no JSON Schema",
            id="keyword",
        ),
        pytest.param(
            {"schema": {"properties": {"user": {"pattern": "("}}}},
            "/schema/properties/user/pattern",
            "no JSON Schema",
            id="pattern",
        ),
        pytest.param(
            {"schema": {"properties": {"user": {"anyOf": [{"pattern": "^(a+)+$"}]}}}},
            "/schema/properties/user/anyOf/0/pattern",
            "may take for ever",
            id="nested",
        ),
        pytest.param(
            {"schema": {"patternProperties": {"(x*)*": {}}}},
            "/schema/patternProperties",
            "may take for ever",
            id="nested-name",
        ),
        pytest.param({"schema": {"$ref": "#/$defs/no"}}, "/schema", "leads nowhere", id="no-such-ref"),
        pytest.param({"schema": {"$ref": "http://127.0.0.1:9/x"}}, "/schema", "leads nowhere", id="far-ref"),
        pytest.param({"schema": {"$ref": "#"}}, "/schema", "or to itself", id="endless"),
        pytest.param({"schema": {"const": "x" * 70_000}}, "/schema", "at most 65536", id="large"),
    ],
)
def test_what_could_never_be_judged_is_refused_with_its_place(document: Any, pointer: str, words: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_policy(document)
    assert (error.value.pointer, words in error.value.detail) == (pointer, True), error.value.detail


def test_a_schema_may_refer_to_itself_in_parts() -> None:
    schema: Any = {"$defs": {"size": {"maximum": 10}}, "properties": {"memory": {"$ref": "#/$defs/size"}}}
    policy = Policy(DEV, "a", parse_policy({"schema": schema}))
    assert [one.options for one in violations([policy], {"memory": "11"})] == [("memory",)]


@given(st.sets(st.sampled_from(RULES)))
def test_except_takes_away_just_its_rules(left_out: set[str]) -> None:
    document: Any = {"preset": "secure", "except": sorted(left_out)}
    rules = parse_policy(document)
    assert [rule.id for rule in rules] == [one for one in RULES if one not in left_out]
    worst = {"privileged": "true", "network": '"host"', "pid": '"host"', "volume": '["/:/host"]', "user": '"0"'}
    whole = violations([Policy(DEV, "a", preset_rules("secure"))], worst)
    assert violations([Policy(DEV, "a", rules)], worst) == tuple(v for v in whole if v.rule not in left_out)


def test_those_of_every_env_hold_too() -> None:
    texts: Any = {
        (EVERY, "all"): {"schema": {}},
        (DEV, "own"): {"schema": {}},
        (Env("qa"), "other"): {"schema": {}},
    }
    entries = {at: Entry("policy", json.dumps(text), 3) for at, text in texts.items()}
    found = policies_of(Snapshot(4, policies=entries), DEV)
    assert [str(one) for one in found] == ["_default/all", "dev/own"]


@pytest.mark.parametrize("text", ["{", '{"schema": 1}', '{"preset": "gone"}'])
def test_what_was_put_there_and_is_none_is_told_as_broken(text: str) -> None:
    (policy,) = policies_of(Snapshot(4, policies={(DEV, "x"): Entry("policy", text, 3)}), DEV)
    assert (policy.rules, bool(policy.broken)) == ((), True)


@pytest.mark.parametrize("name", PRESETS)
def test_each_rule_of_a_preset_says_what_why_and_what_to_do(name: str) -> None:
    rules = preset_rules(name)
    assert len({rule.id for rule in rules}) == len(rules)
    for rule in rules:
        assert all((rule.id, rule.title, rule.why, rule.mend, rule.about)), rule.id
        parse_policy({"schema": json.loads(rule.schema)})


@pytest.mark.parametrize(
    ("document", "pointer", "says"),
    [
        pytest.param(
            {"schema": {"properties": {"memroy": {"maximum": 1}}}},
            "/schema/properties/memroy",
            "'memroy' is no run option, and would never be there; is memory meant?",
            id="no-option",
        ),
        pytest.param(
            {"schema": {"allOf": [{"properties": {"run/memory": {}}}]}},
            "/schema/allOf/0/properties/run~1memory",
            "is memory meant?",
            id="no-option-below",
        ),
        pytest.param(
            {"schema": {"if": {"required": ["--cpus"]}}},
            "/schema/if/required/0",
            "is cpus meant?",
            id="no-option-needed",
        ),
        pytest.param(
            {"schema": {"dependentSchemas": {"memory": {"properties": {"x": {}}}}}},
            "/schema/dependentSchemas/memory/properties/x",
            "'x' is no run option, and would never be there",
            id="no-option-depends",
        ),
        pytest.param(
            {"schema": {"properties": {"memory": {"maximun": 1}}}},
            "/schema/properties/memory/maximun",
            "'maximun' is no keyword of JSON Schema, and would check nothing; is maximum meant?",
            id="no-keyword",
        ),
    ],
)
def test_what_is_said_in_vain_is_refused_when_it_is_written_and_not_when_it_is_read(
    document: Any, pointer: str, says: str
) -> None:
    with pytest.raises(Invalid, match=re.escape(says)) as refused:
        check_words(document)
    assert refused.value.pointer == pointer
    assert parse_policy(document)


def test_names_inside_the_value_of_an_option_are_its_own() -> None:
    value: Any = {"properties": {"net.core": True}, "required": ["net.core"], "prefixItems": [{"required": ["a"]}]}
    check_words({"schema": {"properties": {"sysctl": value}, "$defs": {"one": value}, "not": {"enum": [{}]}}})
    check_words({"schema": True})
    check_words({"preset": "secure"})
