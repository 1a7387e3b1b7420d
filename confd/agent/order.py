"""Which place waits for which other one on this host, and what a container has to be before others follow it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from confd.agent.inventory import Place
from confd.model import Cause, ContainerPlan, Reach

__all__ = ["Waiting", "unsettled"]

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
