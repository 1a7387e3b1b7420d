"""Nested members as the segments of keys, and keys as nested members again. What formats of trees share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from confd.errors import Invalid, Malformed
from confd.jsontext import Value

__all__ = ["NUMBER", "flatten", "nest", "quoted", "whole"]

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON spells it: only such a text is one, with its own digits."""
_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def flatten(value: Mapping[str, Value]) -> list[tuple[str, Value]]:
    """Keys and values. Raises `Malformed` where two members give one key."""
    paths: dict[str, str] = {}
    pairs: list[tuple[str, Value]] = []
    for path, member in _members(value, ()):
        key = "/".join(path)
        if key in paths:
            raise Malformed(f"two members give the key {key!r}: {paths[key]} and {list(path)}; rename one of them")
        paths[key] = str(list(path))
        pairs.append((key, member))
    return pairs


def _members(value: Mapping[str, Value], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Value]]:
    for name, member in value.items():
        if isinstance(member, Mapping) and member:
            yield from _members(member, (*path, name))
        else:
            yield (*path, name), member


def nest(values: Mapping[str, Value], file: str) -> dict[str, Value]:
    """Keys as members within members. Raises `Invalid` where a key is also a folder of keys."""
    tree: dict[str, Value] = {}
    folders_made: set[int] = {id(tree)}
    for key in sorted(values):
        *folders, name = key.split("/")
        node = tree
        for folder in folders:
            if folder not in node:
                made: dict[str, Value] = {}
                folders_made.add(id(made))
                node[folder] = made
            child = node[folder]
            if not isinstance(child, dict) or id(child) not in folders_made:
                raise Invalid(f"{key!r} cannot stand in {file} beside {'/'.join(folders)!r}, which is a value")
            node = child
        node[name] = values[key]
    return tree


def quoted(text: str) -> str:
    """A string in double quotes, as JSON, YAML and TOML read it: what one would not see stands as its escape."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def whole(text: str) -> str | None:
    """A text in which pairs of surrogates, as escapes of four digits give them, are one character each.

    None where one stands alone.
    """
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None
