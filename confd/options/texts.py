"""Grammars: from a value to its one canonical JSON text, whatever way it is spelled."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from confd import jsontext
from confd.errors import Invalid
from confd.jsontext import Number, Value
from confd.options.option import Grammar

__all__ = [
    "TEXTS",
    "boolean",
    "clean_path",
    "duration",
    "flag",
    "integer",
    "items",
    "listed",
    "load",
    "matching",
    "pairs",
    "quoted_words",
    "refusal",
    "scalar",
    "size",
    "words",
]

TEXTS: Mapping[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
"""The schema of a text, or a list of texts."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|[kmgtp](?:i?b)?)?", re.IGNORECASE)
_SIZE_SCHEMA = r"^[0-9]+(\.[0-9]+)?([bB]|[kmgtpKMGTP]([iI]?[bB])?)?$"
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE_RULE = "a size like 512m, 0.5g or 536870912 (units b, k, m, g, t of 1024 each; also kb, kib, mb, mib ...)"
_TIME = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_TIME_PART = r"(\d{1,19}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)"
_POSITIONAL = {"command": "COMMAND", "image": "IMAGE"}


def flag(name: str) -> str:
    """What the option is called on a command line of `docker run`."""
    return _POSITIONAL.get(name, f"--{name}")


def refusal(name: str, rule: str) -> Invalid:
    """The error of an option's value that is not what the rule says; never the value."""
    return Invalid(f"run/{name} ({flag(name)}): expected {rule}", pointer=f"/run~1{name}")


def quoted_words(name: str, text: str, rule: str) -> list[str]:
    """The words between commas, each in double quotes where it has a comma itself. Raises `Invalid` by the rule."""
    try:
        return next(csv.reader([text]), [])
    except csv.Error as exc:  # a line end, or a quote that nothing ends
        raise refusal(name, rule) from exc


def scalar(value: Value) -> str | None:
    """The text of a string or number; `None` for all else."""
    if isinstance(value, (str, Number)):
        return str(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def load(text: str) -> Any:
    """The plain value of a canonical text."""
    return jsontext.plain(jsontext.parse(text))


def clean_path(path: str) -> str:
    """An absolute path as the engine keeps it: without what leads nowhere."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def size(minimum: int = 0, unlimited: bool = False) -> Grammar:
    """Bytes; `unlimited` takes -1 too."""

    def parse(name: str, value: Value) -> str:
        text = scalar(value) or ""
        if unlimited and text == "-1":
            return "-1"
        found = _SIZE.fullmatch(text)
        if found is None:
            raise refusal(
                name, _SIZE_RULE + (", or -1 for no limit" if unlimited else f", at least {_short(minimum)}")
            )
        number = int(Decimal(found[1]) * 1024 ** _POWERS[(found[2] or "b")[0].lower()])
        if number < minimum:
            raise refusal(name, f"at least {minimum} bytes ({_short(minimum)}), not {number}")
        if number >= 2**63:
            raise refusal(name, "less than 8 exbibytes")
        return str(number)

    allowed: list[dict[str, Any]] = [
        {"type": "number", "minimum": minimum},
        {"type": "string", "pattern": _SIZE_SCHEMA},
    ]
    return Grammar(parse, {"anyOf": [*allowed, *([{"enum": [-1, "-1"]}] if unlimited else [])]})


def _short(number: int) -> str:
    return f"{number // 1024 // 1024}m" if number % (1024 * 1024) == 0 else f"{number}b"


def duration(minimum_ms: int = 1) -> Grammar:
    """Nanoseconds."""

    def parse(name: str, value: Value) -> str:
        text = scalar(value) or ""
        if re.fullmatch(f"(?:{_TIME_PART})+", text) is None:
            raise refusal(name, "a duration like 30s, 1m30s or 500ms (units h, m, s, ms, us, ns)")
        number = int(sum(Decimal(digits) * _TIME[unit] for digits, unit in re.findall(_TIME_PART, text)))
        if number < minimum_ms * 10**6:
            raise refusal(name, f"a duration of at least {minimum_ms}ms")
        if number >= 2**63:
            raise refusal(name, "a duration of less than 292 years")
        return str(number)

    return Grammar(parse, {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$"})


def items(name: str, value: Value, rule: str) -> list[str]:
    """The texts of a list, or of one text alone. Raises `Invalid` for anything else."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Sequence) or not all(isinstance(item, str) for item in given):
        raise refusal(name, rule)
    return [str(item) for item in given]


def integer(low: int, high: int) -> Grammar:
    def parse(name: str, value: Value) -> str:
        text = scalar(value) or ""
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise refusal(name, f"a whole number from {low} to {high}")
        return str(int(text))

    number = {"type": "integer", "minimum": low, "maximum": high}
    return Grammar(parse, {"anyOf": [number, {"type": "string", "pattern": "^-?[0-9]{1,18}$"}]})


def _boolean(name: str, value: Value) -> str:
    if value in (True, "true"):
        return "true"
    if value in (False, "false"):
        return "false"
    raise refusal(name, "true or false")


boolean = Grammar(_boolean, {"enum": [True, False, "true", "false"]})


def matching(pattern: str, rule: str, change: Callable[[str], str] = str) -> Grammar:
    """Text that matches the whole pattern, as it stands or changed."""

    def parse(name: str, value: Value) -> str:
        text = scalar(value)
        if text is None or not re.fullmatch(pattern, text):
            raise refusal(name, rule)
        return jsontext.dump(change(text))

    return Grammar(parse, {"anyOf": [{"type": "string", "pattern": f"^(?:{pattern})$"}, {"type": "number"}]})


def listed(pattern: str, rule: str, change: Callable[[str], str] = str) -> Grammar:
    """A list of words (one word or a comma-separated string is a list too), in its order, each once."""

    def parse(name: str, value: Value) -> str:
        items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
        if not isinstance(items, Sequence) or not all(
            isinstance(i, str) and re.fullmatch(pattern, i) for i in items
        ):
            raise refusal(name, rule)
        return jsontext.dump(list(dict.fromkeys(change(str(item)) for item in items)))

    words = {"type": "array", "items": {"type": "string", "pattern": f"^(?:{pattern})$"}}
    return Grammar(parse, {"anyOf": [words, {"type": "string"}]})


def words(pattern: str, rule: str, change: Callable[[str], str] = str) -> Grammar:
    """A list of words of which the order means nothing: sorted."""
    of_list = listed(pattern, rule, change)

    def parse(name: str, value: Value) -> str:
        return jsontext.dump(sorted(load(of_list.parse(name, value))))

    return Grammar(parse, of_list.schema)


def pairs(rule: str, names: str = r"[\s\S]+") -> Grammar:
    """An object of names, which match the pattern, and scalars, or a list of NAME=VALUE."""

    def parse(name: str, value: Value) -> str:
        given = [value] if isinstance(value, str) else value
        if isinstance(given, Mapping):
            found = [(str(k), str(v).lower() if isinstance(v, bool) else scalar(v)) for k, v in given.items()]
        elif isinstance(given, Sequence) and all(isinstance(i, str) and "=" in i for i in given):
            found = [(k, v) for k, _, v in (str(i).partition("=") for i in given)]
        else:
            raise refusal(name, rule)
        if any(text is None or not re.fullmatch(names, key) for key, text in found):
            raise refusal(name, rule)
        return jsontext.dump({key: text for key, text in sorted(found)})

    item = {"type": "string", "pattern": "="}
    members = {
        "type": "object",
        "propertyNames": {"pattern": f"^(?:{names})$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    }
    return Grammar(parse, {"anyOf": [members, item, {"type": "array", "items": item}]})
