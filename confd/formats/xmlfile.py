"""XML files: the properties form of Java, and for import a plain tree of elements.

In the properties form an entry's key is a key as it stands. In any other document the root's name goes, elements
within elements are segments, and the text of the innermost is the value, blanks and all. Attributes, text beside
elements and two elements of one name are refused. So is every entity of the file's own, before anything is expanded
or fetched; nothing outside the file is ever read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.jsontext import MAX_DEPTH, Value

__all__ = ["NAME", "dump", "load"]

NAME = "xml"

_HEAD = """\
<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<!DOCTYPE properties SYSTEM "http://java.sun.com/dtd/properties.dtd">
"""
_ENTITY = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|(?P<entity>&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);))",
    re.DOTALL,
)
_UNHELD = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_KEY = {**_TEXT, **str.maketrans({'"': "&quot;", "\n": "&#10;", "\t": "&#9;"})}


def load(text: str) -> list[tuple[str, Value]]:
    """Keys and values. Raises `Malformed` with the line's number."""
    for found in _ENTITY.finditer(text):
        if found["entity"]:
            line = text.count("\n", 0, found.start()) + 1
            raise Malformed(
                f"line {line}: an entity of the file's own, which is never expanded; write the character"
            )
    return _Reader().read(text.removeprefix("\ufeff"))


@dataclass(slots=True)
class _Element:
    """An open element: its line, its key (None for a comment), its text, and the lines of what it holds."""

    line: int
    key: str | None
    text: list[str] = field(default_factory=list)
    members: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Reader:
    """What the parser calls. `properties` tells the form, which the root's name does."""

    parser: expat.XMLParserType = field(default_factory=expat.ParserCreate)
    elements: list[_Element] = field(default_factory=list)
    properties: bool = False
    found: list[tuple[str, Value]] = field(default_factory=list)

    def read(self, text: str) -> list[tuple[str, Value]]:
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declared
        self.parser.EntityDeclHandler = self._entity
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        try:
            self.parser.Parse(text, True)
        except expat.ExpatError as error:
            raise Malformed(f"line {error.lineno}: this is no XML: {expat.ErrorString(error.code)}") from error
        return self.found

    def _refused(self, words: str) -> Malformed:
        return Malformed(f"line {self.parser.CurrentLineNumber}: {words}")

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding and encoding.lower() not in ("utf-8", "us-ascii"):
            raise self._refused(f"the file says that it is in {encoding}; convert it, and what it says, to UTF-8")

    def _entity(self, name: str, *about: object) -> None:
        raise self._refused(f"the file declares the entity {name!r}; entities of its own are never expanded")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self.elements) > MAX_DEPTH:
            raise self._refused(f"nested more than {MAX_DEPTH} levels deep")
        if not self.elements:
            self.properties = name == "properties"
            key: str | None = ""
        else:
            key = self._entry(name, attributes) if self.properties else self._element(name)
        if attributes and not self.properties:
            raise self._refused(f"<{name}> has attributes, which have no place among keys and values")
        self.elements.append(_Element(self.parser.CurrentLineNumber, key))

    def _entry(self, name: str, attributes: Mapping[str, str]) -> str | None:
        if name == "comment" and len(self.elements) == 1:
            return None
        if name != "entry" or len(self.elements) > 1 or "key" not in attributes:
            raise self._refused(f"<{name}> stands where the properties form has <entry key=...> alone")
        return self._once(attributes["key"])

    def _element(self, name: str) -> str:
        self._once(name)
        folder = self.elements[-1].key
        return f"{folder}/{name}" if folder else name

    def _once(self, name: str) -> str:
        members = self.elements[-1].members
        if name in members:
            raise self._refused(f"{name!r} stands again, first in line {members[name]}; keep one of them")
        members[name] = self.parser.CurrentLineNumber
        return name

    def _data(self, data: str) -> None:
        self.elements[-1].text.append(data)

    def _end(self, name: str) -> None:
        element = self.elements.pop()
        text = "".join(element.text)
        if not self.elements or element.members:
            if text.strip(" \t\r\n"):
                raise Malformed(f"line {element.line}: <{name}> holds text that no element of its own has")
        elif element.key is not None:
            self.found.append((element.key, text))


def dump(values: Mapping[str, Value]) -> str:
    """The properties form; what is no string is its JSON text. Raises `Invalid` for what XML cannot hold."""
    entries = (
        f'<entry key="{_held(key, key).translate(_KEY)}">{_text(key, value).translate(_TEXT)}</entry>\n'
        for key, value in values.items()
    )
    return f"{_HEAD}<properties>\n{''.join(entries)}</properties>\n"


def _text(key: str, value: Value) -> str:
    if value is None:
        raise Invalid(f"{key} is null, which the properties form of XML cannot carry; use the format json")
    return _held(key, value if isinstance(value, str) else jsontext.dump(value))


def _held(key: str, text: str) -> str:
    if _UNHELD.search(text):
        raise Invalid(f"{key} holds a control character, which XML cannot carry; use the format json")
    return text
