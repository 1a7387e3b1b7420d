"""Where in a schema's document its schemas stand, and which of them hold for a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from confd import jsontext
from confd.validation.engine import matching

__all__ = ["below", "for_key", "is_endless", "names", "same_value", "spelled_out", "target_of", "together"]

_SAME = ("not", "if", "then", "else")
"""Keywords with a schema for the same value."""
_ONE = (
    *_SAME,
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
)
_SAME_LISTS = ("allOf", "anyOf", "oneOf")
_LISTS = (*_SAME_LISTS, "prefixItems")
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs")
REFERENCES = ("$ref", "$dynamicRef")


def below(schema: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """All schemas of a document that is one, itself first, each with the pointer to it."""
    yield pointer, schema
    for word, value in schema.items() if isinstance(schema, Mapping) else ():
        at = pointer + jsontext.pointer(word)
        if word in _ONE:
            yield from below(value, at)
        elif word in _LISTS:
            for index, one in enumerate(value):
                yield from below(one, f"{at}/{index}")
        elif word in _BY_NAME:
            for name, one in value.items():
                yield from below(one, at + jsontext.pointer(name))


def target_of(document: Any, reference: str) -> Any:
    """The schema that a reference within the document leads to. Raises `LookupError` where it leads nowhere."""
    place = reference.removeprefix("#")
    if place and not place.startswith("/"):
        for _, schema in below(document):
            if isinstance(schema, Mapping) and place in (schema.get("$anchor"), schema.get("$dynamicAnchor")):
                return schema
        raise LookupError(reference)
    found = document
    for part in place.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found[int(name)] if isinstance(found, list) and name.isdigit() else _member(found, name)
    return found


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping) or name not in value:
        raise LookupError(name)
    return value[name]


def together(document: Any, schema: Any) -> list[Mapping[str, Any]]:
    """The schema, and all that hold with it whatever the value is: of its allOf, and what it refers to."""
    found: list[Mapping[str, Any]] = []
    waiting = [schema]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, Mapping) or any(one is known for known in found):
            continue
        found.append(one)
        waiting += one.get("allOf", ())
        waiting += [target_of(document, one["$ref"])] if "$ref" in one else []
    return found


def for_key(document: Any, key: str) -> list[Mapping[str, Any]]:
    """All schemas that hold for the value of a key, whatever the other keys are."""
    found: list[Mapping[str, Any]] = []
    for part in together(document, document):
        own = [part["properties"][key]] if key in part.get("properties", {}) else []
        own += [its for pattern, its in part.get("patternProperties", {}).items() if matching(pattern, key)]
        for schema in own or [part.get("additionalProperties")]:
            found += together(document, schema)
    return found


def same_value(document: Any, schema: Any) -> Iterator[Any]:
    """The schemas that a value meets with this one, one step on."""
    if isinstance(schema, Mapping):
        yield from (schema[word] for word in _SAME if word in schema)
        for word in _SAME_LISTS:
            yield from schema.get(word, ())
        yield from schema.get("dependentSchemas", {}).values()
        yield from (target_of(document, schema[word]) for word in REFERENCES if word in schema)


def names(document: Any, key: str) -> bool:
    """Whether a schema of all settings together says something of the key by its name."""
    done: set[int] = set()
    waiting = [document]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, Mapping) or id(part) in done:
            continue
        done.add(id(part))
        lists = (part.get("required", ()), *part.get("dependentRequired", {}).values())
        folders = (part.get(word, {}) for word in ("properties", "dependentRequired", "dependentSchemas"))
        if any(key in one for one in (*lists, *folders)):
            return True
        if any(matching(pattern, key) for pattern in part.get("patternProperties", {})):
            return True
        waiting += same_value(document, part)
    return False


def is_endless(document: Any) -> bool:
    """Whether some value would meet one schema over and over, by what refers to itself."""
    done: set[int] = set()
    for _, start in below(document):
        if id(start) in done:
            continue
        path: list[tuple[int, Iterator[Any]]] = [(id(start), same_value(document, start))]
        on_path = {id(start)}
        while path:
            here, rest = path[-1]
            one = next(rest, None)
            if one is None:
                path.pop()
                on_path.discard(here)
                done.add(here)
            elif id(one) in on_path:
                return True
            elif isinstance(one, Mapping) and id(one) not in done:
                path.append((id(one), same_value(document, one)))
                on_path.add(id(one))
    return False


def spelled_out(schema: Any) -> Any:
    """`false` as a property's schema is `{"not": {}}`: of its errors jsonschema does not tell where they are."""
    if isinstance(schema, list):
        return [spelled_out(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        word: {one: {"not": {}} if its is False else spelled_out(its) for one, its in value.items()}
        if word in ("properties", "patternProperties") and isinstance(value, Mapping)
        else spelled_out(value)
        for word, value in schema.items()
    }
