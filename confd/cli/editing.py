"""A layer as a text that is edited: written with a head, read again, and brought over what others changed. No I/O.

The text is one mapping of keys and values, as a manifest has it: nothing in a value is a segment of a key. The
lines at its top that begin with `#:` are the head, and no part of what is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import dropwhile

from confd.cli.output import cell, pretty, value_text, yaml
from confd.errors import Malformed
from confd.jsontext import Value, dump
from confd.secret import MASK

__all__ = ["FORMATS", "Layer", "body_of", "edits", "rebased", "text_of", "told", "values_of"]

HEAD = "#:"
FORMATS: Mapping[str, Callable[[Value], str]] = {"yaml": yaml, "json": pretty}
_LINE = re.compile(r"^(line |this is no JSON: .*line )(\d+)")


@dataclass(frozen=True, slots=True)
class Layer:
    """The settings of one layer as they may be seen: of a secret the mask. `tag` tells one state from another."""

    values: Mapping[str, Value]
    secrets: Set[str]
    tag: str
    words: Sequence[str] = field(default=())


def text_of(head: Sequence[str], body: str) -> str:
    """A text to edit."""
    return "".join(f"{HEAD} {line}".rstrip() + "\n" for line in head) + body


def body_of(text: str) -> str:
    """The text without its head."""
    return "".join(dropwhile(lambda line: line.startswith(HEAD), text.splitlines(keepends=True)))


def values_of(text: str, form: str) -> Mapping[str, Value] | None:
    """What the text says; None where there is nothing in it. Raises `Malformed`, with the line of the text."""
    from confd.formats.yamlreader import document
    from confd.jsontext import parse
    from confd.keys import parse_key

    body = body_of(text)
    try:
        value = document(body) if form == "yaml" or not body.strip() else parse(body)
        if value is not None and not isinstance(value, Mapping):
            raise Malformed("it is to be one mapping of keys and values")
        for key in value or ():
            parse_key(key)
    except Malformed as error:
        head = len(text.splitlines()) - len(body.splitlines())
        found = _LINE.match(error.detail)
        detail = f"{found[1]}{int(found[2]) + head}{error.detail[found.end() :]}" if found else error.detail
        raise Malformed(detail) from error
    return value


def edits(base: Layer, wanted: Mapping[str, Value]) -> tuple[dict[str, Value], list[str], list[str]]:
    """What is to be set, unset, and what of the first is a secret. Raises `Malformed` for a mask of nothing."""
    changed = {key: value for key, value in wanted.items() if _differs(base.values, wanted, key)}
    for key, value in changed.items():
        if value == MASK:
            raise Malformed(f"{key}: {MASK} stands for the value of a secret, and {key} is none; write its value")
    return changed, [key for key in base.values if key not in wanted], sorted(base.secrets & changed.keys())


def rebased(base: Layer, wanted: Mapping[str, Value], now: Layer) -> tuple[dict[str, Value], list[str]]:
    """The layer as it is now with what was edited brought in; and the keys that both have changed."""
    merged = dict(now.values)
    clashes: list[str] = []
    for key in sorted(base.values.keys() | wanted.keys()):
        if not _differs(base.values, wanted, key):
            continue
        if _differs(base.values, now.values, key) and _differs(now.values, wanted, key):
            clashes.append(key)
        if key in wanted:
            merged[key] = wanted[key]
        else:
            merged.pop(key, None)
    return merged, clashes


def told(before: Mapping[str, Value], after: Mapping[str, Value]) -> list[str]:
    """What differs, a line a key."""
    keys = [key for key in sorted(before.keys() | after.keys()) if _differs(before, after, key)]
    return [f"{cell(key)}: {_shown(before, key)} -> {_shown(after, key)}" for key in keys]


def _shown(values: Mapping[str, Value], key: str) -> str:
    return value_text(values[key]) if key in values else "(not set)"


def _differs(one: Mapping[str, Value], other: Mapping[str, Value], key: str) -> bool:
    if key not in one or key not in other:
        return (key in one) != (key in other)
    return dump(one[key]) != dump(other[key])
