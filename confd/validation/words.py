"""What a schema allows, in words; never the value that was found. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from confd import jsontext
from confd.validation.engine import FORMATS

__all__ = ["described", "like", "listed"]

SHOWN = 12
"""So many alternatives are named."""

_TYPES = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "string": "a string",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BOUNDS: Mapping[str, Callable[[str], str]] = {
    "minimum": "at least {}".format,
    "exclusiveMinimum": "more than {}".format,
    "maximum": "at most {}".format,
    "exclusiveMaximum": "less than {}".format,
    "multipleOf": "a multiple of {}".format,
    "minLength": "at least {} characters".format,
    "maxLength": "at most {} characters".format,
    "minItems": "at least {} items".format,
    "maxItems": "at most {} items".format,
    "minProperties": "at least {} members".format,
    "maxProperties": "at most {} members".format,
}


def described(schema: Any) -> str:
    """What a schema lets a value be: its type, its bounds, its form. Empty where it says nothing of these."""
    if not isinstance(schema, Mapping):
        return ""
    words: list[str] = []
    if "const" in schema:
        words.append(shown(schema["const"]))
    if "enum" in schema:
        words.append(f"one of {listed(map(shown, schema['enum']))}")
    elif "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        words.append(" or ".join(_TYPES[one] for one in types))
    if "format" in schema:
        words.append(FORMATS[schema["format"]])
    if "pattern" in schema:
        words.append(f"text that matches {schema['pattern']}")
    words += [say(shown(schema[name])) for name, say in _BOUNDS.items() if name in schema]
    if schema.get("uniqueItems") is True:
        words.append("no item twice")
    return ", ".join(words)


def shown(value: Any) -> str:
    """A value of a schema, as JSON; a string bare."""
    return value if isinstance(value, str) else jsontext.dump(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return jsontext.Number(str(value))
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def listed(names: Iterable[str]) -> str:
    """The names, the first of many."""
    found = list(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


def like(word: str, known: Iterable[str]) -> str:
    """A question about the name that is most like it, where one is."""
    found = difflib.get_close_matches(word, list(known), 1)
    return f"; is {found[0]} meant?" if found else ""
