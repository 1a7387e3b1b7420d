"""What a crash between any two calls of a recreate left behind: finished or taken back, from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confd.actions.followers import Succession
from confd.actions.gate import stays_good
from confd.actions.stopping import stop
from confd.actions.swap import Able, Exchange, Note, Swap, drop, end, give_policy, look, put_back, the_new, the_old
from confd.errors import EngineRefused
from confd.keys import Container
from confd.ports import Clock, Inspect

__all__ = ["Healed", "heal"]


@dataclass(frozen=True, slots=True)
class Healed:
    """Which container is left of the two after a heal; None: none is. `taken_back`: it is as it was before.

    `given_up` says why it came to nothing, where somebody else has made a container of the name.
    """

    container: Container | None
    taken_back: bool = False
    given_up: str = ""


def heal(target: Able, old: str, note: Mapping[str, Any], clock: Clock, swap: Swap) -> Healed:
    """Any number of times. `note` is the journal's `recreate`."""
    exchange = Exchange(target, old, Note.of(note), swap, clock)
    before, after = the_old(exchange), the_new(exchange)
    theirs = look(target, exchange.note.name)
    if theirs is not None and all(one is None or one["Id"] != theirs["Id"] for one in (before, after)):
        return _give_way(exchange, before, after)
    if before is None and after is None and not exchange.note.rebuild:
        return Healed(None)
    if after is None or (before is None and not _takes_over(exchange, after)):
        return Healed(Container(put_back(exchange)), taken_back=True)
    new = str(after["Id"])
    if before is None:
        give_policy(exchange, new)
        gone = {"Id": old, "Name": f"/{exchange.note.name}"}
        swap.follow(Succession(gone, new, exchange.note.name))
        return Healed(Container(new))
    if str(after["Name"]).lstrip("/") == exchange.note.name and exchange.note.back is None:
        if not exchange.note.running or stays_good(target, new, swap.gate, clock):
            give_policy(exchange, new)
            swap.follow(Succession(before, new, exchange.note.name))
            swap.leaving(old)
            end(exchange)
            return Healed(Container(new))
        swap.leaving(new)
    return Healed(Container(put_back(exchange)), taken_back=True)


def _give_way(exchange: Exchange, before: Inspect | None, after: Inspect | None) -> Healed:
    """Somebody else's container has the name: the new one goes, and the old one stays, stopped, if it is there."""
    if after is not None:
        drop(exchange.target, str(after["Id"]))
    why = f"given up: somebody else made a container {exchange.note.name} meanwhile"
    if before is None:
        return Healed(None, given_up=why)
    if before["State"].get("Running"):
        stop(exchange.target, before, exchange.swap.stop, exchange.clock)
    aside = str(before["Name"]).lstrip("/")
    why += f"; the one that had the name is kept, stopped, as {aside}: look at it, then remove it"
    return Healed(Container(str(before["Id"])), taken_back=True, given_up=why)


def _takes_over(exchange: Exchange, after: Inspect) -> bool:
    """Bring the new one to its place, the old one being gone; no where that can come back and this is not good."""
    target, note, new = exchange.target, exchange.note, str(after["Id"])
    target.remove(exchange.old)  # the name is not free before the end of its removal
    if str(after["Name"]).lstrip("/") != note.name:
        target.rename(new, note.name)
    if not note.running:
        return True
    try:
        target.start(new)
    except EngineRefused:
        if not note.rebuild:
            raise
        return False
    return not note.rebuild or stays_good(target, new, exchange.swap.gate, exchange.clock)
