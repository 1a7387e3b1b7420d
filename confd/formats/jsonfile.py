"""JSON files: one object, nested members being the segments of a key. Numbers keep their text."""

from __future__ import annotations

from collections.abc import Mapping

from confd import jsontext
from confd.errors import Malformed
from confd.formats import tree
from confd.jsontext import Value

__all__ = ["NAME", "dump", "load"]

NAME = "json"


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values of a JSON object. Raises `Malformed` for no object, and for two members of one key."""
    value = jsontext.parse(text.removeprefix("\ufeff"))
    if not isinstance(value, Mapping):
        raise Malformed("the file must hold one JSON object of keys and values")
    return tree.flatten(value)


def dump(values: Mapping[str, Value]) -> str:
    """A JSON object with one line a top-level member. Raises `Invalid` where a key is also a folder of keys."""
    members = tree.nest(values, "a JSON file")
    if not members:
        return "{}\n"
    return "{\n" + ",\n".join(f"  {jsontext.dump(k)}: {jsontext.dump(v)}" for k, v in members.items()) + "\n}\n"
