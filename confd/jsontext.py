"""JSON whose numbers keep their text.

A setting's number is text to us: `1.10` stays `1.10`, a 20-digit integer stays whole, `1e400` never becomes
infinity. `parse` gives `Number` where JSON has a number, `dump` writes it back unchanged; equality of values
is equality of their dumped text. Must not know of settings, layers or files.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from confd.errors import Malformed

__all__ = ["MAX_DEPTH", "Number", "Value", "dump", "mapped", "parse", "plain", "pointer"]

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number by its text, exactly as it was written."""

    text: str

    def __str__(self) -> str:
        return self.text


Value: TypeAlias = "bool | str | int | float | Number | Sequence[Value] | Mapping[str, Value] | None"


def parse(text: str | bytes) -> Value:
    """Read one JSON document. Numbers become `Number`.

    Raises `Malformed` for text that is no JSON, NaN and infinities, a repeated member name, a lone
    surrogate, a NUL inside a name, and more than `MAX_DEPTH` levels.
    """
    try:
        value: Value = json.loads(
            text,
            parse_int=Number,
            parse_float=Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except Malformed:
        raise
    except RecursionError as exc:
        raise Malformed(f"the JSON is nested more than {MAX_DEPTH} levels deep") from exc
    except (ValueError, UnicodeDecodeError) as exc:
        raise Malformed(f"this is no JSON: {exc}") from exc
    _check(value, 0)
    return value


def dump(value: Value) -> str:
    """Write a value as compact JSON; a `Number` is written with its own text.

    Member order is kept. Characters outside ASCII are written as they are.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_known)
    except _NumberFound:  # the quick way cannot write one
        return _dump(value)


class _NumberFound(Exception):
    pass


def _known(value: Value) -> object:
    """What the quick way does not know, as what it does."""
    if isinstance(value, Number):
        raise _NumberFound
    return dict(value) if isinstance(value, Mapping) else list(value)  # type: ignore[arg-type]


def _dump(value: Value) -> str:
    if isinstance(value, Number):
        return value.text
    if value is None or isinstance(value, (str, bool, int, float)):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_dump(str(k))}:{_dump(v)}" for k, v in value.items()) + "}"
    return "[" + ",".join(_dump(item) for item in value) + "]"


def plain(value: Value) -> object:
    """The value with Python numbers, for a JSON Schema validator; a float beyond range stays text."""
    if isinstance(value, Number):
        return _number(value.text)
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return value
    return [plain(item) for item in value]


def mapped(value: Value, of_text: Callable[[str], Value]) -> Value:
    """The value with something else for each of its strings; names of members stay."""
    if isinstance(value, str):
        return of_text(value)
    if isinstance(value, Mapping):
        return {name: mapped(item, of_text) for name, item in value.items()}
    return [mapped(item, of_text) for item in value] if isinstance(value, Sequence) else value


def pointer(*members: str) -> str:
    """The JSON pointer (RFC 6901) to a member; what is no character stands as its escape."""
    texts = (member.encode("utf-8", "backslashreplace").decode() for member in members)
    return "".join("/" + text.replace("~", "~0").replace("/", "~1") for text in texts)


def _number(text: str) -> int | float | str:
    if text.lstrip("-").isdigit():
        return int(text) if len(text) <= 4000 else text
    number = float(text)
    return text if number in (float("inf"), float("-inf")) else number


def _refuse_constant(name: str) -> Value:
    raise Malformed(f"{name} is no JSON value; write a number, or a string")


def _unique(pairs: list[tuple[str, Value]]) -> Value:
    members: dict[str, Value] = {}
    for name, value in pairs:
        if name in members:
            raise Malformed(f"the member {name!r} stands twice in one object; keep one of them")
        members[name] = value
    return members


def _check(value: Value, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"the JSON is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _check_text(name)
            _check(item, depth + 1)
    elif isinstance(value, Sequence):
        for item in value:
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise Malformed("a string holds a lone surrogate, which is no character; remove it") from exc
