"""Whether a container that was just started is good: it runs, and is healthy where it has a health check."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from confd.errors import ContainerGone, StartFailed
from confd.ports import Clock, Inspect, Replaces, Target

__all__ = ["LOG_LINES", "MONITOR_S", "Gate", "check_health", "last_words", "stays_good"]

MONITOR_S = 5.0
"""How long a new container is watched where neither binding nor host say."""

TIMEOUT_S = 60.0

LOG_LINES = 50
_STEP_S, _LONG_STEP_S = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class Gate:
    """It has to be good for `monitor_s` without a break, before `timeout_s` is over. `whom` is told to people."""

    monitor_s: float = MONITOR_S
    timeout_s: float = TIMEOUT_S
    whom: str = "the new container"


class _Able(Target, Replaces, Protocol):
    pass


def check_health(target: _Able, container: str, gate: Gate, clock: Clock, restarts: int = 0) -> None:
    """Wait until it is good. Raises `StartFailed` with its last lines, and `ContainerGone`.

    `restarts` is how often the engine may have started it again by now.
    """
    never, began, step_s = threading.Event(), clock.now(), _STEP_S
    deadline, good_since = began + max(gate.timeout_s, gate.monitor_s), None
    while True:
        seen, now = target.inspect(container), clock.now()
        why = _failure(seen, restarts)
        if why:
            log = target.logs(container, LOG_LINES)
            raise StartFailed(f"{gate.whom} {why}{last_words(log)}", log=log)
        good_since = (good_since if good_since is not None else now) if _is_good(seen) else None
        if good_since is not None and now >= good_since + gate.monitor_s:
            return
        if now >= deadline:
            log = target.logs(container, LOG_LINES)
            raise StartFailed(f"{gate.whom} is not healthy after {gate.timeout_s:g} s{_said(seen)}", log=log)
        due = deadline if good_since is None else min(deadline, good_since + gate.monitor_s)
        clock.wait(never, max(min(step_s, due - now), 0.001))
        step_s = min(step_s * 1.5, _LONG_STEP_S)


def last_words(log: str) -> str:
    """The end of an output, for people."""
    last = log.strip().rpartition("\n")[2][:200]
    return f", its last words: {last}" if last else ""


def stays_good(target: _Able, container: str, gate: Gate, clock: Clock) -> bool:
    """Whether it is, and stays, good; one that ends and is started again by the engine does not."""
    try:
        check_health(target, container, gate, clock)
    except (StartFailed, ContainerGone):
        return False
    return True


def _end(seen: Inspect) -> str:
    """How it ended, for people."""
    state = seen["State"]
    killed = ", killed for its memory" if state.get("OOMKilled") else ""
    return f"ended with {state.get('ExitCode')}{killed}"


def _failure(seen: Inspect, restarts: int) -> str:
    """Why it cannot become good any more, or empty."""
    state = seen["State"]
    if not state.get("Running") or state.get("Restarting") or (seen.get("RestartCount") or 0) > restarts:
        return _end(seen)
    if _health(seen).get("Status") == "unhealthy":
        return f"is unhealthy{_said(seen)}"
    return ""


def _is_good(seen: Inspect) -> bool:
    return _health(seen).get("Status") in (None, "", "none", "healthy")


def _health(seen: Inspect) -> Mapping[str, Any]:
    return seen["State"].get("Health") or {}


def _said(seen: Inspect) -> str:
    """What its health check said last."""
    probes = _health(seen).get("Log") or ()
    if not probes:
        return ""
    output = " ".join(str(probes[-1].get("Output") or "").split())[-200:]
    return f"; its health check ended with {probes[-1].get('ExitCode')}" + (f": {output}" if output else "")
