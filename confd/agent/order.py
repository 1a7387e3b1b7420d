"""Which places wait for others on this host or refer to what is not theirs, and what those have to be first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Set
from typing import Any

from confd.agent.inventory import Place
from confd.keys import DEFAULT, App
from confd.model import EMPTY, Cause, ContainerPlan, Reach
from confd.references import Stamps

__all__ = ["Linked", "Mentions", "Waiting", "unsettled"]

_ENDS = (Cause.HELD, Cause.STOPPED, Cause.FAILED, Cause.WINDOW)
"""Causes that pass: what a rule bars, nobody waits for."""

_DONE = {"restart": "restarted", "recreate": "recreated"}


class Waiting:
    """Who waits for whom. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for: dict[Place, Place] = {}

    def wait(self, place: Place, other: Place) -> None:
        with self._lock:
            self._for[place] = other

    def stop(self, place: Place) -> None:
        with self._lock:
            self._for.pop(place, None)

    def whom(self, other: Place) -> list[Place]:
        """The places that wait for this one."""
        with self._lock:
            return sorted(place for place, one in self._for.items() if one == other)


class Mentions:
    """Which places' settings refer to which containers, by name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[Place, set[str]] = {}

    def note(self, place: Place, names: set[str]) -> None:
        with self._lock:
            if names:
                self._names[place] = names
            else:
                self._names.pop(place, None)

    def of(self, name: str) -> list[Place]:
        with self._lock:
            return sorted(place for place, names in self._names.items() if name in names)


class Linked:
    """What places' settings come to in other apps, when it was last noted. Thread-safe, since no note changes."""

    def __init__(self) -> None:
        self._stamps: dict[Place, Stamps] = {}

    def note(self, place: Place, stamps: Stamps) -> bool:
        """Whether it had been noted just so. A change that comes after the note is one to tell the place of."""
        known = self._stamps.get(place, EMPTY) == stamps
        self._stamps[place] = stamps
        return known

    def moved(self, place: Place, apps: Set[App], now: Callable[[], Stamps]) -> bool:
        """Whether something there was changed since, once one of these apps was."""
        noted = self._stamps.get(place, EMPTY)
        concerned = DEFAULT in apps or any(link.app in apps for link in noted)
        return bool(noted) and concerned and now() != noted


def unsettled(plan: ContainerPlan, state: Mapping[str, Any]) -> str:
    """Why those that follow the container have to wait for it; empty: it has all that it is due, and is healthy.

    `state` is that of its inspect.
    """
    for step in plan.steps:
        if step.reach < Reach.NEW_PROCESS:
            continue
        if step.blocked is None:
            return f"is to be {_DONE.get(step.action, step.action)} first"
        if step.cause in _ENDS:
            return f"comes first, and {step.blocked}"
    if not state.get("Running") or state.get("Restarting"):
        return "does not run"
    health = str((state.get("Health") or {}).get("Status") or "none")
    return "" if health in ("none", "healthy") else f"is {health}"
