"""Two containers change places under one name: the calls that a recreate and its heal are made of.

The journal is written before the engine is asked, so that a heal can tell after a crash between any two calls
which container is which.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from confd.actions.fidelity import Wanted
from confd.actions.followers import Succession
from confd.actions.gate import Gate
from confd.actions.stopping import Stop, stop
from confd.errors import ContainerGone, EngineRefused
from confd.model import EMPTY
from confd.ports import Clock, Inspect, Replacement, Replaces, Restarts, Signals, Target, Updates

__all__ = [
    "NEXT",
    "Able",
    "Exchange",
    "Note",
    "Swap",
    "drop",
    "end",
    "end_restarts",
    "give_policy",
    "look",
    "make_room",
    "put_back",
    "set_aside",
    "the_new",
    "the_old",
]

NEXT = ".confd-next"
_OLD = ".confd-old"
_NO: Mapping[str, Any] = {"Name": "no", "MaximumRetryCount": 0}


class Able(Target, Replaces, Restarts, Updates, Signals, Protocol):
    """What a target has to be able to."""


@dataclass(frozen=True, slots=True)
class Swap:
    """How the old one is stopped, the new one is watched, and who hears of it.

    `check` is asked last, before anything is stopped; what it raises takes the new one away again. `leaving` is
    called with a container that ran before it is removed, and never raises. `made` hears of the new one and its
    create body. `journal` writes down how far it came.
    `follow` has those that live in the old one's namespaces made anew after the new one is good; `rejoin` those
    that it had before the old one was started again.
    """

    stop: Stop = field(default_factory=Stop)
    gate: Gate = field(default_factory=Gate)
    start_first: bool = False
    keep_failed: bool = False
    keep_writable: bool = False
    check: Callable[[], None] = lambda: None
    leaving: Callable[[str], None] = lambda container: None
    journal: Callable[[Mapping[str, Any]], None] = lambda note: None
    made: Callable[[str, Mapping[str, Any]], None] = lambda container, config: None
    follow: Callable[[Succession], None] = lambda gone: None
    rejoin: Callable[[Inspect], None] = lambda leader: None


@dataclass(frozen=True, slots=True)
class Note:
    """What the journal says: the name, whether the old one ran, its restart policy and the one that is due.

    `rebuild` is what an old one that the engine removes at its end is made from, should it come to that; `back`
    the container that was.
    """

    name: str
    running: bool
    policy: Mapping[str, Any]
    due_policy: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    new: str | None = None
    rebuild: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    back: str | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Note:
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in document.items() if name in known})

    @property
    def document(self) -> Mapping[str, Any]:
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value not in (None, EMPTY)}


@dataclass(slots=True)
class Exchange:
    """One recreate on its way: `old` is the id of the container that had the name."""

    target: Able
    old: str
    note: Note
    swap: Swap
    clock: Clock

    def write(self, **more: Any) -> None:
        self.note = replace(self.note, **more)
        self.swap.journal({"recreate": self.note.document})


def look(target: Target, container: str) -> Inspect | None:
    try:
        return target.inspect(container)
    except ContainerGone:
        return None


def the_new(exchange: Exchange) -> Inspect | None:
    """The new container, by its id, or by its first name when the crash came before the id was noted."""
    return look(exchange.target, exchange.note.new or exchange.note.name + NEXT)


def the_old(exchange: Exchange) -> Inspect | None:
    """The old container, or the one that was made to be in its place again."""
    found = look(exchange.target, exchange.note.back or exchange.old)
    return found if found is not None or not exchange.note.rebuild else look(exchange.target, _aside(exchange))


def make_room(target: Able, name: str, wanted: Wanted) -> None:
    """Take a leftover of ours away; whoever else has the name keeps it. Raises `EngineRefused`."""
    left = look(target, name)
    if left is None:
        return
    if not wanted.labels.keys() <= (left["Config"].get("Labels") or {}).keys():
        raise EngineRefused(f"the container {name} is none of ours and in the way; rename or remove it")
    drop(target, str(left["Id"]))


def end_restarts(target: Able, container: str) -> None:
    """The engine refuses this between two lives of one that it starts over and over; the stop then ends that."""
    with contextlib.suppress(ContainerGone, EngineRefused):
        target.update(container, {"RestartPolicy": dict(_NO)})


def give_policy(exchange: Exchange, new: str) -> None:
    """The new one's own restart policy, where it was started without."""
    if exchange.note.due_policy:
        exchange.target.update(new, {"RestartPolicy": dict(exchange.note.due_policy)})


def set_aside(exchange: Exchange, new: str) -> None:
    """Give the old one's name to the new one."""
    target, name = exchange.target, exchange.note.name
    if look(target, exchange.old) is not None:
        aside = name + _OLD
        target.rename(exchange.old, aside if look(target, aside) is None else _aside(exchange))
    target.rename(new, name)


def end(exchange: Exchange, how: Stop | None = None) -> None:
    """Stop the old one where it runs, and remove it; one that is gone already is fine."""
    target = exchange.target
    with contextlib.suppress(ContainerGone):
        inspect = target.inspect(exchange.old)
        if inspect["State"].get("Running"):
            stop(target, inspect, how or Stop(), exchange.clock)
        target.remove(exchange.old)


def put_back(exchange: Exchange) -> str:
    """The old one under its name, with its restart policy, and running where it ran; the new one gone.

    The id of what has the name: another than the old one's where the engine had removed that.
    """
    target, note = exchange.target, exchange.note
    after = the_new(exchange)
    new = note.new or (str(after["Id"]) if after is not None else "")
    if new:
        drop(target, new)  # also one that is being removed: its name is not free before the end of that
    before = the_old(exchange) or _rebuild(exchange)
    if before is None:
        raise ContainerGone("the old container was removed meanwhile; looking again")
    container = str(before["Id"])
    if container not in (exchange.old, note.back):
        exchange.write(back=container)
    _name(exchange, before)
    if (before["HostConfig"].get("RestartPolicy") or {}) != note.policy:
        target.update(container, {"RestartPolicy": dict(note.policy)})
    if note.running and not before["State"].get("Running"):
        target.start(container)
        exchange.swap.rejoin(before)
    if container != exchange.old:
        gone = {"Id": exchange.old, "Name": f"/{note.name}"}
        exchange.swap.follow(Succession(gone, container, note.name))
    return container


def _name(exchange: Exchange, before: Inspect) -> None:
    """Give the old one its name back. Raises `EngineRefused` where somebody else has it."""
    name, has = exchange.note.name, str(before["Name"]).lstrip("/")
    if has == name:
        return
    if look(exchange.target, name) is not None:
        raise EngineRefused(
            f"somebody else made a container {name} meanwhile; the one that had the name is kept, "
            f"stopped, as {has}: look at it, then remove it"
        )
    exchange.target.rename(str(before["Id"]), name)


def _rebuild(exchange: Exchange) -> Inspect | None:
    """The old one made anew from what it was, where the engine has removed it at its end."""
    body = exchange.note.rebuild
    if not body:
        return None
    made = exchange.target.create(Replacement(_aside(exchange), body["config"], body["networks"]))
    return exchange.target.inspect(made)


def _aside(exchange: Exchange) -> str:
    """A name that nobody else has."""
    return f"{exchange.note.name}{_OLD}-{exchange.old[:12]}"


def drop(target: Able, container: str) -> None:
    """Kill and remove it; its engine starts it no more meanwhile."""
    end_restarts(target, container)
    with contextlib.suppress(ContainerGone):
        target.stop(container, 0)
    target.remove(container)
