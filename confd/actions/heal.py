"""What a crash between any two calls of a recreate left behind: finished or taken back, from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confd.actions.followers import Succession
from confd.actions.gate import stays_good
from confd.actions.swap import Able, Exchange, Note, Swap, end, give_policy, put_back, the_new, the_old
from confd.errors import EngineRefused
from confd.keys import Container
from confd.ports import Clock, Inspect

__all__ = ["Healed", "heal"]


@dataclass(frozen=True, slots=True)
class Healed:
    """Which container has the name after a heal; None: there is none left. `taken_back`: it is as it was before."""

    container: Container | None
    taken_back: bool = False


def heal(target: Able, old: str, note: Mapping[str, Any], clock: Clock, swap: Swap) -> Healed:
    """Any number of times. `note` is the journal's `recreate`."""
    exchange = Exchange(target, old, Note.of(note), swap, clock)
    before, after = the_old(exchange), the_new(exchange)
    if after is None:
        if before is None and not exchange.note.rebuild:
            return Healed(None)
        return Healed(Container(put_back(exchange)), taken_back=True)
    new = str(after["Id"])
    if before is None and not _takes_over(exchange, after):
        return Healed(Container(put_back(exchange)), taken_back=True)
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
