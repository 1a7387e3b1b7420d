"""Records too large for one request: staged in parts that nobody reads until a transaction names them.

The transaction that names a change's parts writes a mark beside them. Parts without a mark are what a process
left that ended or lost a race while it staged; whoever finds them may delete them, and a writer whose parts were
deleted under its hands loses the transaction and begins anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from confd.errors import Conflict
from confd.keys import Env
from confd.model import Change, Entry
from confd.ports import Area, Delete, Expect, Operation, Put
from confd.services.context import Context

__all__ = ["Staged", "collect_parts", "discard", "joined", "stage"]

PART_CHARACTERS = 250_000
MARK = "named"
_ID = re.compile(r'"id": *"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Staged:
    """What stands for a staged record: its text, and what the transaction that names it does and expects.

    `since` is the revision of its first part.
    """

    text: str
    operations: Sequence[Operation] = ()
    expected: Sequence[Expect] = ()
    since: int = 0


def stage(context: Context, change: Change, text: str) -> Staged:
    """Store a record's text in parts. Raises what the store raises; `discard` takes away what is there then."""
    folder = _folder(context, change.layer.env, change.id)
    parts = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    revisions = [context.store.commit([Put(f"{folder}{index:04d}", part)]) for index, part in enumerate(parts)]
    stub = {"number": change.number, "id": change.id, "parts": len(parts), "at": change.at}
    naming, unharmed = Put(folder + MARK, ""), Expect(f"{folder}0000", revisions[0])
    return Staged(json.dumps(stub), [naming], [unharmed], revisions[0])


def joined(context: Context, env: Env, change_id: str) -> str:
    """A staged record's whole text; empty when its parts are gone."""
    parts = context.store.snapshot([Area(_folder(context, env, change_id))]).entries.values()
    return "".join(part.text for part in parts)


def discard(context: Context, change: Change) -> None:
    """Delete what a change has staged, unless it is named."""
    folder = _folder(context, change.layer.env, change.id)
    _drop(context, folder, context.store.snapshot([Area(folder)], keys_only=True).entries)


def collect_parts(context: Context, before_revision: int) -> int:
    """Delete the parts of changes that nothing names and that were staged before a revision. Returns how many."""
    area = Area(context.keyspace.envs, ("parts/",), each_child=True)
    folders: dict[str, list[Entry]] = {}
    for key, entry in context.store.snapshot([area], keys_only=True).entries.items():
        folders.setdefault(key.rpartition("/")[0] + "/", []).append(entry)
    left = {
        folder: [entry.key for entry in entries]
        for folder, entries in folders.items()
        if all(entry.mod_revision < before_revision and not entry.key.endswith(f"/{MARK}") for entry in entries)
    }
    if not left:
        return 0
    named = _named_without_mark(context)
    return sum(_drop(context, folder, keys) for folder, keys in left.items() if folder.split("/")[-2] not in named)


def _folder(context: Context, env: Env, change_id: str) -> str:
    return f"{context.keyspace.parts(env)}{change_id}/"


def _drop(context: Context, folder: str, keys: Iterable[str]) -> int:
    deletions = [Delete(key) for key in keys]
    if not deletions:
        return 0
    try:
        context.store.commit(deletions, [Expect(folder + MARK, 0)])
    except Conflict:
        return 0  # named meanwhile
    return len(deletions)


def _named_without_mark(context: Context) -> set[str]:
    """The ids in records of staged changes, damaged ones too: an earlier release wrote no marks."""
    area = Area(context.keyspace.envs, ("changes/",), each_child=True)
    records = context.store.snapshot([area]).entries.values()
    return {found for record in records if '"parts"' in record.text for found in _ID.findall(record.text)}
