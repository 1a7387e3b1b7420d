"""Changes: every write is one atomic, numbered record of one layer, and the records are its history.

A record is created once: the revision of that is its change's, also where its ciphertexts were sealed anew since.

A record that does not fit beside its settings into one etcd request is staged first (`confd.services.staging`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, Conflict, Malformed, NotFound, TooLarge, Unavailable
from confd.keyring import opened_size
from confd.keys import Host, Keyspace, Layer, layers_of
from confd.model import EMPTY, Change, ChangeKind, Entry, Head, Snapshot
from confd.ports import Area, Delete, Expect, Operation, Put, Store
from confd.services.context import Context
from confd.services.places import Place
from confd.services.sealing import current
from confd.services.staging import Staged, collect_parts, discard, joined, stage
from confd.shrink import names_digest, shows_all

__all__ = [
    "MAX_CHANGE_BYTES",
    "before_newest",
    "commit",
    "draft",
    "history",
    "lost",
    "numbers",
    "record",
    "state_after",
]

MAX_CHANGE_BYTES = 1024 * 1024
"""Keys and values of one change."""

MAX_REQUEST_BYTES = 1_400_000
OPERATION_BYTES = 24
MAX_CHECKED_KEYS = 100
READ_AT_ONCE = 50


def draft(layer: Layer, before: Mapping[str, str | None], after: Mapping[str, str | None], **words: Any) -> Change:
    """A change that is not stored yet; it gets its number from the head it is committed on."""
    kind = words.pop("kind", ChangeKind.SETTINGS)
    return Change(layer, 0, uuid.uuid4().hex, kind, before=before, after=after, **words)


def check_size(after: Mapping[str, str | None]) -> None:
    """Raises `TooLarge` for more keys and values than one change takes."""
    size = sum(len(key.encode()) + opened_size(text or "") for key, text in after.items())
    if size > MAX_CHANGE_BYTES:
        raise TooLarge(
            f"the change holds {size} bytes of keys and values; at most {MAX_CHANGE_BYTES} are taken at once"
        )


def commit(context: Context, snapshot: Snapshot, change: Change) -> tuple[Change, int]:
    """Store a change made on this snapshot. Returns it with its number, and its revision.

    Raises `Conflict` when the layer has moved on since, `TooLarge`, `StoreFull`, `Unavailable`.
    """
    head = snapshot.heads.get(change.layer, Head())
    change = replace(change, number=head.number + 1, at=context.clock.utc())
    check_size(change.after)
    change, unchanged = current(context, change)
    new_head: dict[str, Any] = {"number": change.number, "id": change.id, "at": change.at}
    new_head["names"] = names_digest(_names_after(context, snapshot, change))
    keyspace, text = context.keyspace, _record_text(change)
    edits = list(_edits(keyspace, change))
    staged = sum(map(_weight, edits)) + len(text.encode()) > MAX_REQUEST_BYTES
    try:
        record = stage(context, change, text) if staged else Staged(text)
        operations = [
            *edits,
            Put(keyspace.head(change.layer), jsontext.dump(new_head)),
            Put(keyspace.change(change.layer, change.number), record.text),
            *record.operations,
        ]
        expected = [Expect(keyspace.head(change.layer), head.revision), *record.expected]
        expected += [*_expected(keyspace, snapshot, change), *unchanged]
        revision = _store(context.store, keyspace.head(change.layer), change, operations, expected)
    except ConfdError:
        if staged:
            _tidy(lambda: discard(context, change))
        raise
    context.wrote(revision)
    if staged:
        _tidy(lambda: collect_parts(context, record.since))
    return replace(change, revision=revision), revision


def _names_after(context: Context, snapshot: Snapshot, change: Change) -> set[str]:
    """The keys that changes have left in the layer after this one, those that went without a change among them."""
    names = set(snapshot.layers.get(change.layer, EMPTY)) | set(lost(context, snapshot, change.layer))
    if change.kind is ChangeKind.SETTINGS:
        names -= change.after.keys()
        names |= {key for key, text in change.after.items() if text is not None}
    return names


def _weight(operation: Operation) -> int:
    """About what an operation takes of a request."""
    text = operation.text if isinstance(operation, Put) else ""
    return len(operation.key) + len(text.encode()) + OPERATION_BYTES


def _tidy(away: Callable[[], object]) -> None:
    """Parts that stay are harmless, and the next one takes them away: the write's own outcome is what counts."""
    with suppress(ConfdError):
        away()


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
    if change.kind is ChangeKind.ADOPTION:
        keys = [
            (keyspace.adoption(change.layer.env, change.layer.app, Host(h)), t) for h, t in change.after.items()
        ]
        return [Delete(key) if text is None else Put(key, text) for key, text in keys]
    key = _document_key(keyspace, change)
    if key is not None:
        (text,) = change.after.values()
        return [Delete(key) if text is None else Put(key, text)]
    prefix = keyspace.settings(change.layer)
    return [Delete(prefix + key) if text is None else Put(prefix + key, text) for key, text in change.after.items()]


def _document_key(keyspace: Keyspace, change: Change) -> str | None:
    """Where the one document stands that such a change writes; None for settings."""
    if change.kind is ChangeKind.BINDING:
        return keyspace.binding(change.layer.env, change.layer.app)
    if change.kind is ChangeKind.POLICY:
        (name,) = change.after
        return keyspace.policy(change.layer.env, name)
    return keyspace.freeze(change.layer.env) if change.kind is ChangeKind.FREEZE else None


def _expected(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    """The touched keys as they were seen, so that an edit made straight in the store is not overwritten unseen."""
    if change.kind is ChangeKind.FREEZE:  # one document for all apps of the env: the layer's head is not enough
        entry = snapshot.freezes.get(change.layer.env)
        return [Expect(keyspace.freeze(change.layer.env), entry.mod_revision if entry else 0)]
    if change.kind is ChangeKind.POLICY:
        (name,) = change.after
        entry = snapshot.policies.get((change.layer.env, name))
        return [Expect(keyspace.policy(change.layer.env, name), entry.mod_revision if entry else 0)]
    if change.kind is ChangeKind.ADOPTION:
        env, app = change.layer.env, change.layer.app
        known = snapshot.adoptions.get((env, app), {})
        seen = {Host(host): known.get(Host(host)) for host in change.after}
        return [Expect(keyspace.adoption(env, app, h), e.mod_revision if e else 0) for h, e in seen.items()]
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


def _change_of(context: Context, layer: Layer, entry: Entry) -> Change:
    try:
        document = json.loads(entry.text)
        if "parts" in document:
            document = json.loads(joined(context, layer.env, document["id"]))
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
            entry.create_revision,
            document.get("note", ""),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise Malformed(f"the record {entry.key} is damaged; restore it from a backup") from exc


def history(context: Context, place: Place, limit: int = 100, before: int = 0) -> list[Change]:
    """The changes of all layers that reach a place, newest first; `before` a store revision, for the next page."""
    found: list[tuple[Layer, Entry]] = []
    for layer in layers_of(place.env, place.app, place.host):
        listing = context.store.snapshot([Area(context.keyspace.changes(layer))], keys_only=True)
        found += ((layer, entry) for entry in listing.entries.values())
    found = [pair for pair in found if not before or pair[1].create_revision < before]
    found.sort(key=lambda pair: pair[1].create_revision, reverse=True)
    page = [(layer, entry.key) for layer, entry in found[:limit]]
    records = context.store.read([key for _, key in page]).entries
    return [_change_of(context, layer, records[key]) for layer, key in page if key in records]


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
        found = {entry.create_revision: int(entry.key[-12:]) for entry in listing.entries.values()}
        cached = context.state.numbers[layer] = (head.revision, found)
    return cached[1]


def lost(context: Context, snapshot: Snapshot, layer: Layer) -> dict[str, str]:
    """Key to text of what changes left in the layer, and what went from there without a change."""
    if shows_all(snapshot, layer):
        return {}
    head, present = snapshot.heads[layer], set(snapshot.layers.get(layer, EMPTY))
    seen, found = set(present), dict[str, str]()
    for change in _newest_first(context, layer, head.number):
        if change.kind is ChangeKind.SETTINGS:
            fresh = {key: text for key, text in change.after.items() if key not in seen}
            seen |= fresh.keys()
            found |= {key: text for key, text in fresh.items() if text is not None}
        if names_digest(present | found.keys()) == head.names:
            break
    return found


def _newest_first(context: Context, layer: Layer, newest: int) -> Iterator[Change]:
    """The layer's changes, read some at a time; one that is not there, or is damaged, is passed over."""
    for last in range(newest, 0, -READ_AT_ONCE):
        keys = [context.keyspace.change(layer, number) for number in range(last, max(last - READ_AT_ONCE, 0), -1)]
        records = context.store.read(keys).entries
        for key in keys:
            with suppress(Malformed):
                if key in records:
                    yield _change_of(context, layer, records[key])


def before_newest(context: Context, snapshot: Snapshot, layer: Layer) -> int:
    """The number before the layer's newest change of settings. Raises `NotFound` where there is none."""
    for number in range(snapshot.heads.get(layer, Head()).number, 0, -1):
        if record(context, layer, number).kind is ChangeKind.SETTINGS:
            return number - 1
    raise NotFound(f"layer {layer} has no change of settings yet, so there is nothing to roll back")


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
