"""A new process in the same container."""

from __future__ import annotations

from typing import Protocol

from confd.errors import StartFailed
from confd.model import Reach
from confd.ports import Inspect, Replaces, Restarts, Target

__all__ = ["NAME", "REACH", "REQUIRES", "apply"]

NAME = "restart"
REACH = Reach.NEW_PROCESS
REQUIRES = (Restarts, Replaces)


class _Able(Target, Restarts, Replaces, Protocol):
    pass


def apply(target: _Able, inspect: Inspect, stop_timeout_s: float | None) -> None:
    """Raises `StartFailed` with the last lines of its output where it does not stay up."""
    container = str(inspect["Id"])
    target.restart(container, stop_timeout_s)
    state = target.inspect(container)["State"]
    if not (state.get("Running") or state.get("Restarting")):
        raise StartFailed(
            f"it ended with {state.get('ExitCode')} after the restart", log=target.logs(container, 50)
        )
