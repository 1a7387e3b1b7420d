"""Changes: every write is one atomic, numbered record of one layer, and the records are its history.

A record that does not fit beside its settings into one etcd request is staged first, in parts that nobody sees
until the transaction that writes settings and head names them.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, Conflict, Malformed, NotFound, TooLarge, Unavailable
from confd.keys import Keyspace, Layer, layers_of
from confd.model import Change, ChangeKind, Entry, Head, Snapshot
from confd.ports import Area, Delete, Expect, Operation, Put, Store
from confd.services.context import Context
from confd.services.places import Place

__all__ = ["MAX_CHANGE_BYTES", "collect_parts", "commit", "draft", "history", "numbers", "record", "state_after"]

MAX_CHANGE_BYTES = 1024 * 1024
"""Keys and values of one change."""

MAX_REQUEST_BYTES = 1_400_000
PART_CHARACTERS = 250_000
MAX_CHECKED_KEYS = 100


def draft(layer: Layer, before: Mapping[str, str | None], after: Mapping[str, str | None], **words: Any) -> Change:
    """A change that is not stored yet; it gets its number from the head it is committed on."""
    kind = words.pop("kind", ChangeKind.SETTINGS)
    return Change(layer, 0, uuid.uuid4().hex, kind, before=before, after=after, **words)


def commit(context: Context, snapshot: Snapshot, change: Change) -> tuple[Change, int]:
    """Store a change made on this snapshot. Returns it with its number, and its revision.

    Raises `Conflict` when the layer has moved on since, `TooLarge`, `StoreFull`, `Unavailable`.
    """
    head = snapshot.heads.get(change.layer, Head())
    change = replace(change, number=head.number + 1, at=context.clock.utc())
    size = sum(len(key.encode()) + len((text or "").encode()) for key, text in change.after.items())
    if size > MAX_CHANGE_BYTES:
        raise TooLarge(
            f"the change holds {size} bytes of keys and values; at most {MAX_CHANGE_BYTES} are taken at once"
        )
    keyspace, text = context.keyspace, _record_text(change)
    edits = list(_edits(keyspace, change))
    if (
        sum(len(o.key) + len(o.text.encode()) for o in edits if isinstance(o, Put)) + len(text.encode())
        > MAX_REQUEST_BYTES
    ):
        text = _stage(context, change, text)
    head_text = jsontext.dump({"number": change.number, "id": change.id})
    operations = [
        *edits,
        Put(keyspace.head(change.layer), head_text),
        Put(keyspace.change(change.layer, change.number), text),
    ]
    expected = [Expect(keyspace.head(change.layer), head.revision), *_expected(keyspace, snapshot, change)]
    revision = _store(context.store, keyspace.head(change.layer), change, operations, expected)
    context.wrote(revision)
    return replace(change, revision=revision), revision


def _store(
    store: Store, head_key: str, change: Change, operations: Sequence[Operation], expected: Sequence[Expect]
) -> int:
    """Commit; where the outcome is in doubt, the head tells by the change's id whether it happened."""
    try:
        return store.commit(operations, expected)
    except (Conflict, Unavailable) as error:
        try:
            entry = store.read([head_key]).entries.get(head_key)
        except ConfdError:
            raise error from None
        if entry is not None and jsontext.dump(change.id) in entry.text:
            return entry.mod_revision
        raise


def _edits(keyspace: Keyspace, change: Change) -> Sequence[Operation]:
    if change.kind is ChangeKind.BINDING:
        key = keyspace.binding(change.layer.env, change.layer.app)
        text = change.after["binding"]
        return [Delete(key) if text is None else Put(key, text)]
    prefix = keyspace.settings(change.layer)
    return [Delete(prefix + key) if text is None else Put(prefix + key, text) for key, text in change.after.items()]


def _expected(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    """The touched keys as they were seen, so that an edit made straight in the store is not overwritten unseen."""
    if change.kind is ChangeKind.BINDING or len(change.after) > MAX_CHECKED_KEYS:
        return []
    entries, prefix = snapshot.layers.get(change.layer, {}), keyspace.settings(change.layer)
    return [Expect(prefix + key, entries[key].mod_revision if key in entries else 0) for key in change.after]


def _record_text(change: Change) -> str:
    return json.dumps(
        {
            "number": change.number,
            "id": change.id,
            "kind": change.kind,
            "author": change.author,
            "message": change.message,
            "at": change.at,
            "note": change.note,
            "before": dict(change.before),
            "after": dict(change.after),
        },
        ensure_ascii=False,
    )


def _stage(context: Context, change: Change, text: str) -> str:
    parts = [text[at : at + PART_CHARACTERS] for at in range(0, len(text), PART_CHARACTERS)]
    prefix = f"{context.keyspace.parts(change.layer.env)}{change.id}/"
    for index, part in enumerate(parts):
        context.store.commit([Put(f"{prefix}{index:04d}", part)])
    return json.dumps({"number": change.number, "id": change.id, "parts": len(parts), "at": change.at})


def _change_of(context: Context, layer: Layer, entry: Entry) -> Change:
    try:
        document = json.loads(entry.text)
        if "parts" in document:
            prefix = f"{context.keyspace.parts(layer.env)}{document['id']}/"
            parts = context.store.snapshot([Area(prefix)]).entries.values()
            document = json.loads("".join(part.text for part in parts))
        return Change(
            layer,
            document["number"],
            document["id"],
            ChangeKind(document["kind"]),
            document["author"],
            document["message"],
            document["at"],
            document["before"],
            document["after"],
            entry.mod_revision,
            document.get("note", ""),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise Malformed(f"the record {entry.key} is damaged; restore it from a backup") from exc


def history(context: Context, place: Place, limit: int = 100, before: int = 0) -> list[Change]:
    """The changes of all layers that reach a place, newest first; `before` a store revision, for the next page."""
    entries: list[tuple[Layer, Entry]] = []
    for layer in layers_of(place.env, place.app, place.host):
        listing = context.store.snapshot([Area(context.keyspace.changes(layer))])
        entries += ((layer, entry) for entry in listing.entries.values())
    entries = [pair for pair in entries if not before or pair[1].mod_revision < before]
    entries.sort(key=lambda pair: pair[1].mod_revision, reverse=True)
    return [_change_of(context, layer, entry) for layer, entry in entries[:limit]]


def record(context: Context, layer: Layer, number: int) -> Change:
    """One change of a layer. Raises `NotFound`."""
    key = context.keyspace.change(layer, number)
    entry = context.store.read([key]).entries.get(key)
    if entry is None:
        raise NotFound(f"layer {layer} has no change {number}; see its history")
    return _change_of(context, layer, entry)


def numbers(context: Context, layer: Layer, head: Head) -> Mapping[int, int]:
    """Store revision to number of the layer's changes."""
    cached = context.state.numbers.get(layer)
    if cached is None or cached[0] != head.revision:
        listing = context.store.snapshot([Area(context.keyspace.changes(layer))], keys_only=True)
        found = {entry.mod_revision: int(entry.key[-12:]) for entry in listing.entries.values()}
        cached = context.state.numbers[layer] = (head.revision, found)
    return cached[1]


def state_after(context: Context, snapshot: Snapshot, layer: Layer, number: int) -> dict[str, str]:
    """The layer's settings as they were after one of its changes; 0: before the first. Raises `NotFound`."""
    head = snapshot.heads.get(layer, Head())
    if not 0 <= number <= head.number:
        raise NotFound(f"layer {layer} has no change {number}; its newest is {head.number}")
    state: dict[str, str | None] = {key: entry.text for key, entry in snapshot.layers.get(layer, {}).items()}
    for later in range(head.number, number, -1):
        change = record(context, layer, later)
        if change.kind is ChangeKind.SETTINGS:
            state.update(change.before)
    return {key: text for key, text in state.items() if text is not None}


def collect_parts(context: Context, before_revision: int) -> int:
    """Delete staged parts that no record names and that are older than a revision. Returns how many."""
    area = Area(context.keyspace.envs, ("parts/",), each_child=True)
    staged = context.store.snapshot([area], keys_only=True).entries.values()
    old = [entry for entry in staged if entry.mod_revision < before_revision]
    if not old:
        return 0
    records = context.store.snapshot([Area(context.keyspace.envs, ("changes/",), each_child=True)]).entries.values()
    named = {json.loads(entry.text).get("id") for entry in records if '"parts"' in entry.text}
    garbage = [Delete(entry.key) for entry in old if entry.key.rsplit("/", 2)[-2] not in named]
    if garbage:
        context.store.commit(garbage)
    return len(garbage)
