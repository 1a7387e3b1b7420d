"""TOML 1.0 files: nested tables are the segments of a key. Numbers keep their text.

What JSON has no word for is a string with its own text: dates and times, `0x1F`, `1_000`, `inf`. TOML has no null,
and no integer beyond 64 bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.formats import tree
from confd.jsontext import Number, Value

if TYPE_CHECKING:
    from tomlkit.items import Item

__all__ = ["NAME", "dump", "load"]

NAME = "toml"

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST = 2**63


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values of a TOML document. Raises `Malformed` with the line's number."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    _check(text)
    try:
        document = tomlkit.parse(text)
    except (TOMLKitError, ValueError) as error:
        raise Malformed(f"this TOML is not understood: {error}") from error
    return tree.flatten({name: _value(item) for name, item in document.items()})


def _check(text: str) -> None:
    """By the standard library, which is strict, and tells the line; it keeps no number's text."""
    import tomllib

    try:
        tomllib.loads(text)
    except RecursionError as error:
        raise Malformed("this TOML is nested too deep") from error
    except ValueError as error:
        words, _, place = str(error).partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else text.count("\n") + 1
        raise Malformed(f"line {line}: this is no TOML: {words}") from error


def _value(item: Item | bool) -> Value:
    if isinstance(item, bool):
        return item
    if isinstance(item, Mapping):
        return {str(name): _value(member) for name, member in item.items()}
    if isinstance(item, str):
        return str(item)
    if isinstance(item, Sequence):
        return [_value(one) for one in item]
    text = item.as_string()
    if text in ("true", "false"):
        return text == "true"
    return Number(text) if tree.NUMBER.fullmatch(text) else text


def dump(values: Mapping[str, Value]) -> str:
    """A TOML document. Raises `Invalid` for a null, and where a key is also a folder of keys."""
    return "".join(f"{line}\n" for line in _table(tree.nest(values, "a TOML file"), ()))


def _table(members: Mapping[str, Value], path: tuple[str, ...]) -> Iterable[str]:
    tables = {name: value for name, value in members.items() if isinstance(value, Mapping) and value}
    for name, value in members.items():
        if name not in tables:
            yield f"{_name(name)} = {_written(value, '/'.join((*path, name)))}"
    for name, table in tables.items():
        within = (*path, name)
        if any(not isinstance(value, Mapping) or not value for value in table.values()):
            yield f"[{'.'.join(map(_name, within))}]"
        yield from _table(table, within)


def _written(value: Value, key: str) -> str:
    if value is None:
        raise Invalid(f"{key} is or holds null, which TOML does not have; use the format json")
    if isinstance(value, str):
        return tree.quoted(value)
    if isinstance(value, Mapping):
        members = ", ".join(f"{_name(name)} = {_written(one, key)}" for name, one in value.items())
        return f"{{{members}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_written(one, key) for one in value)}]"
    text = jsontext.dump(value)
    if text.lstrip("-").isdigit() and not -_LARGEST <= int(text) < _LARGEST:
        raise Invalid(f"{key} is or holds an integer beyond 64 bits, which TOML cannot carry; use the format json")
    return text


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else tree.quoted(name)
