"""INI files, in the dialect of Python's configparser without interpolation: a section is a folder of keys.

`[db/pool]` with `size = 5` is the key `db/pool/size`; a line above every section is a key without a folder.
`[DEFAULT]` is a section as any other: nothing of it is repeated elsewhere. A comment has its own line, begun by `#`
or `;`; behind a value they are part of it. Values are strings; a further line of one is indented deeper than its
name. Blanks around a line are no part of it, so a value that needs them is refused at export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import Value

__all__ = ["NAME", "dump", "load", "warnings"]

NAME = "ini"

_BLANK = " \t"
_SECTION = re.compile(r"\[(?P<name>[^\]]+)\]")
_BETWEEN = re.compile("[=:]")
_SEGMENTS = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_COMMENT = ("#", ";")


@dataclass(slots=True)
class _Option:
    """One option: its line's number and indent, its key, and the lines of its value."""

    line: int
    indent: int
    key: str
    value: list[str]


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values. Raises `Malformed` with the line's number."""
    found: dict[str, Value] = {}
    lines: dict[str, int] = {}
    for option in _options(text):
        if option.key in lines:
            raise Malformed(
                f"line {option.line}: {option.key!r} stands again, first in line {lines[option.key]}; "
                "keep one of them"
            )
        lines[option.key] = option.line
        found[option.key] = "\n".join(option.value).rstrip("\n")
    return list(found.items())


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load` does."""
    words: list[str] = []
    for option in _options(text):
        if re.search(r"[ \t][;#]", "\n".join(option.value)):
            words.append(f"line {option.line}: what looks like a comment is part of the value of {option.key}")
        if option.key.startswith("DEFAULT/") and not any("[DEFAULT]" in word for word in words):
            words.append(
                f"line {option.line}: [DEFAULT] is a section as any other; other sections have nothing of it"
            )
    return words


def _options(text: str) -> Iterator[_Option]:
    option: _Option | None = None
    sections: dict[str, int] = {}
    section = ""
    for number, whole in enumerate(text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), 1):
        line, indent = whole.strip(_BLANK), len(whole) - len(whole.lstrip(_BLANK))
        if line.startswith(_COMMENT) or not (line or option):
            continue
        if option and (not line or indent > option.indent):
            option.value.append(line)
            continue
        if option:
            yield option
        header = _SECTION.fullmatch(line)
        if header:
            section = header["name"]
            _once(section, number, sections)
        option = None if header else _option(line, number, indent, section)
    if option:
        yield option


def _once(section: str, line: int, sections: dict[str, int]) -> None:
    if section in sections:
        raise Malformed(
            f"line {line}: [{section}] stands again, first in line {sections[section]}; put them together"
        )
    sections[section] = line


def _option(line: str, number: int, indent: int, section: str) -> _Option:
    between = _BETWEEN.search(line)
    name = line[: between.start()].rstrip(_BLANK) if between else ""
    if not between or not name:
        raise Malformed(f"line {number}: expected [SECTION], NAME = VALUE, a comment or nothing")
    key = f"{section}/{name}" if section else name
    return _Option(number, indent, key, [line[between.end() :].lstrip(_BLANK)])


def dump(values: Mapping[str, Value]) -> str:
    """An INI file; a value that is no string is its JSON text. Raises `Invalid` for what would not read back."""
    sections: dict[str, list[str]] = {"": []}
    for key, value in values.items():
        section, _, name = _checked(key).rpartition("/")
        text = _text(key, value).replace("\n", "\n\t")
        sections.setdefault(section, []).append(f"{name} = {text}".rstrip(_BLANK) + "\n")
    return "\n".join(
        (f"[{section}]\n" if section else "") + "".join(lines) for section, lines in sections.items() if lines
    )


def _checked(key: str) -> str:
    if not _SEGMENTS.fullmatch(key):
        raise Invalid(f"{key!r} cannot stand as a name in an INI file")
    return key


def _text(key: str, value: Value) -> str:
    if value is None:
        raise Invalid(f"{key} is null, which an INI file cannot carry; use the format json")
    text = value if isinstance(value, str) else jsontext.dump(value)
    lines = text.split("\n")
    if (
        any(line != line.strip(_BLANK) or "\r" in line for line in lines)
        or any(line.startswith(_COMMENT) for line in lines[1:])
        or (lines[1:] and not lines[-1])
    ):
        raise Invalid(
            f"{key} has blanks at an end of a line, a line that looks like a comment or an empty last line, which "
            "an INI file cannot carry; use the format json"
        )
    return text
