"""A schema's document: what is taken, what is refused and where, and what it says of single keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd import jsontext
from confd.errors import Invalid
from confd.keys import App
from confd.model import Entry, Snapshot
from confd.validation import current, parse_schema, schema_in, unknown_words

WEB = App("web")
DEEP: dict[str, Any] = {"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}


def at(*versions: str) -> Snapshot:
    return Snapshot(9, schemas={WEB: {n: Entry("k", text, n) for n, text in enumerate(versions, 1)}})


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        pytest.param([], "", "give a JSON object", id="no-object"),
        pytest.param(True, "", "give a JSON object", id="true"),
        pytest.param({"title": "x" * 300_000}, "", "at most 262144", id="size"),
        pytest.param({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "2020-12", id="draft"),
        pytest.param({"$schema": "https://example.com/meta"}, "/$schema", "nothing is fetched", id="meta-schema"),
        pytest.param({"$schema": 7}, "/$schema", "2020-12", id="draft-no-text"),
        pytest.param({"properties": {"a": {"minimum": "1"}}}, "/properties/a/minimum", "no JSON Sch", id="keyword"),
        pytest.param({"properties": {"a": {"type": "int"}}}, "/properties/a/type", "no JSON Schema", id="type"),
        pytest.param({"$ref": "https://example.com/s.json"}, "/$ref", "nothing is fetched", id="http"),
        pytest.param({"items": {"$ref": "file:///etc/passwd"}}, "/items/$ref", "lies outside", id="file"),
        pytest.param({"$dynamicRef": "other#x"}, "/$dynamicRef", "lies outside", id="dynamic"),
        pytest.param({"$ref": "#/$defs/none"}, "/$ref", "leads to no schema", id="nowhere"),
        pytest.param({"allOf": [{}], "$ref": "#/allOf/1"}, "/$ref", "leads to no schema", id="index"),
        pytest.param({"$ref": "#none"}, "/$ref", "leads to no schema", id="anchor"),
        pytest.param({"title": "x", "$ref": "#/title"}, "/$ref", "leads to no schema", id="no-schema"),
        pytest.param({"properties": {"a": {"$id": "x"}}}, "/properties/a/$id", "leave it out", id="id-below"),
        pytest.param({"$vocabulary": {}}, "/$vocabulary", "leave it out", id="vocabulary"),
        pytest.param({"$ref": "#"}, "", "break the circle", id="circle"),
        pytest.param(
            {"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
            "",
            "break the circle",
            id="long-circle",
        ),
        pytest.param({"items": {"format": "ipv5"}}, "/items/format", "is ipv6 meant?", id="format"),
        pytest.param({"pattern": "("}, "/pattern", "no pattern", id="pattern"),
        pytest.param({"pattern": "a" * 1001}, "/pattern", "at most 1000", id="long-pattern"),
        pytest.param({"pattern": "(a{1,9999}){1,9999}"}, "/pattern", "no pattern", id="huge-pattern"),
        pytest.param(
            {"patternProperties": {"^(a+)+$": {}}}, "/patternProperties/^(a+)+$", "take for ever", id="nested"
        ),
        pytest.param({"patternProperties": {"\\p{L}": {}}}, "/patternProperties/\\p{L}", "for names", id="names"),
        pytest.param({"type": "array"}, "/type", "settings are an object", id="array"),
        pytest.param({"properties": {"a//b": {}}}, "/properties/a~1~1b", "no setting can", id="name"),
        pytest.param({"properties": {"run/memory": {}}}, "/properties/run~1memory", "a policy can", id="run"),
        pytest.param({"allOf": [{"required": ["run/cpus"]}]}, "/required/0", "a policy can", id="required-run"),
        pytest.param({"items": {"x-secret": "yes"}}, "/items/x-secret", "true or false", id="x-secret"),
        pytest.param({"items": {"x-on-change": "exec"}}, "/items/x-on-change", "one of none", id="x-on-change"),
        pytest.param({"items": {"x-on-change": "signal:hup"}}, "/items/x-on-change", "signal:NAME", id="signal"),
        pytest.param({"items": {"x-on-change": 1}}, "/items/x-on-change", "one of none", id="x-number"),
        pytest.param(
            {"properties": {"pw": {"x-secret": True, "default": "x"}}},
            "/properties/pw/default",
            "the default of a secret",
            id="secret-default",
        ),
        pytest.param(
            {"properties": {"n": {"type": "integer", "default": "x"}}},
            "/properties/n/default",
            "the default is against the schema itself: expected an integer",
            id="wrong-default",
        ),
        pytest.param(
            {"properties": {"n": {"not": {}, "default": "x"}}},
            "/properties/n/default",
            "against the schema itself: expected what not says",
            id="impossible-default",
        ),
        pytest.param(
            {
                "$defs": {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(20)}
                | {"a20": False},
                "properties": {"n": {"$ref": "#/$defs/a0", "default": 1}},
            },
            "/properties/n/default",
            "too many steps for its own default",
            id="endless-default",
        ),
    ],
)
def test_a_schema_that_cannot_be_checked_against_is_refused_with_its_place(
    document: Any, pointer: str, words: str
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_schema(document)
    assert caught.value.pointer == pointer
    assert words in caught.value.detail


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.com/web.json"},
        {"$schema": "https://json-schema.org/draft/2020-12/schema#", "type": ["object", "null"]},
        {"$defs": {"port": {"$anchor": "port"}}, "properties": {"a": {"$ref": "#port"}}},
        {"$defs": {"a/b": {"title": "t"}}, "properties": {"a": {"$ref": "#/$defs/a~1b"}}},
        {"properties": {"tree": {"items": {"$ref": "#/properties/tree"}}}},
        {"$defs": {"a": DEEP, "b": True}},
        {"patternProperties": {"^db/": {"x-on-change": "signal:SIGHUP"}}},
        {"pattern": "^(?!-)([a-z]+-?)+$"},
    ],
)
def test_what_is_taken(document: Any) -> None:
    assert parse_schema(document).document is document


def test_defaults_keep_their_text_and_come_from_what_is_referred_to() -> None:
    text = """{
        "$defs": {"port": {"default": 1.10}},
        "properties": {"a": {"$ref": "#/$defs/port"}, "b": {"default": null}, "c": true},
        "allOf": [{"properties": {"d": {"default": {"x": [1e2]}}}}]
    }"""
    assert parse_schema(jsontext.parse(text)).defaults == {"a": "1.10", "d": '{"x":[1e2]}'}


def test_the_newest_version_counts_and_null_takes_it_away() -> None:
    assert current(Snapshot(9), WEB) is None
    now = current(at('{"title":"a"}', "{}"), WEB)
    assert now is not None
    assert (now.version, now.revision, now.broken) == (2, 2, "")
    gone = current(at("{}", "null"), WEB)
    assert gone is not None
    assert (gone.schema, gone.broken) == (None, "")


@pytest.mark.parametrize("text", ["no json", "[]", '{"type": "int"}'])
def test_what_somebody_put_there_that_is_no_schema_is_told(text: str) -> None:
    schema, broken = schema_in(text)
    assert schema is None
    assert broken


def test_words_in_vain_are_told_with_the_one_that_is_meant() -> None:
    document = {"requird": ["a"], "items": {"x-secrte": True, "x-ours": 1, "wholly": ""}, "not": True}
    assert list(unknown_words(document)) == [
        "/requird: 'requird' is no keyword and checks nothing; is required meant?",
        "/items/x-secrte: 'x-secrte' is no keyword and checks nothing; is x-secret meant?",
        "/items/wholly: 'wholly' is no keyword and checks nothing",
    ]


def test_a_schema_from_the_store_is_made_once() -> None:
    text = json.dumps({"title": "made once"})
    assert schema_in(text)[0] is schema_in(text)[0]
