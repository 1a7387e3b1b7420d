"""YAML 1.2 files: one mapping, nested members being the segments of a key. Numbers keep their text.

The core schema alone: `NO` and `on` are strings, and so is what JSON has no number for (`0755`, `0x1F`, `12:30`).
Written strings stand in double quotes, so that readers of 1.1 take them as they are too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeGuard

from confd import jsontext
from confd.errors import Malformed
from confd.formats import tree
from confd.jsontext import Value

__all__ = ["NAME", "dump", "load", "warnings", "written"]

NAME = "yaml"

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MANIFEST = re.compile(r"^[\"']?kind[\"']?:[ \t]+[\"']?(ConfigMap|Secret)\b", re.MULTILINE)
_RESERVED = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values of a YAML mapping. Raises `Malformed` with the line's number."""
    from confd.formats.yamlreader import document

    value = document(text)
    if value is None:
        return []
    if not isinstance(value, Mapping):
        raise Malformed("the file must hold one mapping of keys and values")
    return tree.flatten(value)


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know."""
    found = _MANIFEST.search(text)
    hint = (
        f"this looks like a {found[1]} of Kubernetes; --format k8s-{found[1].lower()} reads its data"
        if found
        else ""
    )
    return [hint] if hint else []


def dump(values: Mapping[str, Value]) -> str:
    """A YAML document. Raises `Invalid` where a key is also a folder of keys."""
    return written(tree.nest(values, "a YAML file")) + "\n"


def written(value: Value) -> str:
    """A document in block style whose scalars are those of JSON, without the last line's end."""
    return "\n".join(_block(value, ""))


def _block(value: Value, indent: str) -> Iterable[str]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _entry(f"{indent}{_name(str(name))}:", item, indent + "  ")
    elif _is_list(value) and value:
        for item in value:
            yield from _entry(f"{indent}-", item, indent + "  ")
    else:
        yield indent + _scalar(value)


def _entry(head: str, item: Value, deeper: str) -> Iterable[str]:
    if (isinstance(item, Mapping) or _is_list(item)) and item:
        yield head
        yield from _block(item, deeper)
    else:
        yield f"{head} {_scalar(item)}"


def _is_list(value: Value) -> TypeGuard[Sequence[Value]]:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _scalar(value: Value) -> str:
    return tree.quoted(value) if isinstance(value, str) else jsontext.dump(value)


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.lower() not in _RESERVED else tree.quoted(name)
