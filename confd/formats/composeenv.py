"""The .env files of Compose: the dotenv dialect with references between its values.

`$NAME` and `${NAME}` stand for the value of an earlier line, with `:-`, `-`, `:+`, `+`, `:?` and `?` as Compose has
them; single quotes keep them from it, `$$` is a dollar sign, and what is no reference stays as it is. A reference
always gives the value that is stored: names come from the file alone, and one that is set nowhere above it, or
again below it, is refused instead of guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from confd.errors import Malformed
from confd.formats import dotenv
from confd.jsontext import Value

__all__ = ["NAME", "dump", "interpolate", "load", "warnings"]

NAME = "compose-env"
MAX_DEPTH = 20

Lookup = Callable[[str], str | None]

_WORD = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(rf"\$(?:(?P<dollar>\$)|(?P<name>{_WORD})|(?P<brace>\{{))")
_BRACED = re.compile(rf"(?P<name>{_WORD})(?:(?P<operator>:?[-+?])(?P<operand>.*))?", re.DOTALL)


def load(text: str) -> list[tuple[str, Value]]:
    """Names and values, references resolved. Raises `Malformed` with the line's number."""
    return dotenv.last(_lines(text))


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load` does."""
    return dotenv.told(_lines(text))


def dump(values: Mapping[str, Value]) -> str:
    """The dotenv dialect, every dollar sign escaped: what `load` reads back unchanged."""
    return dotenv.dump(values)


@dataclass(slots=True)
class _Values:
    """The values of the lines so far, and which of them were looked up for which line."""

    known: dict[str, str] = field(default_factory=dict)
    used: list[tuple[int, str, str, str | None]] = field(default_factory=list)

    def expand(self, line: int, name: str, text: str) -> str:
        def lookup(other: str) -> str | None:
            self.used.append((line, name, other, self.known.get(other)))
            return self.known.get(other)

        try:
            return interpolate(text, lookup)
        except Malformed as error:
            raise Malformed(f"line {line}: the value of {name}: {error.detail}") from error


def _lines(text: str) -> Iterator[dotenv.Line]:
    values = _Values()
    for line, name, value in dotenv.lines(text, values.expand):
        values.known[name] = value or ""
        yield line, name, value
    for line, name, other, value in values.used:
        if values.known.get(other) != value:
            raise Malformed(f"line {line}: {name} refers to {other}, which a later line sets; set it once, above")


def interpolate(text: str, lookup: Lookup, depth: int = 0) -> str:
    """The text with its references resolved. Raises `Malformed` for a name that has no value and no default."""
    if depth > MAX_DEPTH:
        raise Malformed(f"references stand in each other more than {MAX_DEPTH} deep")
    out: list[str] = []
    at = 0
    while found := _REFERENCE.search(text, at):
        out.append(text[at : found.start()])
        at = found.end()
        if found["brace"]:
            end = _closing(text, at)
            out.append(_braced(text[at:end], lookup, depth + 1))
            at = end + 1
        else:
            out.append("$" if found["dollar"] else _required(found["name"], lookup(found["name"])))
    return "".join([*out, text[at:]])


def _closing(text: str, at: int) -> int:
    """Where the brace that was opened before `at` closes; those of references inside count."""
    depth = 1
    for found in re.compile(r"\$\{|\}").finditer(text, at):
        depth += 1 if found[0] == "${" else -1
        if depth == 0:
            return found.start()
    raise Malformed("a ${ has no closing }; single quotes keep it as it is")


def _braced(inside: str, lookup: Lookup, depth: int) -> str:
    found = _BRACED.fullmatch(inside)
    if found is None:
        raise Malformed("a ${...} is no reference that Compose knows; single quotes keep it as it is")
    name, operator, operand = found["name"], found["operator"] or "", found["operand"] or ""
    value = lookup(name)
    given = value is not None and (value != "" or not operator.startswith(":"))
    if operator.endswith("+"):
        return interpolate(operand, lookup, depth) if given else ""
    if operator.endswith("-") and not given:
        return interpolate(operand, lookup, depth)
    return _required(name, value if given else None)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise Malformed(
            f"it refers to {name}, which no line above sets; variables of your own are never taken, "
            "and single quotes keep a $ as it is"
        )
    return value
