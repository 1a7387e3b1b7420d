"""One YAML 1.2 document as a JSON value: the core schema, a bound on what aliases stand for, nothing constructed.

A plain scalar is null, a boolean, or a number where JSON spells it so, which keeps its text; any other one is a
string with its own text (`NO`, `0755`, `0x1F`, `12:30`, `2024-01-02`). A name is a string, however it is spelled.
`<<` takes the members of other mappings in, as 1.1 has it, since files of Compose live by it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import yaml

from confd.errors import Malformed
from confd.formats.tree import NUMBER, whole
from confd.jsontext import MAX_DEPTH, Number, Value

__all__ = ["MAX_ALIASED", "document", "documents", "line_at"]

MAX_ALIASED = 10_000
"""Nodes that all aliases of a document may stand for."""

_TAG = "tag:yaml.org,2002:"
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")
T = TypeVar("T")
_NO_BREAK = re.compile("[\x85\u2028\u2029]")  # line ends in 1.1, and so for the library; characters in 1.2


def document(text: str) -> Value:
    """The document's value, None for a file without any. Raises `Malformed` with the line's number."""
    return _read(text, lambda reader: reader.document())


def documents(text: str) -> list[tuple[int, Value]]:
    """The values of all documents of a file with their places in it, without those that are empty.

    Raises `Malformed` with the line's number.
    """
    return [(place, value) for place, value in enumerate(_read(text, _Reader.documents)) if value is not None]


def line_at(text: str, place: int, members: Sequence[str]) -> int:
    """The line in which a member of a document stands, or what is nearest around it; of a file that was read."""
    node = list(yaml.compose_all(text.removeprefix("\ufeff"), Loader=yaml.BaseLoader))[place]
    line = node.start_mark.line + 1
    for member in members:
        if isinstance(node, yaml.MappingNode):
            found = [(key.start_mark, value) for key, value in node.value if key.value == member]
        else:
            items = node.value if isinstance(node, yaml.SequenceNode) else []
            found = [(item.start_mark, item) for index, item in enumerate(items) if str(index) == member]
        if not found:
            break
        mark, node = found[0]
        line = mark.line + 1
    return line


def _read(text: str, read: Callable[[_Reader], T]) -> T:
    text = text.removeprefix("\ufeff")
    if odd := _NO_BREAK.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        raise Malformed(f"line {line}: U+{ord(odd[0]):04X} stands here; write it as an escape in double quotes")
    try:
        return read(_Reader(yaml.parse(text, Loader=yaml.BaseLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Malformed(f"line {mark.line + 1 if mark else 1}: this is no YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Malformed(f"line {line}: U+{ord(text[error.position]):04X} may not stand in YAML") from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


@dataclass(slots=True)
class _Reader:
    """Makes values of the parser's events. `nodes` counts them, those that aliases stand for too."""

    events: Iterator[yaml.Event]
    anchors: dict[str, tuple[Value, int] | None] = field(default_factory=dict)
    nodes: int = 0
    aliased: int = 0

    def document(self) -> Value:
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        value = self._node(next(self.events), 0)
        next(self.events)
        after = next(self.events)
        if not isinstance(after, yaml.StreamEndEvent):
            raise Malformed(f"line {_line(after)}: a second document begins; import one at a time")
        return value

    def documents(self) -> list[Value]:
        next(self.events)
        values: list[Value] = []
        while not isinstance(next(self.events), yaml.StreamEndEvent):
            self.anchors.clear()
            values.append(self._node(next(self.events), 0))
            next(self.events)
        return values

    def _node(self, event: yaml.Event, depth: int) -> Value:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise Malformed(f"line {_line(event)}: nested more than {MAX_DEPTH} levels deep")
        assert isinstance(event, yaml.NodeEvent)  # noqa: S101 - the parser's grammar
        begun, self.nodes = self.nodes, self.nodes + 1
        if event.anchor:
            self.anchors[event.anchor] = None
        value = self._value(event, depth)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.nodes - begun)
        return value

    def _alias(self, event: yaml.AliasEvent) -> Value:
        known = self.anchors.get(str(event.anchor))
        if known is None:
            where = "within itself" if event.anchor in self.anchors else "nowhere above"
            raise Malformed(f"line {_line(event)}: *{event.anchor} stands for what is anchored {where}")
        value, size = known
        self.nodes += size
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            raise Malformed(
                f"line {_line(event)}: aliases stand for more than {MAX_ALIASED} values; write them out"
            )
        return value

    def _value(self, event: yaml.NodeEvent, depth: int) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            _check_tag(event, event.tag, "seq")
            items: list[Value] = []
            while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
                items.append(self._node(item, depth + 1))
            return items
        assert isinstance(event, yaml.MappingStartEvent)  # noqa: S101 - the parser's grammar
        _check_tag(event, event.tag, "map")
        return self._mapping(depth)

    def _mapping(self, depth: int) -> Mapping[str, Value]:
        members: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        lines: dict[str, int] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            name, line = _name(key), _line(key)
            if name in lines:
                raise Malformed(
                    f"line {line}: {name!r} stands again, first in line {lines[name]}; keep one of them"
                )
            lines[name] = line
            value = self._node(next(self.events), depth + 1)
            if name == "<<" and isinstance(key, yaml.ScalarEvent) and key.implicit[0]:
                merged = _merged(value, line)
            else:
                members[name] = value
        return {**merged, **members}


def _check_tag(event: yaml.Event, tag: str | None, own: str) -> None:
    if tag not in (None, "!", _TAG + own):
        raise Malformed(f"line {_line(event)}: the tag {tag} is not known here; take it away")


def _name(event: yaml.Event) -> str:
    if not isinstance(event, yaml.ScalarEvent):
        raise Malformed(f"line {_line(event)}: a name must be a text")
    return _text(event)


def _text(event: yaml.ScalarEvent) -> str:
    _check_tag(event, event.tag, "str")
    text = whole(event.value)
    if text is None:
        raise Malformed(f"line {_line(event)}: a lone surrogate, which is no character; remove it")
    return text


def _scalar(event: yaml.ScalarEvent) -> Value:
    text = _text(event)
    if not event.implicit[0] or event.tag is not None:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return Number(text) if NUMBER.fullmatch(text) else text


def _merged(value: Value, line: int) -> dict[str, Value]:
    """The members of one mapping, or of several, of which the first wins."""
    found: dict[str, Value] = {}
    for one in reversed(value) if isinstance(value, list) else (value,):
        if not isinstance(one, Mapping):
            raise Malformed(f"line {line}: << takes a mapping, or a list of them; quote it where it is a name")
        found.update(one)
    return found
