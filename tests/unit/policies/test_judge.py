"""What is against a policy, told by option; and what a change brings in, as against what was so before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.keys import Env
from confd.model import Policy, Rule
from confd.policies import brought_in, fresh, in_words, parse_policy, violations

DEV = Env("dev")


EITHER = {"anyOf": [{"required": ["cpus"]}, {"properties": {"cpu-shares": {}}, "required": ["cpu-shares"]}]}


def policy(schema: Any) -> list[Policy]:
    return [Policy(DEV, "base", parse_policy({"schema": schema}))]


Told = list[tuple[tuple[str, ...], str, str]]


def against(schema: Any, **options: str) -> Told:
    """Options, what is allowed, and what is there."""
    named = {name.replace("_", "-"): text for name, text in options.items()}
    return [(one.options, one.allowed, one.shown) for one in violations(policy(schema), named)]


@pytest.mark.parametrize(
    ("schema", "options", "found"),
    [
        (
            {"required": ["memory", "user"]},
            {},
            [(("memory",), "it to be set", ""), (("user",), "it to be set", "")],
        ),
        ({"properties": {"memory": {"maximum": 5}}}, {"memory": "6"}, [(("memory",), "at most 5", "6")]),
        ({"properties": {"cpus": {"maximum": 0.5}}}, {"cpus": "600000000"}, [(("cpus",), "at most 0.5", "0.6")]),
        (
            {"properties": {"privileged": {"const": False}}},
            {"privileged": "true"},
            [(("privileged",), "false", "true")],
        ),
        (
            {"properties": {"privileged": False}},
            {"privileged": "true"},
            [(("privileged",), "it to be left out", "true")],
        ),
        (
            {"properties": {"user": {"pattern": "^1", "description": "a user of ours"}}},
            {"user": '"0"'},
            [(("user",), "a user of ours", '"0"')],
        ),
        (
            {"properties": {"user": {"not": {"const": "0"}}}},
            {"user": '"0"'},
            [(("user",), 'anything but {"const": "0"}', '"0"')],
        ),
        ({"properties": {"user": {"maxLength": 1}}}, {"user": '"00"'}, [(("user",), "maxLength 1", '"00"')]),
        (
            {"properties": {"cap-add": {"items": {"enum": ["KILL"]}}}},
            {"cap_add": '["KILL","A","B"]'},
            [(("cap-add",), 'one of ["KILL"]', '"A"'), (("cap-add",), 'one of ["KILL"]', '"B"')],
        ),
        (
            EITHER,
            {"memory": "1"},
            [(("cpus", "cpu-shares"), f"anyOf {json.dumps(EITHER['anyOf'])}", "")],
        ),
        (
            {"dependentRequired": {"publish": ["user"]}},
            {"publish": '{"80/tcp":[{"HostIp":"","HostPort":"1"}]}'},
            [(("publish", "user"), 'dependentRequired {"publish": ["user"]}', '{"publish": ["1:80"]}')],
        ),
        (
            {"not": {"required": ["user"]}},
            {"user": '"1"'},
            [(("user",), 'anything but {"required": ["user"]}', '{"user": "1"}')],
        ),
        (
            {"properties": {"user": True}, "additionalProperties": False},
            {"user": '"1"', "memory": "5"},
            [(("memory",), "none but the options that it names", '{"memory": 5}')],
        ),
        ({"maxProperties": 1}, {"user": '"1"', "memory": "5"}, [((), "maxProperties 1", "")]),
        (
            {"properties": {"command": {"maxItems": 0}}},
            {"command": '["--password=x"]'},
            [(("command",), "at most 0 items", "")],
        ),
    ],
)
def test_each_violation_names_the_option_and_what_is_allowed(
    schema: Any, options: dict[str, str], found: Told
) -> None:
    assert against(schema, **options) == found


def test_a_false_schema_of_all_options_names_none() -> None:
    assert [options for options, _, _ in against({"if": {"required": ["user"]}, "then": False}, user='"1"')] == [()]


def test_a_long_value_is_told_by_its_beginning() -> None:
    ((_, allowed, shown),) = against({"properties": {"user": {"const": "y" * 200}}}, user=json.dumps("x" * 200))
    assert (len(allowed), len(shown)) == (120, 120)


@pytest.mark.parametrize(
    ("name", "text", "plain"),
    [
        ("publish", '{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]}', ["127.0.0.1:8080:80"]),
        ("restart", '{"Name":"on-failure","MaximumRetryCount":3}', "on-failure:3"),
        ("restart", '{"Name":"always","MaximumRetryCount":0}', "always"),
        ("ulimit", '{"nofile":[1,2]}', {"nofile": {"soft": 1, "hard": 2}}),
        ("device", '[{"PathOnHost":"/a","PathInContainer":"/b","CgroupPermissions":"r"}]', ["/a:/b:r"]),
        ("security-opt", '["no-new-privileges","seccomp={\\"x\\":1}"]', ["no-new-privileges", "seccomp=PROFILE"]),
        ("tmpfs", '{"/run":"size=1m"}', {"/run": "size=1m"}),
        ("cpus", '"many"', '"many"'),
        ("ulimit", "{", "{"),
        ("an-option-of-tomorrow", '["x"]', ["x"]),
    ],
)
def test_options_are_judged_as_docker_run_spells_them(name: str, text: str, plain: Any) -> None:
    assert violations(policy({"properties": {name: {"const": plain}}}), {name: text}) == ()
    assert len(violations(policy({"properties": {name: {"const": "else"}}}), {name: text})) == 1


def test_no_policy_nothing_against_it() -> None:
    assert violations([], {"privileged": "true"}) == ()


# --- what is brought in -----------------------------------------------------------------------------------


def test_what_was_so_before_is_not_brought_in() -> None:
    rules = policy(
        {
            "required": ["memory"],
            "properties": {"privileged": {"const": False}, "volume": {"items": {"not": {"pattern": "^/etc"}}}},
        }
    )
    base = {"privileged": "true", "volume": '["/a:/a","/etc:/etc"]'}
    assert fresh(rules, base, {**base, "user": '"1"'}) == []
    assert fresh(rules, base, {**base, "volume": '["/etc:/etc"]'}) == []
    assert fresh(rules, base, {**base, "memory": "100"}) == []
    assert [one.shown for one in fresh(rules, base, {**base, "volume": '["/etc:/etc","/etc/x:/x"]'})] == [
        '"/etc/x:/x"'
    ]
    assert [one.options for one in fresh(rules, {**base, "memory": "100"}, base)] == [("memory",)]


def test_a_second_thing_of_the_same_kind_is_brought_in() -> None:
    rules = policy({"properties": {"ulimit": {"additionalProperties": {"properties": {"hard": {"minimum": 0}}}}}})
    one, two = {"ulimit": '{"core":[0,-1]}'}, {"ulimit": '{"core":[0,-1],"nproc":[0,-1]}'}
    (found,) = fresh(rules, one, two)
    assert in_words(found) == "run/ulimit (nproc hard): the policy dev/base asks for at least 0, here it is -1"


def test_a_rule_over_several_options_is_another_only_where_these_are() -> None:
    rules = policy({"not": {"anyOf": [{"required": ["privileged"]}, {"required": ["pid"]}]}})
    assert fresh(rules, {"pid": '"host"'}, {"pid": '"host"', "memory": "5"}) == []
    assert len(fresh(rules, {"pid": '"host"'}, {"pid": '"host"', "privileged": "true"})) == 1


def test_a_problem_names_the_keys_and_an_option_that_goes_has_no_text() -> None:
    rules = policy({"required": ["memory"]})
    (problem,) = brought_in(rules, {"memory": "5"}, {"memory": "", "user": '"1"'})
    assert (problem.code, problem.keys) == ("policy", ("run/memory",))
    assert problem.detail == "run/memory: the policy dev/base asks for it to be set"
    assert brought_in(rules, {}, {"user": '"1"'}) == []


def test_what_a_broken_policy_asks_is_not_known_so_options_stay() -> None:
    rules = [Policy(DEV, "base", broken="policy: no JSON")]
    assert fresh(rules, {"memory": "5"}, {"memory": "5"}) == []
    (found,) = fresh(rules, {"memory": "5"}, {"memory": "6"})
    words = in_words(found)
    assert words.startswith("the run options: the policy dev/base asks for nothing that can be told")
    assert words.endswith("mend it or take it away: policy: no JSON")


def test_a_schema_that_never_ends_here_is_a_broken_one() -> None:
    endless = Rule("", json.dumps({"properties": {"user": {"$ref": "#/properties/user"}}}))
    rules = [Policy(DEV, "base", (endless,))]
    assert violations(rules, {"memory": "5"}) == ()
    assert len(fresh(rules, {"user": '"1"'}, {"user": '"2"'})) == 1


def test_a_text_too_long_to_be_judged_is_against_a_rule_that_names_its_option() -> None:
    long = {"command": json.dumps(["x" * 5000]), "tmpfs": json.dumps({"/" + "y" * 5000: ""}), "user": '"1"'}
    (found,) = violations(policy({"properties": {"command": {"maxItems": 5}}}), long)
    assert (found.options, "at most 4096 characters" in found.allowed) == (("command",), True)
    assert violations(policy({"required": ["user"]}), long) == ()


def test_a_rule_over_an_option_that_is_not_observed_waits() -> None:
    missing = json.dumps({"required": ["an-option-of-tomorrow"]})
    waits = Rule("health", missing, about=("an-option-of-tomorrow",))
    holds = Rule("health", missing, about=("an-option-of-tomorrow", "memory"))
    assert violations([Policy(DEV, "base", (waits,))], {}) == ()
    assert len(violations([Policy(DEV, "base", (holds,))], {})) == 1
