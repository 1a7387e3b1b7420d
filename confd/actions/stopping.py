"""How a container is ended: its own stop signal and time, or those of the binding."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from confd.ports import Clock, Inspect, Restarts, Signals, Target

__all__ = ["Stop", "ask_to_end", "stop"]

GRACE_S = 10.0
"""What an engine grants a container that says nothing else."""

_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Stop:
    """`signal` and `timeout_s` of the binding; empty and None: the container's own."""

    signal: str = ""
    timeout_s: float | None = None


class _Able(Target, Signals, Restarts, Protocol):
    pass


def stop(target: _Able, inspect: Inspect, how: Stop, clock: Clock) -> None:
    """End it, killed when its time is over. One that the engine removes at its end is gone then."""
    container = str(inspect["Id"])
    if not how.signal:
        target.stop(container, _grace_s(inspect, how))
        return
    ask_to_end(target, target.inspect(container), how, clock)
    target.stop(container, 0)


def ask_to_end(target: _Able, inspect: Inspect, how: Stop, clock: Clock) -> None:
    """Send the signal, and wait until its process has ended or its time is over."""
    never, began, container = threading.Event(), clock.now(), str(inspect["Id"])
    if not inspect["State"].get("Running"):
        return
    target.signal(container, how.signal)
    while True:
        state = target.inspect(container)["State"]
        ended = not state.get("Running") or state.get("StartedAt") != inspect["State"].get("StartedAt")
        if ended or clock.now() >= began + _grace_s(inspect, how):
            return
        clock.wait(never, _STEP_S)


def _grace_s(inspect: Inspect, how: Stop) -> float:
    if how.timeout_s is not None:
        return how.timeout_s
    own = inspect["Config"].get("StopTimeout")
    return GRACE_S if own is None else float(own)
