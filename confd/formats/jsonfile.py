"""JSON files: nested objects are keys joined by `/`, in both directions. Lists and scalars are values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import Value
from confd.keys import show

__all__ = ["DIALECTS", "EXTENSIONS", "NAME", "dump", "load"]

NAME = "json"
EXTENSIONS = (".json",)
DIALECTS = ("json",)


def load(text: str, dialect: str = "") -> list[tuple[str, Value]]:
    """Read one JSON object. Raises `Malformed`, also for a key that stands twice."""
    value = jsontext.parse(text.removeprefix("\ufeff"))
    if not isinstance(value, Mapping):
        raise Malformed("the file has to hold one JSON object, {KEY: VALUE, ...}")
    found: dict[str, Value] = {}
    for key, item in _flat(value, ""):
        if key in found:
            raise Malformed(f"the key {show(key)} stands twice, once nested and once with slashes; keep one")
        found[key] = item
    return list(found.items())


def _flat(members: Mapping[str, Value], prefix: str) -> Iterator[tuple[str, Value]]:
    for name, item in members.items():
        if not name:
            raise Malformed(f"a member of {show(prefix) if prefix else 'the file'} has an empty name; name it")
        if isinstance(item, Mapping) and item:
            yield from _flat(item, f"{prefix}{name}/")
        else:
            yield prefix + name, item


def dump(mapping: Mapping[str, Value]) -> str:
    """Write keys as nested objects, sorted. Raises `Invalid` when a key is also the folder of another."""
    root: dict[str, Any] = {}
    folders: set[str] = set()
    for key in sorted(mapping):
        node, path = root, ""
        *parents, name = key.split("/")
        for parent in parents:
            path = f"{path}{parent}/"
            if parent in node and path not in folders:
                raise Invalid(
                    f"{path[:-1]} and {key} cannot stand in one JSON file: the first is a value, for the second "
                    "it would be an object; leave one of them out"
                )
            folders.add(path)
            node = node.setdefault(parent, {})
        if name in node:
            raise Invalid(f"{key} cannot stand in a JSON file beside keys below it; leave one of them out")
        node[name] = mapping[key]
    return _pretty(root, "") + "\n"


def _pretty(value: Value, indent: str) -> str:
    if not isinstance(value, Mapping) or not value:
        return jsontext.dump(value)
    inner = indent + "  "
    members = ",\n".join(f"{inner}{jsontext.dump(str(k))}: {_pretty(v, inner)}" for k, v in value.items())
    return "{\n" + members + "\n" + indent + "}"
