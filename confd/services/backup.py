"""Backup: everything below the prefix at one revision, as the lines of a file."""

from __future__ import annotations

from collections.abc import Iterator

from confd import __version__
from confd.backups import Backup, Head, lines_of, records_of
from confd.errors import NotFound
from confd.ports import Area
from confd.services.context import Context
from confd.services.meta import read_meta

__all__ = ["backup"]


def backup(context: Context) -> tuple[int, Iterator[str]]:
    """The revision, and the lines.

    Raises `Unavailable`, `Configuration`, and `NotFound` for a store without meta.
    """
    space = context.keyspace
    listing = context.store.snapshot([Area(f"{space.prefix}/")])
    if space.meta not in listing.entries:
        raise NotFound("the store has no meta yet, so there is nothing to back up; any write makes it")
    read_meta(listing.entries[space.meta].text)
    head = Head(space.prefix, listing.revision, context.clock.utc(), __version__, len(listing.entries))
    return listing.revision, lines_of(Backup(head, records_of(space, listing)))
