"""What one pass works with: what its containers are due, by which rules, and what the world around lets it do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from confd.adoption import Adoption
from confd.agent.inventory import Place
from confd.agent.observe import Sight
from confd.keys import App
from confd.model import EMPTY, Binding, Hold, Problem, Reach, Rendered, Snapshot
from confd.ports import Inspect

__all__ = ["Pass", "Scene"]


@dataclass(frozen=True, slots=True)
class Scene:
    """What one pass brings its containers to, and by which rules; `problem`: the binding is none.

    `first` are the apps whose containers come before; `found` what references to containers stand for.
    """

    place: Place
    rendered: Rendered
    binding: Binding
    sight: Sight
    problem: Problem | None
    adoption: Adoption
    snapshot: Snapshot
    first: tuple[App, ...] = ()
    found: Mapping[str, str] = field(default_factory=lambda: EMPTY)


class Pass(Protocol):
    """What the world around a pass gives it."""

    def settings(self, place: Place) -> tuple[Snapshot, Sight] | None:
        """The snapshot and what to look with; None while nothing may be concluded. Raises `Unavailable`."""

    @property
    def doubt(self) -> object | None:
        """Why the store is in doubt: nothing may be written down then."""

    def held(self, place: Place) -> str:
        """Why this agent does nothing to the place's containers now, whatever the store says; empty: it may."""

    def holds(self, place: Place) -> tuple[Hold, ...]:
        """All that holds the place's containers at this moment."""

    def check(self, place: Place, reach: Reach, name: str) -> None:
        """Raises `Held` where a step that reaches so far may not be done now to the container of this name."""

    def heal(self, place: Place, inspects: Sequence[Inspect]) -> bool:
        """Finish or take back what a crash left behind; True when something was done."""

    def obstacles(self, inspect: Inspect, others: Sequence[Inspect]) -> tuple[str, ...]:
        """Why the container cannot be recreated without loss."""
