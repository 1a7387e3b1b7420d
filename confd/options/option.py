"""What is known of a run option: how it is written down, and where it stands in an engine's documents."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from confd.errors import Invalid
from confd.jsontext import Value

__all__ = ["OLDEST", "Grammar", "Option", "Place"]

OLDEST = "1.41"
"""The engine API that all options are taken from, where none says that it needs a newer one."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """`parse`: from an option's name and a value to the canonical JSON text. Raises `Invalid`, naming the option.

    `schema` is the JSON Schema of the values; it may take more than `parse` does, and never less.
    """

    parse: Callable[[str, Value], str]
    schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an option stands in a container's inspect and in the body of a create call.

    `read` gives the canonical text, `None` where it is the engine's default. `write` touches what is the
    option's own and nothing else; `unset` makes that what it is in a body that never had the option.
    A body has all its endpoints in NetworkingConfig, whatever the engine's create call takes at a time.
    """

    read: Callable[[Mapping[str, Any]], str | None]
    write: Callable[[dict[str, Any], str], None]
    unset: Callable[[dict[str, Any]], None]


def _nothing(text: str) -> Collection[str]:
    return ()


def _oldest(text: str) -> str:
    return OLDEST


@dataclass(frozen=True, slots=True)
class Option:
    """A run option.

    `examples` are values as settings have them, the first one without what it may need beside it.
    `live`: the engine changes it in place. `removal` is the text that takes it away in place, empty where the
    engine cannot: it answers 200 and changes nothing. `limit`: every host lets the store set it. `excludes` are
    the options that the engine refuses beside it: set over a container's own ones, it removes them; so do
    `displaces`, which depend on the text. `follows` are options whose place decides about this one's: where one
    of them changes, this one is written anew. `since` is the engine API that a text needs.
    """

    name: str
    doc: str
    grammar: Grammar
    place: Place
    examples: tuple[Value, ...] = ()
    live: bool = False
    limit: bool = False
    removal: str = ""
    excludes: tuple[str, ...] = ()
    displaces: Callable[[str], Collection[str]] = _nothing
    follows: tuple[str, ...] = ()
    since: Callable[[str], str] = _oldest

    def parse(self, value: Value) -> str:
        """The canonical JSON text. Raises `Invalid`."""
        return self.grammar.parse(self.name, value)

    @property
    def form(self) -> str:
        """What is accepted, in the words of the refusal; empty where nothing is refused."""
        try:
            self.parse(None)
        except Invalid as refused:
            return refused.detail.partition(": expected ")[2]
        return ""
