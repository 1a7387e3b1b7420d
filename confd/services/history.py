"""The history of all layers that reach a place: a page of it, what is missing from it, and who set a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd.errors import ConfdError
from confd.keys import Layer, layers_of, matches
from confd.model import Change, ChangeKind, Entry, Snapshot
from confd.outofband import is_unvouched
from confd.ports import Area
from confd.services import changes
from confd.services.context import Context
from confd.services.places import Place

__all__ = ["Wanted", "origin", "page"]

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes: at most `limit`, of before a revision (0: from the newest on), of a key, an author, a kind."""

    limit: int = 100
    before: int = 0
    key: str | None = None
    author: str | None = None
    kind: str | None = None

    def takes(self, change: Change) -> bool:
        """`key` is a pattern of the keys of settings."""
        if self.author not in (None, change.author) or self.kind not in (None, change.kind.value):
            return False
        if self.key is None:
            return True
        return change.kind is ChangeKind.SETTINGS and any(matches(self.key, one) for one in change.after)


@dataclass(frozen=True, slots=True)
class Page:
    """Changes, newest first; `before`: where the next page begins, None: this is the last.

    `pruned`: of each layer with records that were pruned, the first change from which on all are there.
    """

    changes: Sequence[Change]
    before: int | None
    pruned: Mapping[Layer, int]


def page(context: Context, place: Place, wanted: Wanted) -> Page:
    """The changes of all layers that reach a place, as far as they are wanted."""
    listed: list[tuple[Layer, Entry]] = []
    pruned: dict[Layer, int] = {}
    for layer in layers_of(place.env, place.app, place.host):
        listing = context.store.snapshot([Area(context.keyspace.changes(layer))], keys_only=True)
        mine = list(listing.entries.values())
        first = _complete_from([int(entry.key[-12:]) for entry in mine])
        pruned |= {layer: first} if first > 1 else {}
        listed += [(layer, entry) for entry in mine if not wanted.before or entry.mod_revision < wanted.before]
    listed.sort(key=lambda pair: pair[1].mod_revision, reverse=True)
    found: list[Change] = []
    for change in _read(context, listed):
        if not wanted.takes(change):
            continue
        if len(found) == wanted.limit:
            return Page(found, found[-1].revision if found else None, pruned)
        found.append(change)
    return Page(found, None, pruned)


def _complete_from(numbers: Sequence[int]) -> int:
    """The first number from which on none is missing."""
    there, first = set(numbers), max(numbers, default=1)
    while first - 1 in there:
        first -= 1
    return first


def _read(context: Context, listed: Sequence[tuple[Layer, Entry]]) -> Iterator[Change]:
    """The records, read some at a time; one that went meanwhile is passed over."""
    for at in range(0, len(listed), AT_ONCE):
        some = listed[at : at + AT_ONCE]
        records = context.store.read([entry.key for _, entry in some]).entries
        for layer, entry in some:
            if entry.key in records:
                yield changes.change_of(context, layer, records[entry.key])


def origin(context: Context, snapshot: Snapshot, layer: Layer, key: str) -> dict[str, Any]:
    """Which change a setting came from: its number, author, time and message; None each where no record tells.

    `out_of_band`: it was put straight into the store, and no change vouches for it.
    """
    number = changes.number_of(context, snapshot, layer, key)
    words: dict[str, Any] = {"change": number, "author": None, "at": None, "message": None}
    if number is not None:
        try:
            change = changes.record(context, layer, number)
        except ConfdError:  # pruned or damaged meanwhile: who set it is not worth more than what is set
            pass
        else:
            words |= {"author": change.author, "at": change.at, "message": change.message}
    return words | {"out_of_band": is_unvouched(snapshot, layer, key)}
