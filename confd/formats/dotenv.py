"""The .env files: the dialect of dotenv and Compose readers (`env`), and that of `docker run --env-file`.

`env` knows quotes, escapes in double quotes, comments and `export`; nothing is interpolated, so a `$` stays a
`$`. `docker` takes everything behind the first `=` as it is. Values are strings. A name that stands twice has its
last value, and docker's name without `=` is left out; `warnings` and `warnings_docker` tell of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import Value

__all__ = [
    "DOCKER",
    "NAME",
    "Line",
    "dump",
    "dump_docker",
    "last",
    "lines",
    "load",
    "load_docker",
    "told",
    "warnings",
    "warnings_docker",
]

NAME = "env"
DOCKER = "docker-env"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*|[0-9][A-Za-z0-9_./-]*")
_START = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[^\s=#'\"]+)[ \t]*=[ \t]*")
_DOUBLE = re.compile(r'"(?P<body>(?:[^"\\]|\\.)*)"', re.DOTALL)
_SINGLE = re.compile(r"'(?P<body>(?:[^'\\]|\\.)*)'", re.DOTALL)
_REST = re.compile(r"[ \t]*(#[^\n]*)?(?:\n|\Z)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "b": "\b", "v": "\v", "a": "\a", '"': '"', "\\": "\\"}
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+=-]+")


Line = tuple[int, str, str | None]
"""A line's number, its name and its value; None where the name stands alone."""

Expand = Callable[[int, str, str], str]


def load(text: str) -> list[tuple[str, Value]]:
    """Names and values of the dotenv dialect. Raises `Malformed` with the line's number; never half a file."""
    return last(lines(text))


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load` does."""
    return told(lines(text))


def lines(text: str, expand: Expand | None = None) -> Iterator[Line]:
    """The lines of the dotenv dialect, one by one. Raises `Malformed` with the line's number.

    `expand` is given what may hold references: line, name and a value in no quotes or in double ones, in which an
    escaped dollar sign stands doubled.
    """
    text = _clean(text)
    at, line, counted = 0, 1, 0
    while at < len(text):
        blank = _REST.match(text, at)
        if blank is not None:
            at = max(blank.end(), at + 1)
            continue
        line, counted = line + text.count("\n", counted, at), at
        start = _START.match(text, at)
        if start is None or not _NAME.fullmatch(start["name"]):
            raise Malformed(f"line {line}: expected NAME=VALUE, a comment or nothing")
        value, at, literal = _value(text, start.end(), start["name"], "$$" if expand else "$")
        yield line, start["name"], value if literal or expand is None else expand(line, start["name"], value)


def _value(text: str, at: int, name: str, dollar: str) -> tuple[str, int, bool]:
    """The value, where the next line begins, and whether it stands in single quotes."""
    quote = text[at : at + 1]
    if quote not in ("'", '"'):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        raw = text[at:end]
        raw = "" if raw.startswith("#") and text[at - 1] in " \t" else re.split(r"[ \t]#", raw, maxsplit=1)[0]
        return raw.rstrip(" \t"), end + 1, False
    quoted = (_DOUBLE if quote == '"' else _SINGLE).match(text, at)
    rest = _REST.match(text, quoted.end()) if quoted else None
    if quoted is None or rest is None:
        raise Malformed(f"line {_line(text, at)}: the value of {name} has no closing {quote} where the line ends")
    if quote == "'":
        return re.sub(r"\\([\\'])", r"\1", quoted["body"]), max(rest.end(), at + 1), True
    return _unescape(quoted["body"], {**_ESCAPES, "$": dollar}), max(rest.end(), at + 1), False


def _unescape(body: str, escapes: Mapping[str, str]) -> str:
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[0]), body, flags=re.DOTALL)


def load_docker(text: str) -> list[tuple[str, Value]]:
    """Names and values of the docker dialect. Raises `Malformed` with the line's number.

    A line without `=` would take the caller's own variable: it is left out.
    """
    return last(_lines_docker(text))


def warnings_docker(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load_docker` does."""
    return told(_lines_docker(text))


def _lines_docker(text: str) -> Iterator[Line]:
    for number, line in enumerate(_clean(text).split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.lstrip()
        if not _NAME.fullmatch(name):
            raise Malformed(f"line {number}: expected NAME=VALUE with a variable's name, a comment or nothing")
        yield number, name, value if equals else None


def dump(values: Mapping[str, Value]) -> str:
    """The dotenv dialect: every string without NUL and with a name that a reader takes comes back unchanged."""
    return "".join(f"{_checked(name)}={_quote(_text(name, value))}\n" for name, value in values.items())


def dump_docker(values: Mapping[str, Value]) -> str:
    """The docker dialect. Raises `Invalid` for a value with a line end, which it cannot hold."""
    lines: list[str] = []
    for name, value in values.items():
        text = _text(name, value)
        if "\n" in text or "\r" in text:
            raise Invalid(f"{name} holds a line end, which docker's --env-file cannot carry; use the format {NAME}")
        lines.append(f"{_checked(name)}={text}\n")
    return "".join(lines)


def _quote(text: str) -> str:
    if not text or _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def _text(name: str, value: Value) -> str:
    text = value if isinstance(value, str) else jsontext.dump(value)
    if "\x00" in text:
        raise Invalid(f"{name} holds a NUL character, which a .env file cannot carry")
    return text


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Invalid(f"{name!r} cannot stand as a name in a .env file")
    return name


def _clean(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def last(found: Iterable[Line]) -> list[tuple[str, Value]]:
    """Each name once, at its first place, with its last value."""
    return list({name: value for _, name, value in found if value is not None}.items())


def told(found: Iterable[Line]) -> list[str]:
    """A sentence for each line that is left out or takes another one's place."""
    words: list[str] = []
    seen: dict[str, int] = {}
    for number, name, value in found:
        if value is None:
            words.append(f"line {number}: {name} has no = and is left out; variables of your own are never taken")
            continue
        if name in seen:
            words.append(f"line {number}: {name} stands again and takes the place of line {seen[name]}")
        seen[name] = number
    return words
