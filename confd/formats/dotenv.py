r"""`.env` files in two dialects, `dotenv` (the default) and `docker` (`docker run --env-file`).

dotenv: `export ` may lead; blanks around `=` and after an unquoted value are dropped, ` #` begins a comment.
Single quotes hold text as it is (`\'` is a quote); double quotes know `\n \r \t \\ \" \$`; both may span lines.
`${NAME}` and `${NAME:-text}` outside single quotes stand for a value above in the same file, never for one
of our own environment; a bare `$` is a dollar. docker: all after the first `=` is the value, byte for byte;
a name alone is passed over. In both the last of a repeated name wins, and line ends are read as `\n`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import Value
from confd.keys import show

__all__ = ["DIALECTS", "EXTENSIONS", "NAME", "dump", "load"]

NAME = "env"
EXTENSIONS = (".env",)
DIALECTS = ("dotenv", "docker")

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#.*)?$", re.MULTILINE)
_SINGLE = re.compile(r"'((?:\\'|[^'])*)'")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_TOKEN = re.compile(r"\\(?P<escape>.)|\$\{(?P<name>[A-Za-z_][\w.-]*)(?::-(?P<default>[^}]*))?\}", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")


def load(text: str, dialect: str = "dotenv") -> list[tuple[str, Value]]:
    """Read names and their text. Raises `Malformed` with the line; an unknown dialect as well."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        raise Malformed(f"line {_line(text, text.index(chr(0)))}: a NUL character; no variable can hold one")
    if dialect not in DIALECTS:
        raise Malformed(f"the dialect {show(dialect)} is unknown; known are: {', '.join(DIALECTS)}")
    found = _load_docker(text) if dialect == "docker" else _load_dotenv(text)
    return list(found.items())


def _load_docker(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.lstrip(" \t")
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not name or re.search(r"\s", name):
            raise Malformed(f"line {number}: {show(name)} is no name; write NAME=VALUE, the name without blanks")
        if equals:
            found.pop(name, None)
            found[name] = value
    return found


def _load_dotenv(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None:
            at = blank.end() + 1
            continue
        match = _ASSIGNMENT.match(text, at)
        if match is None:
            raise Malformed(f"line {_line(text, at)}: write NAME=VALUE, the name without blanks and quotes")
        value, end = _value(text, match.end(), found)
        found.pop(match.group(1), None)
        found[match.group(1)] = value
        at = end + 1
    return found


def _value(text: str, start: int, found: Mapping[str, str]) -> tuple[str, int]:
    """The value that begins at `start`, and where its last line ends."""
    line = _line(text, start)
    first = text[start : start + 1]
    if first not in ("'", '"'):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        after_blank = " " if text[start - 1] in " \t" else ""
        raw = re.split(r"[ \t]#", after_blank + text[start:end], maxsplit=1)[0].strip(" \t")
        return _expand(raw, found, line, escapes=False), end
    match = (_SINGLE if first == "'" else _DOUBLE).match(text, start)
    if match is None:
        raise Malformed(f"line {line}: the quote {first} is not closed")
    rest = _BLANK.match(text, match.end())
    if rest is None:
        raise Malformed(f"line {line}: there is text behind the closing quote {first}")
    if first == '"':
        return _expand(match.group(1), found, line, escapes=True), rest.end()
    if re.search(r"\\'[ \t]*(#.*)?(\n|$)", match.group(1)):
        raise Malformed(f"line {line}: a backslash before the closing quote; use double quotes and two backslashes")
    return match.group(1).replace("\\'", "'"), rest.end()


def _expand(raw: str, found: Mapping[str, str], line: int, *, escapes: bool) -> str:
    def replaced(match: re.Match[str]) -> str:
        char, name, default = match.group("escape", "name", "default")
        if char is not None:
            return _ESCAPES.get(char, match.group()) if escapes else match.group()
        if found.get(name) or (default is None and name in found):
            return found[name]
        if default is None:
            raise Malformed(
                f"line {line}: ${{{name}}} is not set above in this file; set it, or write the value in single quotes"
            )
        return default

    return _TOKEN.sub(replaced, raw)


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def dump(mapping: Mapping[str, Value]) -> str:
    """Write lines for the dotenv dialect, sorted; `null` is left out.

    Raises `Invalid` naming the keys that are no variable names, or whose text no variable can hold.
    """
    bad = [show(name) for name in sorted(mapping) if not _VARIABLE.fullmatch(name)]
    if bad:
        raise Invalid(f"{', '.join(bad)}: no variable name; use A-Z, a-z, 0-9 and _, not beginning with a digit")
    lines = []
    for name, value in sorted(mapping.items()):
        if value is None:
            continue
        text = value if isinstance(value, str) else jsontext.dump(value)
        if "\x00" in text:
            raise Invalid(f"{name}: holds a NUL character, which no variable can carry; remove it")
        lines.append(f"{name}={_quoted(text)}\n")
    return "".join(lines)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    written = {after: "\\" + before for before, after in _ESCAPES.items()}
    return '"' + "".join(written.get(char, char) for char in text) + '"'
