"""JSON files: one object, nested members being the segments of a key. Numbers keep their text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import Value

__all__ = ["NAME", "dump", "load"]

NAME = "json"


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values of a JSON object. Raises `Malformed` for no object, and for two members of one key."""
    value = jsontext.parse(text.removeprefix("\ufeff"))
    if not isinstance(value, Mapping):
        raise Malformed("the file must hold one JSON object of keys and values")
    paths: dict[str, str] = {}
    pairs: list[tuple[str, Value]] = []
    for path, member in _flatten(value, ()):
        key = "/".join(path)
        if key in paths:
            raise Malformed(f"two members give the key {key!r}: {paths[key]} and {list(path)}; rename one of them")
        paths[key] = str(list(path))
        pairs.append((key, member))
    return pairs


def _flatten(value: Mapping[str, Value], path: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Value]]:
    for name, member in value.items():
        if isinstance(member, Mapping) and member:
            yield from _flatten(member, (*path, name))
        else:
            yield (*path, name), member


def dump(values: Mapping[str, Value]) -> str:
    """A JSON object with one line a top-level member. Raises `Invalid` where a key is also a folder of keys."""
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
                raise Invalid(f"{key!r} cannot stand in a JSON file beside {'/'.join(folders)!r}, which is a value")
            node = child
        node[name] = values[key]
    if not tree:
        return "{}\n"
    return "{\n" + ",\n".join(f"  {jsontext.dump(k)}: {jsontext.dump(v)}" for k, v in tree.items()) + "\n}\n"
