"""A new process in the same container."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from confd.actions.gate import Gate, check_health
from confd.actions.stopping import Stop, ask_to_end
from confd.errors import StartFailed
from confd.model import Reach
from confd.ports import Clock, Inspect, Replaces, Restarts, Signals, Target

__all__ = ["NAME", "REACH", "REQUIRES", "apply"]

NAME = "restart"
REACH = Reach.NEW_PROCESS
REQUIRES = (Restarts, Replaces, Signals)


class _Able(Target, Restarts, Replaces, Signals, Protocol):
    pass


def apply(target: _Able, inspect: Inspect, how: Stop, gate: Gate, clock: Clock) -> None:
    """Raises `StartFailed` with the last lines of its output where it is not good afterwards.

    With a signal of the binding it is down for a moment in which a crash would leave it so: see that it is noted.
    """
    container, restarts = str(inspect["Id"]), 0
    if how.signal:
        ask_to_end(target, inspect, how, clock)
        seen = target.inspect(container)
        if _is_new(seen, inspect):  # its restart policy was quicker
            restarts = int(seen["RestartCount"])
        else:
            target.restart(container, 0)
    else:
        target.restart(container, how.timeout_s)
    try:
        check_health(target, container, replace(gate, whom="it"), clock, restarts)
    except StartFailed as error:
        raise StartFailed(f"after the restart {error.detail}", log=error.log) from error


def _is_new(seen: Inspect, before: Inspect) -> bool:
    state = seen["State"]
    return bool(state.get("Running")) and state.get("StartedAt") != before["State"].get("StartedAt")
