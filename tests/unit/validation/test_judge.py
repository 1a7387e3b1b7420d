"""What settings have against a schema: every keyword, in words, with a pointer, and never with a value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from confd import jsontext
from confd.keys import Key
from confd.validation import Fault, faults_in, faults_of, parse_schema

BOMB: dict[str, Any] = {
    "$defs": {"x": {"items": {"allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}]}}},
    "properties": {"a": {"$ref": "#/$defs/x"}},
}
NESTED = "[" * 60 + "]" * 60


def faults(schema: Any, **texts: str) -> list[Fault]:
    named = {Key(name.replace("__", "/")): text for name, text in texts.items()}
    return faults_of(parse_schema(schema), named)


def said(schema: Any, **texts: str) -> list[tuple[str, str]]:
    return [(fault.pointer, str(fault)) for fault in faults(schema, **texts)]


def a(**schema: Any) -> dict[str, Any]:
    """A schema of the key `a` alone."""
    return {"properties": {"a": schema}}


@pytest.mark.parametrize(
    ("schema", "text", "words"),
    [
        ({"type": "integer"}, '"x"', "expected an integer"),
        ({"type": ["integer", "null"]}, '"x"', "expected an integer or null"),
        ({"type": "boolean"}, "1", "expected true or false"),
        ({"enum": ["a", 1, None]}, '"b"', "expected one of a, 1, null"),
        ({"enum": list(range(20))}, '"b"', "expected one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"),
        ({"const": {"x": [1.5]}}, "2", 'expected {"x":[1.5]}'),
        ({"minimum": 1, "exclusiveMaximum": 5}, "5", "expected at least 1, less than 5"),
        ({"multipleOf": 3}, "4", "expected a multiple of 3"),
        ({"pattern": "^[a-z]+$"}, '"A"', "expected text that matches ^[a-z]+$"),
        ({"format": "ipv4"}, '"x"', "expected an IPv4 address like 192.0.2.1"),
        ({"maxLength": 2}, '"abc"', "expected at most 2 characters"),
        ({"uniqueItems": True}, "[1,1.0]", "expected no item twice"),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, '"x"', "expected an integer or true or false"),
        ({"anyOf": [{"required": ["x"]}, {}], "type": "object"}, "[]", "expected an object"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, "3", "expected only one of these: at least 1 or at least 2"),
        ({"oneOf": [{"not": {}}, {"not": {}}]}, "3", "expected one of the 2 forms that oneOf has"),
        ({"anyOf": [False, {"type": "integer"}]}, '"x"', "expected an integer"),
        ({"not": {"const": 1}}, "1", "against the schema's /not"),
        ({"contains": {"const": 1}}, "[]", "against the schema's /contains"),
        ({"propertyNames": {"pattern": "^x"}}, '{"a":1}', "expected text that matches ^x"),
    ],
)
def test_the_words_of_each_keyword(schema: Any, text: str, words: str) -> None:
    assert said(a(**schema), a=text) == [("/a", f"a: {words}")]


def test_a_place_inside_a_value() -> None:
    schema = a(
        properties={"p": {"items": {"type": "integer"}}, "q": False}, required=["r"], additionalProperties=False
    )
    assert sorted(said(schema, a='{"p":[1,"x"],"q":1,"s":2}')) == [
        ("/a", "a: expected an object without other members"),
        ("/a/p/1", "a: expected an integer"),
        ("/a/q", "a: the schema takes no value here"),
        ("/a/r", "a: the member r is required"),
    ]


def test_members_that_depend_on_each_other_and_other_members() -> None:
    schema = a(dependentRequired={"x": ["y"]}, additionalProperties={"type": "integer"})
    assert said(schema, a='{"x":"t"}') == [
        ("/a/y", "a: the member y is required, since x is set"),
        ("/a/x", "a: expected an integer"),
    ]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"required": ["b", "a"]}, [("/b", "b: it is required, and not set", True)]),
        (
            {"dependentRequired": {"a": ["b"], "c": ["d"]}},
            [("/b", "b: it is required, since a is set, and not set", True)],
        ),
        (
            {"additionalProperties": False},
            [("/a", "a: the schema describes no such key; it has: none by name", False)],
        ),
        (
            {"properties": {"aa": {}, "b": True}, "unevaluatedProperties": False},
            [("/a", "a: the schema describes no such key; it has: aa, b; is aa meant?", False)],
        ),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, []),
        ({"additionalProperties": {"type": "string"}}, [("/a", "a: expected a string", False)]),
        ({"additionalProperties": True, "minProperties": 2}, [("", "expected at least 2 members", True)]),
        ({"unevaluatedProperties": {"type": "string"}}, [("/a", "a: expected a string", False)]),
        ({"patternProperties": {"^a$": {"minimum": 5}}}, [("/a", "a: expected at least 5", False)]),
        ({"patternProperties": {"^b$": False}, "properties": {"b": {}}}, []),
        ({"properties": {"a": False}}, [("/a", "a: the schema takes no value here", False)]),
        (
            {"anyOf": [{"required": ["x"]}, {"required": ["y"]}]},
            [("", "expected one of the 2 forms that anyOf has", True)],
        ),
        (
            {"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}},
            [("/b", "b: it is required, and not set", True)],
        ),
        ({"if": {"properties": {"a": {"const": 2}}}, "then": {"required": ["b"]}}, []),
        ({"allOf": [{"properties": {"a": {"type": "string"}}}]}, [("/a", "a: expected a string", False)]),
        ({"propertyNames": {"maxLength": 0}}, [("", "expected at most 0 characters", True)]),
    ],
)
def test_what_is_said_of_all_keys_together(schema: Any, expected: list[tuple[str, str, bool]]) -> None:
    assert [(one.pointer, str(one), one.whole) for one in faults(schema, a="1")] == expected


@pytest.mark.parametrize(
    ("schema", "text", "right"),
    [
        ({"type": "integer"}, "1.0", True),
        ({"type": "integer"}, "1e3", True),
        ({"type": "integer"}, "1.5", False),
        ({"type": "integer"}, "true", False),
        ({"type": "number"}, "true", False),
        ({"type": "integer"}, "123456789012345678901234567890", True),
        ({"maximum": 9007199254740992}, "9007199254740993", False),
        ({"multipleOf": 0.01}, "1.10", True),
        ({"multipleOf": 0.01}, "1.105", False),
        ({"multipleOf": 7}, "1e400", False),
        ({"multipleOf": 2}, "1e999999999", False),
        ({"multipleOf": 2}, "1e99999999999999999999", False),
        ({"type": "integer", "maximum": 5}, "-1e99999999999999999999", True),
        ({"maximum": 0.5}, "1e-99999999999999999999", True),
        ({"maximum": 0.5}, "0e99999999999999999999", True),
        ({"minimum": 1}, "1" * 5000, True),
        ({"enum": [1]}, "1.0", True),
        ({"enum": [1]}, "true", False),
        ({"uniqueItems": True}, "[1,true,{},[],[[]],{\"a\":1}]", True),
        ({"uniqueItems": True}, '[{"a":1},{"a":1.0}]', False),
        ({"uniqueItems": False}, "[1,1]", True),
        ({"minProperties": 1}, "[]", True),
        ({"required": ["x"]}, "1", True),
        ({"additionalProperties": False}, "1", True),
        ({"unevaluatedProperties": False}, "1", True),
        ({"patternProperties": {"x": False}}, "1", True),
        ({"patternProperties": {"x": {"type": "string"}}}, '{"ax":1,"b":2}', False),
        ({"patternProperties": {"x": {}}, "additionalProperties": False}, '{"ax":1}', True),
        ({"pattern": "x"}, "1", True),
        ({"format": "ipv4"}, "1", True),
        ({"multipleOf": 2}, '"x"', True),
    ],
)  # fmt: skip
def test_values_by_their_text(schema: Any, text: str, right: bool) -> None:
    assert (faults(jsontext.parse(jsontext.dump(a(**schema))), a=text) == []) == right


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ipv4", "192.0.2.1", "nope"),
        ("ipv6", "::1", "1.2.3.4"),
        ("email", "a@b.c", "nope"),
        ("uri", "https://example.com/x", "nope"),
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2026-01-31T12:00:00Z", "2026-01-31"),
        ("hostname", "db.example.com", "-x"),
        ("duration", "PT30S", "30s"),
        ("confd-duration", "1.5h", "PT30S"),
        ("regex", "^a", "("),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
    ],
)
def test_b163_formats_are_checked(name: str, good: str, bad: str) -> None:
    assert said(a(format=name), a=f'"{good}"') == []
    ((pointer, words),) = said(a(format=name), a=f'"{bad}"')
    assert pointer == "/a"
    assert words.startswith("a: expected a")
    assert said(a(format=name), a=f'"{"x" * 70_000}"') != []


def test_a_pattern_that_is_slow_elsewhere_is_not_here() -> None:
    assert said(a(pattern="^(a+)+$"), a=f'"{"a" * 60_000}b"') == [("/a", "a: expected text that matches ^(a+)+$")]
    assert said(a(pattern="^(?=a)(a|aa)+$"), a=f'"{"a" * 60}b"') != []


def test_a_schema_that_needs_too_many_steps_says_so() -> None:
    assert said(BOMB, a=NESTED) == [("/a", "a: the schema needs too many steps for this value")]
    together = {**BOMB, "properties": {}, "allOf": [{"properties": BOMB["properties"]}]}
    assert said(together, a=NESTED) == [("", "the schema needs too many steps for these settings")]
    chain = {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(2000)} | {"2000": {}}
    assert "too many steps" in said({"$defs": chain, "properties": {"a": {"$ref": "#/$defs/0"}}}, a="1")[0][1]


def test_what_a_key_has_against_it_is_found_once_for_each_text() -> None:
    schema = parse_schema(a(type="integer"))
    assert faults_in(schema, Key("a"), '"x"') is faults_in(schema, Key("a"), '"x"')
    long = f'"{"x" * 5000}"'
    assert faults_in(schema, Key("a"), long) == faults_in(schema, Key("a"), '"x"')


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "bb", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
_TYPES = st.sampled_from(["integer", "string", "boolean", "array", "object", "null", "number"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    words: dict[str, st.SearchStrategy[Any]] = {
        "properties": named,
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
        "additionalProperties": inner,
        "unevaluatedProperties": inner,
        "required": st.lists(st.sampled_from("ab"), unique=True, max_size=2),
        "dependentRequired": st.dictionaries(st.sampled_from("ab"), st.just(["b"]), max_size=1),
        "items": inner,
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "enum": st.lists(_VALUES, min_size=1, max_size=3),
        "minimum": st.integers(-2, 2),
        "multipleOf": st.integers(1, 3),
        "minLength": st.integers(0, 2),
        "uniqueItems": st.booleans(),
        "minProperties": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
    }
    return st.fixed_dictionaries({}, optional=words)


_SCHEMAS = st.recursive(st.booleans() | st.fixed_dictionaries({"type": _TYPES}), _schemas, max_leaves=6)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_schemas(_SCHEMAS), st.dictionaries(st.sampled_from("ab"), _VALUES, max_size=2))
def test_key_by_key_says_the_same_as_the_whole_schema_at_once(schema: Any, values: dict[str, Any]) -> None:
    texts = {Key(key): jsontext.dump(value) for key, value in values.items()}
    right = Draft202012Validator(schema).is_valid(values)
    assert (faults_of(parse_schema(schema), texts) == []) == right
