"""What a schema does to effective settings: defaults, types, secrets, rules of change, and what is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd import jsontext
from confd.keyring import Keyring
from confd.keys import App, Env, Key, Layer, option_of
from confd.model import Binding, Entry, OnChange, Problem, Resolved, Snapshot
from confd.plan import rule_for
from confd.resolve import resolve
from confd.unsealing import unsealed
from confd.validation import Fault, Schema, by_schema, current, faults_at, judged, parse_schema, secret_keys, typed

PROD, WEB, EVERY = Env("prod"), App("web"), Env("_default")
OWN, SHARED = Layer(PROD, WEB), Layer(EVERY, App("_default"))
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}


def store(schema: Any, own: dict[str, str] | None = None, shared: dict[str, str] | None = None) -> Snapshot:
    text = schema if isinstance(schema, str) else jsontext.dump(schema)
    layers = {OWN: own or {}, SHARED: shared or {}}
    return Snapshot(
        9,
        {layer: {key: Entry(key, value, 5) for key, value in its.items()} for layer, its in layers.items()},
        schemas={WEB: {3: Entry("schema", text, 4)}},
    )


def seen(snapshot: Snapshot) -> Resolved:
    return judged(snapshot, unsealed(resolve(snapshot, PROD, WEB), Keyring()))


def test_defaults_are_the_lowest_layer_and_null_takes_one_away() -> None:
    schema = {"properties": {"a": {"default": 1}, "b": {"default": 2}, "c": {"default": 3}}}
    found = resolve(store(schema, {"c": "null"}, {"b": "5"}), PROD, WEB)
    assert {key: (one.text, str(one.layer)) for key, one in found.settings.items()} == {
        "a": ("1", "schema"),
        "b": ("5", "_default/_default"),
    }
    assert [str(one.layer) for one in found.hidden[Key("b")]] == ["schema"]
    assert found.removed[Key("c")].layer == OWN


def test_a_key_that_is_against_the_schema_is_left_out_and_told() -> None:
    found = seen(store({"properties": {"port": PORT}, "required": ["host"]}, {"port": '"x"', "name": '"n"'}))
    assert set(found.settings) == {"name"}
    assert found.problems == (
        Problem("schema", ("port",), "port: expected an integer, at least 1, at most 65535 (schema 3)"),
        Problem("incomplete", ("host",), "host: it is required, and not set (schema 3)"),
    )


def test_an_app_without_a_schema_is_not_judged() -> None:
    resolved = resolve(Snapshot(9), PROD, WEB)
    assert judged(Snapshot(9), resolved) is resolved


@pytest.mark.parametrize("schema", ["null", {"properties": {"a": PORT}}])
def test_without_a_fault_nothing_is_another(schema: Any) -> None:
    snapshot = store(schema, {"a": "1"})
    resolved = resolve(snapshot, PROD, WEB)
    assert judged(snapshot, resolved) is resolved


def test_what_is_no_schema_keeps_all_as_it_is() -> None:
    found = seen(store("no schema", {"a": "1"}))
    assert set(found.settings) == {"a"}
    assert [(one.code, one.keys) for one in found.problems] == [("schema", ())]
    snapshot = store("no schema")
    assert list(resolve(snapshot, PROD, WEB).settings) == []
    binding = Binding()
    assert by_schema(snapshot, binding, found) is binding


def test_run_options_are_no_part_and_shared_keys_only_where_the_schema_names_them() -> None:
    schema = {
        "properties": {"named": {"type": "string"}},
        "patternProperties": {"^x/": {"type": "string"}},
        "if": {"required": ["asked"]},
        "then": {"dependentSchemas": {"asked": {"$ref": "#/$defs/more"}}},
        "$defs": {"more": {"properties": {"more": {}}, "not": False}},
        "additionalProperties": {"type": "integer"},
    }
    own, shared = {"run/memory": '"1g"'}, {"TZ": '"UTC"', "named": "1", "x/y": "1", "asked": '"a"', "more": "1"}
    found = seen(store(schema, own, shared))
    assert sorted(one.keys[0] for one in found.problems) == ["asked", "named", "x/y"]
    assert option_of(Key("run/memory")) == "memory"
    assert [one.keys[0] for one in seen(store(schema, {"TZ": '"UTC"'}, {})).problems] == ["TZ"]


def test_a_reference_to_a_container_and_a_secret_that_cannot_be_read_count_as_there() -> None:
    schema = {"properties": {"port": PORT}, "required": ["port", "pw"], "maxProperties": 2}
    own = {"port": '"${@db:port/5432}"', "pw": '{"$secret":{"x":1}}'}
    assert [one.code for one in seen(store(schema, own)).problems] == ["secret"]
    assert [one.code for one in seen(store(schema, {**own, "port": '"$${@db:port/5432}"'})).problems] == [
        "secret",
        "schema",
    ]


def test_of_a_secret_nothing_inside_is_told() -> None:
    resolved = resolve(store({}, {"pw": '{"token":1}', "a": '{"b":1}'}), PROD, WEB)
    secret = {key: _secret(one) if key == "pw" else one for key, one in resolved.settings.items()}
    document: Any = {"additionalProperties": {"properties": {"token": PORT, "b": False}, "not": {}}}
    schema: Schema = parse_schema(document)
    found = faults_at(schema, _with(resolved, secret))
    assert {one.pointer for one in found} == {"/pw", "/a", "/a/b"}
    assert Fault((Key("pw"),), "/pw", "not", "its value is against the schema") in found


def _secret(one: Any) -> Any:
    return replace(one, secret=True)


def _with(resolved: Resolved, settings: Any) -> Resolved:
    return replace(resolved, settings=settings)


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        ({}, "5", '"5"'),
        (PORT, "8080", "8080"),
        ({"type": "number"}, "1.10", "1.10"),
        (PORT, "0", "0"),
        (PORT, "70000", "70000"),
        (PORT, "80a", '"80a"'),
        (PORT, "null", '"null"'),
        (PORT, '"5"', '"\\"5\\""'),
        (PORT, "true", '"true"'),
        ({"type": "boolean"}, "true", "true"),
        ({"type": "boolean"}, "yes", '"yes"'),
        ({"type": "string"}, "5", '"5"'),
        ({"type": ["string", "integer"]}, "5", '"5"'),
        ({"type": "string", "pattern": "^a"}, "5", '"5"'),
        ({"enum": [1, 2]}, "2", "2"),
        ({"enum": [1, 2]}, "7", '"7"'),
        ({"const": True}, "true", "true"),
        ({"type": "array"}, '["a", 1.0]', '["a",1.0]'),
        ({"type": "object"}, "{", '"{"'),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, "12", "12"),
        ({"$ref": "#/$defs/port"}, "12", "12"),
        ({"allOf": [{"$ref": "#/$defs/port"}]}, "12", "12"),
        ({"$ref": "#/$defs/deep"}, "[[]]", "[[]]"),
    ],
)
def test_a_text_gets_the_type_that_its_key_has(schema: Any, text: str, expected: str) -> None:
    defs: dict[str, Any] = {"port": PORT, "deep": {"allOf": [{"$ref": "#/$defs/a0"}]}}
    defs |= {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(20)} | {"a20": False}
    now = current(store({"$defs": defs, "properties": {"a": schema}}), WEB)
    assert typed(now, Key("a"), text) == expected


def test_a_text_is_a_string_without_a_schema_and_as_a_run_option() -> None:
    assert typed(None, Key("a"), "1") == '"1"'
    assert typed(current(store("null"), WEB), Key("a"), "1") == '"1"'
    number = store({"patternProperties": {"": {"type": "integer"}}, "additionalProperties": {"type": "integer"}})
    assert typed(current(number, WEB), Key("run/pids-limit"), "1") == '"1"'
    assert typed(current(number, WEB), Key("other"), "1") == "1"


def test_which_keys_have_to_be_secrets() -> None:
    schema = {"patternProperties": {"password$": {"x-secret": True}}, "properties": {"a": {"x-secret": False}}}
    keys = [Key("a"), Key("db/password"), Key("b")]
    assert secret_keys(current(store(schema), WEB), keys) == {"db/password"}
    assert secret_keys(current(store("null"), WEB), keys) == set()
    assert secret_keys(None, keys) == set()


def test_what_a_change_costs_is_said_by_the_schema_where_no_rule_of_its_own_is() -> None:
    schema = {
        "properties": {"a": {"x-on-change": "signal:SIGHUP"}, "b": {"x-on-change": "restart"}, "c": {}},
        "patternProperties": {"^log/": {"x-on-change": "none"}},
    }
    snapshot = store(schema, {"log/level": '"x"', "log/off": "null", "c": "1"})
    binding = Binding(on_change=(OnChange("**", "recreate"), OnChange("b", "auto")))
    made = by_schema(snapshot, binding, resolve(snapshot, PROD, WEB))
    assert {key: (rule.words, rule.escalate) for key, rule in made.by_schema.items()} == {
        "a": ("signal:HUP", True),
        "b": ("restart", True),
        "log/level": ("none", False),
        "log/off": ("none", False),
    }
    actions = {key: rule_for(made, Key(key)).action for key in ("a", "b", "c", "log/level", "log/none")}
    assert actions == {"a": "signal", "b": "auto", "c": "recreate", "log/level": "none", "log/none": "recreate"}
    plain = store({"properties": {"c": {}}}, {"c": "1"})
    assert by_schema(plain, binding, resolve(plain, PROD, WEB)) is binding
