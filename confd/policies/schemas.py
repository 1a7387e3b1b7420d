"""The schemas of policies, compiled once; nothing is fetched for them."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from confd import jsontext
from confd.keys import show
from confd.options import OPTIONS

__all__ = ["NEVER", "unknown_in", "validator"]


@functools.lru_cache(maxsize=1024)
def validator(schema: str) -> Draft202012Validator:
    """Without a way to fetch anything: a schema refers to itself alone."""
    return Draft202012Validator(_spelled_out(json.loads(schema)), registry=Registry())


def _spelled_out(schema: Any) -> Any:
    """`false` as a property's schema is `{"not": {}}`: of its errors jsonschema does not tell where they are."""
    if isinstance(schema, list):
        return [_spelled_out(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: {one: NEVER if its is False else _spelled_out(its) for one, its in value.items()}
        if name in ("properties", "patternProperties") and isinstance(value, Mapping)
        else _spelled_out(value)
        for name, value in schema.items()
    }


_SAME = ("not", "if", "then", "else")
"""Keywords with a schema for the same value."""
_ONE = ("items", "contains", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
_LISTS = ("allOf", "anyOf", "oneOf")
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs")
_KEYWORDS = frozenset(
    f"{' '.join((*_SAME, *_ONE, *_LISTS, *_BY_NAME))} type enum const multipleOf maximum exclusiveMaximum minimum "
    "exclusiveMinimum maxLength minLength pattern maxItems minItems uniqueItems maxContains minContains "
    "prefixItems "
    "maxProperties minProperties required dependentRequired format contentEncoding contentMediaType contentSchema "
    "title description default deprecated readOnly writeOnly examples $schema $id $ref $anchor $dynamicRef "
    "$dynamicAnchor $vocabulary $comment".split()
)


def unknown_in(schema: Any, pointer: str = "/schema", *, options: bool = True) -> Iterator[tuple[str, str]]:
    """Words in which a schema says nothing: no keyword, or as a name no run option. Pointer and what is wrong.

    `options`: what the schema is for is the run options, and not the value of one.
    """
    for word, value in schema.items() if isinstance(schema, Mapping) else ():
        below = pointer + jsontext.pointer(word)
        if word not in _KEYWORDS:
            hint = _like(word, _KEYWORDS)
            yield below, f"{show(word)} is no keyword of JSON Schema, and would check nothing{hint}"
        if options and word in ("properties", "required"):
            places = jsontext.pointer if word == "properties" else None
            for index, name in enumerate(value):
                yield from _no_option(name, below + (places(name) if places else f"/{index}"))
        for place, its in _schemas_of(word, value):
            same = options and word in (*_SAME, *_LISTS, "dependentSchemas")
            yield from unknown_in(its, below + place, options=same)


def _schemas_of(word: str, value: Any) -> list[tuple[str, Any]]:
    """The schemas that stand under a keyword, each with where it does."""
    if word in (*_SAME, *_ONE):
        return [("", value)]
    if word in (*_LISTS, "prefixItems"):
        return [(f"/{index}", one) for index, one in enumerate(value)]
    return [(jsontext.pointer(name), one) for name, one in value.items()] if word in _BY_NAME else []


def _no_option(name: str, pointer: str) -> Iterator[tuple[str, str]]:
    if name not in OPTIONS:
        hint = _like(name.removeprefix("run/").lstrip("-"), OPTIONS)
        yield pointer, f"{show(name)} is no run option, and would never be there{hint}"


def _like(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, known, 1)
    return f"; is {found[0]} meant?" if found else ""


NEVER: Mapping[str, Any] = {"not": {}}
