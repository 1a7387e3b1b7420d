"""A new container in place of the old one, which stays until the new one runs and comes back when it does not.

    create NEXT beside it -> keep the old one from restarting -> stop it -> rename it aside -> give its name away
    -> start -> stays up? -> remove the old one

The journal is written before the engine is asked, so that `heal` can tell after a crash between any two calls
which container is which: exactly one runs afterwards.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from confd.actions.fidelity import Wanted, followers_of, replacement_of
from confd.errors import ConfdError, ContainerGone, EngineRefused, StartFailed
from confd.keys import Container
from confd.model import Reach
from confd.ports import Clock, Inspect, Replaces, Restarts, Target, Updates

__all__ = ["NAME", "REACH", "REQUIRES", "Healed", "Swap", "apply", "heal"]

NAME = "recreate"
REACH = Reach.NEW_CONTAINER
REQUIRES = (Replaces, Restarts, Updates)

MONITOR_S = 1.0
"""How long a new container has to stay up before the old one goes."""

STEP_S = 0.05
LOG_LINES = 50
_NEXT, _OLD = ".confd-next", ".confd-old"
_NO = {"Name": "no", "MaximumRetryCount": 0}

Journal = Callable[[Mapping[str, Any]], None]


class _Able(Target, Replaces, Restarts, Updates, Protocol):
    pass


@dataclass(frozen=True, slots=True)
class Swap:
    """How the old one is stopped, and how long the new one is watched. Seconds; None: the container's own.

    `check` is asked last, before anything is stopped; what it raises takes the new one away again. `leaving` is
    called with a container that ran before it is removed, and never raises.
    """

    stop_timeout_s: float | None = None
    monitor_s: float = MONITOR_S
    check: Callable[[], None] = lambda: None
    leaving: Callable[[str], None] = lambda container: None


_SWAP = Swap()


@dataclass(frozen=True, slots=True)
class Healed:
    """Which container has the name after a heal: the successor, or the old one put back; None: neither is left."""

    container: Container | None


def apply(  # noqa: PLR0913, PLR0917 - each is one thing that a swap needs
    target: _Able, inspect: Inspect, wanted: Wanted, swap: Swap, clock: Clock, journal: Journal
) -> Container:
    """The new container's id. Raises `StartFailed` or `EngineRefused` with the old one back in its place.

    What the create call refuses is found before anything is stopped. Raises `EngineUnavailable` in the middle;
    `heal` then goes on from the journal.
    """
    old, name = str(inspect["Id"]), str(inspect["Name"]).lstrip("/")
    followers = followers_of(inspect, target.containers(""))
    if followers:
        raise EngineRefused(f"{', '.join(followers)} shares its namespaces and would lose them; remove that first")
    running = bool(inspect["State"].get("Running"))
    policy = dict(inspect["HostConfig"].get("RestartPolicy") or _NO)
    note: dict[str, Any] = {"recreate": {"name": name, "running": running, "policy": policy}}
    journal(note)
    _make_room(target, name + _NEXT, wanted)
    new = target.create(replacement_of(inspect, name + _NEXT, wanted))
    note["recreate"]["new"] = new
    journal(note)
    try:
        swap.check()
    except ConfdError:
        target.remove(new)
        raise
    try:
        _swap(target, old, new, name, swap)
        if running:
            _watch(target, new, swap.monitor_s, clock)
    except EngineRefused as error:
        log = error.log if isinstance(error, StartFailed) else ""
        if log:  # else there is nothing to be read, and the old one is waited for
            swap.leaving(new)
        _put_back(target, old, new, note["recreate"])
        raise StartFailed(f"{error.detail}; the old container is back", log=log) from error
    except ContainerGone:
        _put_back(target, old, new, note["recreate"])
        raise
    swap.leaving(old)
    _remove_old(target, old)
    return new


def heal(target: _Able, old: str, note: Mapping[str, Any], clock: Clock, swap: Swap = _SWAP) -> Healed:
    """Finish or take back what a crash left behind, any number of times. `note` is the journal's `recreate`."""
    name = str(note["name"])
    before, after = _look(target, old), _next(target, note)
    if after is None:
        if before is None:
            return Healed(None)
        _put_back(target, old, note.get("new"), note)
        return Healed(Container(old))
    new = str(after["Id"])
    named = str(after["Name"]).lstrip("/") == name
    if before is None:
        if not named:
            target.remove(old)  # the name is not free before the end of its removal
            target.rename(new, name)
        if note["running"]:
            target.start(new)
        return Healed(Container(new))
    if named and (not note["running"] or _stays_up(target, new, swap.monitor_s, clock)):
        swap.leaving(old)
        _end(target, before)
        return Healed(Container(new))
    if named:
        swap.leaving(new)
    _put_back(target, old, new, note)
    return Healed(Container(old))


def _make_room(target: _Able, name: str, wanted: Wanted) -> None:
    """Take a leftover of ours away; whoever else has the name keeps it. Raises `EngineRefused`."""
    left = _look(target, name)
    if left is None:
        return
    if not wanted.labels.keys() <= (left["Config"].get("Labels") or {}).keys():
        raise EngineRefused(f"the container {name} is none of ours and in the way; rename or remove it")
    target.remove(str(left["Id"]))


def _swap(target: _Able, old: str, new: str, name: str, swap: Swap) -> None:
    _end_restarts(target, old)
    target.stop(old, swap.stop_timeout_s)
    aside = name + _OLD
    target.rename(old, aside if _look(target, aside) is None else f"{aside}-{old[:12]}")
    target.rename(new, name)


def _watch(target: _Able, new: str, monitor_s: float, clock: Clock) -> None:
    """Start it and see that it stays up. Raises `StartFailed` with the last lines of its output."""
    try:
        target.start(new)
    except EngineRefused as error:
        raise StartFailed(error.detail, log=target.logs(new, LOG_LINES)) from error
    _stay(target, new, monitor_s, clock)


def _stay(target: _Able, new: str, monitor_s: float, clock: Clock) -> None:
    never, until = threading.Event(), clock.now() + monitor_s
    while True:
        seen = target.inspect(new)
        state = seen["State"]
        if not state.get("Running") or state.get("Restarting") or seen.get("RestartCount"):
            log = target.logs(new, LOG_LINES)
            last = log.strip().rpartition("\n")[2][:200]
            said = f", its last words: {last}" if last else ""
            raise StartFailed(f"the new container ended with {state.get('ExitCode')}{said}", log=log)
        if clock.now() >= until:
            return
        clock.wait(never, STEP_S)


def _stays_up(target: _Able, new: str, monitor_s: float, clock: Clock) -> bool:
    """Whether it runs and goes on running; one that ends and is started again by the engine does not."""
    try:
        _stay(target, new, monitor_s, clock)
    except (StartFailed, ContainerGone):
        return False
    return True


def _remove_old(target: _Able, old: str) -> None:
    """Remove the stopped one; where somebody has started it again meanwhile, it ends now."""
    try:
        target.remove(old)
    except EngineRefused:
        before = _look(target, old)
        if before is not None:
            _end(target, before)


def _put_back(target: _Able, old: str, new: str | None, note: Mapping[str, Any]) -> None:
    """The old one under its name, with its restart policy, and running where it ran; the new one gone."""
    if new is not None:
        _drop(target, new)
    before = _look(target, old)
    if before is None:
        raise ContainerGone("the old container was removed meanwhile; looking again")
    aside = str(before["Name"]).lstrip("/")
    if aside != note["name"]:
        holder = _look(target, str(note["name"]))
        if holder is not None:
            raise EngineRefused(
                f"somebody else made a container {note['name']} meanwhile; the one that had the name is kept, "
                f"stopped, as {aside}: look at it, then remove it"
            )
        target.rename(old, note["name"])
    if (before["HostConfig"].get("RestartPolicy") or {}) != note["policy"]:
        target.update(old, {"RestartPolicy": note["policy"]})
    if note["running"] and not before["State"].get("Running"):
        target.start(old)


def _drop(target: _Able, container: str) -> None:
    _end_restarts(target, container)
    with contextlib.suppress(ContainerGone):
        target.stop(container, 0)
    target.remove(container)


def _end_restarts(target: _Able, container: str) -> None:
    """The engine refuses this between two lives of one that it starts over and over; the stop then ends that."""
    with contextlib.suppress(ContainerGone, EngineRefused):
        target.update(container, {"RestartPolicy": _NO})


def _end(target: _Able, before: Inspect) -> None:
    if before["State"].get("Running"):
        target.stop(str(before["Id"]), None)
    target.remove(str(before["Id"]))


def _look(target: _Able, container: str) -> Inspect | None:
    try:
        return target.inspect(container)
    except ContainerGone:
        return None


def _next(target: _Able, note: Mapping[str, Any]) -> Inspect | None:
    """The new container, by its id, or by its first name when the crash came before the id was noted."""
    return _look(target, str(note.get("new") or str(note["name"]) + _NEXT))
