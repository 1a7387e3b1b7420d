"""Java .properties files: names as they stand are keys, values are strings.

Escapes are those of `java.util.Properties`; the backslash of any other goes, as it does there, and `warnings` tells
of it. A name that stands twice is refused. All but ASCII is written as `\\u` and four digits, which every reader
understands whatever encoding it takes the file for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.formats.tree import whole
from confd.jsontext import Value

__all__ = ["NAME", "dump", "load", "warnings"]

NAME = "properties"

_END = re.compile(r"\r\n|\r|\n")
_PAIR = re.compile(r"(?P<name>(?:\\.|[^\\=: \t\f])*)[ \t\f]*(?:[=:][ \t\f]*)?(?P<value>.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.|\Z)", re.DOTALL)
_KNOWN = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_NAMES = {escaped: letter for letter, escaped in _KNOWN.items()}
_USUAL = frozenset("tnrfu\\=:#! ")
_DRIVE = re.compile(r"[A-Za-z]:\\[^\\]")


def load(text: str) -> list[tuple[str, Value]]:
    """Names and values. Raises `Malformed` with the line's number."""
    found: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for line, name, value in _pairs(text):
        given = _unescape(name, line, name)
        if given in lines:
            raise Malformed(f"line {line}: {given!r} stands again, first in line {lines[given]}; keep one of them")
        lines[given] = line
        found[given] = _unescape(value, line, name)
    return list(found.items())


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load` does."""
    return [
        f"line {line}: {name} has an unescaped backslash, which is no part of the value; write \\\\ for one"
        for line, name, value in _pairs(text)
        if _DRIVE.match(value) or any(found[1][:1] not in _USUAL for found in _ESCAPE.finditer(value))
    ]


def _pairs(text: str) -> Iterator[tuple[int, str, str]]:
    """Each logical line's number, and its name and value as they are escaped."""
    lines = enumerate(_END.split(text.removeprefix("\ufeff")), 1)
    for number, line in lines:
        first = line.lstrip(" \t\f")
        if not first or first[0] in "#!":
            continue
        parts = [first]
        while _continued(parts[-1]):
            parts[-1:] = [parts[-1][:-1], next(lines, (0, ""))[1].lstrip(" \t\f")]
        pair = _PAIR.fullmatch("".join(parts))
        if pair is None or not pair["name"]:
            raise Malformed(f"line {number}: a name is missing before the = or :")
        yield number, pair["name"], pair["value"]


def _continued(line: str) -> bool:
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _unescape(text: str, line: int, name: str) -> str:
    def one(found: re.Match[str]) -> str:
        escaped = found[1]
        if escaped == "u":
            raise Malformed(
                f"line {line}: {name} has a \\u without four hexadecimal digits; write \\\\ for a backslash"
            )
        return chr(int(escaped[1:], 16)) if len(escaped) > 1 else _KNOWN.get(escaped, escaped)

    given = whole(_ESCAPE.sub(one, text))
    if given is None:
        raise Malformed(f"line {line}: {name} has a lone surrogate, which is no character; remove it")
    return given


def dump(values: Mapping[str, Value]) -> str:
    """A .properties file in ASCII; a value that is no string is its JSON text. Raises `Invalid` for a null."""
    return "".join(f"{_name(name)}={_value(_text(name, value))}\n" for name, value in values.items())


def _name(name: str) -> str:
    if not name:
        raise Invalid("an empty name cannot stand in a .properties file")
    return "".join(_escaped(character, " =:#!") for character in name)


def _text(name: str, value: Value) -> str:
    if value is None:
        raise Invalid(f"{name} is null, which a .properties file cannot carry; use the format json")
    return value if isinstance(value, str) else jsontext.dump(value)


def _value(text: str) -> str:
    return "".join(_escaped(character, "" if at else " ") for at, character in enumerate(text))


def _escaped(character: str, also: str) -> str:
    if character == "\\" or character in also:
        return f"\\{character}"
    if character in _NAMES:
        return f"\\{_NAMES[character]}"
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be").hex().upper()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
