"""Restore: a backup is put into a store, which nobody serves or follows until it is whole.

While it goes on, what stands in place of the meta says so: agents change nothing and servers answer nothing. One
that was cut off is begun anew, since nothing in such a store is of value. The restored store has an identity of its
own, so that every agent that knew the first one waits for `confctl resume`, and the first one's digest key, so that
what runs is found as it was left.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from confd.backups import (
    Backup,
    Record,
    batches,
    listing_of,
    records_of,
    restored_cluster,
)
from confd.diff import diff
from confd.errors import ConfdError, Conflict, Invalid, NeedsYes, Refused, Unavailable
from confd.keyring import unmarked
from confd.keys import Keyspace
from confd.model import Snapshot
from confd.ports import Area, Delete, Expect, Listing, Operation, Put
from confd.revisions import Revisions
from confd.rollout import settings_id, stop_in, stop_text
from confd.services.context import Context
from confd.services.meta import keyring_of, read_meta, restoring_meta
from confd.snapshot import from_listing
from confd.wording import counted

__all__ = ["Asked", "Prepared", "prepare", "restore"]

DELETED_AT_ONCE = 500
SHOWN = 200
"""So many differences are told at most."""
META = "meta"
HOSTS = "hosts/"


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is to be done. `replaced`: the revision up to which what is there has been saved and may go."""

    dry_run: bool = False
    yes: bool = False
    replaced: int | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A restore that may be done. `document` tells what it does."""

    backup: Backup
    found: Listing
    document: Mapping[str, Any]


def prepare(context: Context, backup: Backup, asked: Asked) -> Prepared:
    """What a restore would do; nothing is written.

    Raises `Invalid` for a backup without a meta of ours, `Configuration` for one of another store format,
    `TooLarge`, and, unless it is a dry run, `Refused` for a store that is not empty, `Conflict` where it was
    written to since it was saved, and `NeedsYes`.
    """
    space = context.keyspace
    _check_keys(context, _meta_of(backup))
    batches(space, backup.records)
    found = context.store.snapshot([Area(f"{space.prefix}/")])
    there, unfinished = _there(space, found), _unfinished(space, found)
    document = {
        "revision": found.revision,
        "backup": {"revision": backup.head.revision, "at": backup.head.at, "prefix": backup.head.prefix},
        "entries": len(backup.records),
        "unfinished": unfinished,
        "replaces": 0 if unfinished else len(there),
        **_differences(space, from_listing(space, found), from_listing(space, listing_of(space, backup))),
    }
    if not asked.dry_run:
        if there and not unfinished:
            _check_replaced(space, found, asked.replaced)
        if not asked.yes:
            raise NeedsYes(
                f"{counted(len(backup.records), 'key')} of {backup.head.at} are put into the store; "
                "look with a dry run, then confirm with yes (confctl: --yes)"
            )
    return Prepared(backup, found, document)


def _check_keys(context: Context, meta: Record) -> None:
    """Raises `Refused` where this server could not open the secrets of the backup, nor start again with it."""
    missing = sorted(set(keyring_of(meta.text, context.keys).shut.values()))
    if missing:
        raise Refused(
            f"the secrets of the backup need master key {', '.join(missing)}, which is not in this server's key "
            "file (--key-file); add it and start the server again: nothing was restored"
        )


def _meta_of(backup: Backup) -> Record:
    found = [one for one in backup.records if one.key == META]
    if not found:
        raise Invalid("the backup holds no meta, without which no agent acts; nothing of it is used")
    try:
        read_meta(found[0].text)
    except Unavailable as error:
        raise Invalid("the backup is of a store that was not whole; nothing of it is used") from error
    return found[0]


def _there(space: Keyspace, found: Listing) -> list[Record]:
    """What makes a store one that is not empty: all that is kept, but its meta, and what agents tell of hosts."""
    return [one for one in records_of(space, found) if one.key != META and not one.key.startswith(HOSTS)]


def _unfinished(space: Keyspace, found: Listing) -> bool:
    """Whether a restore has begun and not ended."""
    entry = found.entries.get(space.meta)
    try:
        return entry is not None and read_meta(entry.text) is None
    except Unavailable:
        return True
    except ConfdError:
        return False  # damaged: a good one takes its place


def _check_replaced(space: Keyspace, found: Listing, replaced: int | None) -> None:
    there = _there(space, found)
    if replaced is None:
        raise Refused(
            f"the store is not empty: it holds {counted(len(there), 'key')}. Restore into an empty one or "
            "below another prefix; bring a single app back with `confctl rollback` or `confctl import`; or replace "
            "all of it, which is saved first (confctl: --replace)"
        )
    newer = [one.key for one in there if found.entries[f"{space.prefix}/{one.key}"].mod_revision > replaced]
    if newer:
        raise Conflict(f"the store was written to since it was saved ({newer[0]}); save it again, and try again")


def _differences(space: Keyspace, now: Snapshot, then: Snapshot) -> dict[str, Any]:
    """Which settings become others; never a value."""
    found: list[dict[str, Any]] = []
    for layer in sorted(now.layers.keys() | then.layers.keys(), key=str):
        before, after = (
            {key: unmarked(one.text) for key, one in side.layers.get(layer, {}).items()} for side in (now, then)
        )
        found += ({"layer": str(layer), "key": one.key, "action": one.action} for one in diff(before, after))
    return {"settings": sum(map(len, then.layers.values())), "differ": len(found), "differences": found[:SHOWN]}


def restore(context: Context, prepared: Prepared) -> Iterator[dict[str, Any]]:
    """Do it; how far it has come, and in the end the revision.

    Raises `Conflict` when another restore goes on or somebody has written meanwhile, and what the store raises; the
    store says then that it is not whole, and the restore is to be done again.
    """
    store, space = context.store, context.keyspace
    backup, total = prepared.backup, len(prepared.backup.records)
    begun = _begin(context, prepared)
    mine, revisions = [Expect(space.meta, begun)], Revisions(begun)
    written: dict[str, str] = {}
    for some in _in_parts([f"{space.prefix}/{one.key}" for one in _there(space, prepared.found)]):
        store.commit([Delete(key) for key in some], mine)
    known = {key for key in prepared.found.entries if key.endswith(("/about", "/sightings"))}
    for batch in batches(space, [one for one in backup.records if one.key != META]):
        texts = {one.key: revisions.text_of(one) for one in batch}
        puts = [Put(f"{space.prefix}/{key}", text) for key, text in texts.items()]
        new = store.commit(
            [put for put in puts if not put.key.startswith(space.hosts) or put.key not in known], mine
        )
        if not batch[0].key.startswith(HOSTS):
            revisions.add(batch[0].revision, new)
        written |= texts
        yield {"written": len(written), "of": total}
    revision = store.commit(_last(context, backup, written), mine)
    context.wrote(revision)
    yield {**prepared.document, "written": total, "of": total, "revision": revision}


def _begin(context: Context, prepared: Prepared) -> int:
    """Mark the store as not whole; the mark's revision. Nothing that came since it was looked at is lost."""
    store, space, before = context.store, context.keyspace, prepared.found.entries.get(context.keyspace.meta)
    mark = Put(space.meta, restoring_meta(context.clock.utc()))
    marked = store.commit([mark], [Expect(space.meta, before.mod_revision if before else 0)])
    now = store.snapshot([Area(f"{space.prefix}/")])
    if _there(space, now) != _there(space, prepared.found):
        store.commit([Put(space.meta, before.text) if before else Delete(space.meta)], [Expect(space.meta, marked)])
        raise Conflict("somebody wrote into the store at this moment; look at it, and try again")
    return marked


def _in_parts(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), DELETED_AT_ONCE):
        yield keys[start : start + DELETED_AT_ONCE]


def _last(context: Context, backup: Backup, written: Mapping[str, str]) -> list[Operation]:
    """What makes the store whole. Raises `Conflict` where anything is not as it was put there."""
    space = context.keyspace
    found = context.store.snapshot([Area(f"{space.prefix}/")])
    mine = {key: text for key, text in written.items() if not key.startswith(HOSTS)}
    now = {one.key: one.text for one in _there(space, found)}
    wrong = sorted(key for key in mine.keys() | now.keys() if mine.get(key) != now.get(key))
    if wrong:
        raise Conflict(f"somebody wrote into the store meanwhile ({wrong[0]}); end that, and restore again")
    meta: dict[str, Any] = json.loads(_meta_of(backup).text)
    meta["cluster"] = restored_cluster(meta["cluster"], uuid.uuid4().hex)
    stops = _stops(space, from_listing(space, listing_of(space, backup)), from_listing(space, found))
    return [Put(space.meta, json.dumps(meta)), Delete(space.resumed), *stops]


def _stops(space: Keyspace, then: Snapshot, now: Snapshot) -> Iterator[Operation]:
    """What stops an app names its settings by their revisions, which are others now."""
    for env, app in then.stops:
        stop = stop_in(then, env, app)
        if stop is not None:
            yield Put(space.stop(env, app), stop_text(replace(stop, settings=settings_id(now, env, app))))
