"""What is known of a run option: how it is written down, and where it stands in an engine's documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confd.errors import Invalid
from confd.jsontext import Value

__all__ = ["Grammar", "Option", "Place"]

Grammar = Callable[[str, Value], str]
"""From an option's name and a value to the canonical JSON text. Raises `Invalid`, which names the option."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an option stands in a container's inspect and in the body of a create call.

    `read` gives the canonical text, `None` where it is the engine's default. `write` touches what is the
    option's own and nothing else; `unset` makes that what it is in a body that never had the option.
    """

    read: Callable[[Mapping[str, Any]], str | None]
    write: Callable[[dict[str, Any], str], None]
    unset: Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Option:
    """A run option.

    `live`: the engine changes it in place. `removal` is the text that takes it away in place, empty where the
    engine cannot: it answers 200 and changes nothing. `limit`: every host lets the store set it. `excludes` are
    the options that the engine refuses beside it: set over a container's own ones, it removes them.
    """

    name: str
    doc: str
    grammar: Grammar
    place: Place
    live: bool = False
    limit: bool = False
    removal: str = ""
    excludes: tuple[str, ...] = ()

    def parse(self, value: Value) -> str:
        """The canonical JSON text. Raises `Invalid`."""
        return self.grammar(self.name, value)

    @property
    def form(self) -> str:
        """What is accepted, in the words of the refusal; empty where nothing is refused."""
        try:
            self.parse(None)
        except Invalid as refused:
            return refused.detail.partition(": expected ")[2]
        return ""
