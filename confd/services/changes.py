"""Changes: every write is one atomic, numbered record of one layer, and the records are its history.

A record is created once: the revision of that is its change's, also where its ciphertexts were sealed anew since.

A record that does not fit beside its settings into one etcd request is staged first (`confd.services.staging`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, Conflict, Malformed, NotFound, TooLarge, Unavailable
from confd.keyring import opened_size, written_at
from confd.keys import Keyspace, Layer
from confd.model import EMPTY, Change, ChangeKind, Entry, Head, Snapshot
from confd.outofband import HELD_NOTE, is_unrecorded, unvouched
from confd.owned import Claim
from confd.ports import Area, Expect, Operation, Put, Store
from confd.services.context import Context
from confd.services.operations import MAX_CHECKED_KEYS, edits_of, expected_of, record_text
from confd.services.owning import expected_owners, owners_edit
from confd.services.schemaheads import same_schema
from confd.services.sealing import current
from confd.services.staging import Staged, collect_parts, discard, joined, stage
from confd.shrink import names_digest, shows_all

__all__ = [
    "MAX_CHANGE_BYTES",
    "MAX_CHECKED_KEYS",
    "Beside",
    "before_newest",
    "change_of",
    "commit",
    "draft",
    "head_text",
    "lost",
    "newest_first",
    "next_number",
    "number_of",
    "numbers",
    "record",
    "state_after",
    "together",
]

MAX_CHANGE_BYTES = 1024 * 1024
"""Keys and values of one change."""

MAX_REQUEST_BYTES = 1_400_000
OPERATION_BYTES = 24
READ_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Beside:
    """What else a change's transaction does and expects, and whose its keys are from then on."""

    operations: Sequence[Operation] = ()
    expected: Sequence[Expect] = ()
    claim: Claim | None = None


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


def commit(
    context: Context,
    snapshot: Snapshot,
    change: Change,
    held: Collection[str] = (),
    beside: Beside = Beside(),
) -> tuple[Change, int]:
    """Store a change made on this snapshot. Returns it with its number, and its revision.

    `held`: those of its keys for which it does not vouch (`confd.outofband`). One that records edits past the API
    (`edited`) leaves the settings as they stand. What it touches belongs to the manifest that claims it from then
    on, else to none.
    Raises `Conflict` when the layer has moved on since, `TooLarge`, `StoreFull`, `Unavailable`.
    """
    change, unchanged = current(context, change)
    change, new_head = _numbered(context, snapshot, change, held)
    keyspace, text = context.keyspace, record_text(change)
    edits = [*([] if change.edited else edits_of(keyspace, change)), *beside.operations]
    edits += owners_edit(keyspace, snapshot, change, beside.claim)
    staged = sum(map(_weight, edits)) + len(text.encode()) > MAX_REQUEST_BYTES
    try:
        record = stage(context, change, text) if staged else Staged(text)
        operations = [*edits, *_told(keyspace, change, new_head, record.text), *record.operations]
        expected = [*expected_of(keyspace, snapshot, change), *record.expected, *beside.expected, *unchanged]
        expected += [*expected_owners(keyspace, snapshot, change), *same_schema(keyspace, snapshot, change)]
        revision = _store(context.store, keyspace.head(change.layer), change, operations, expected)
    except ConfdError:
        if staged:
            _tidy(lambda: discard(context, change))
        raise
    context.wrote(revision)
    if staged:
        _tidy(lambda: collect_parts(context, record.since))
    return replace(change, revision=revision), revision


def together(context: Context, snapshot: Snapshot, changes: Sequence[Change]) -> Beside:
    """Changes of other layers, to be stored beside one. Raises `TooLarge` for what one transaction cannot hold."""
    operations: list[Operation] = []
    expected: list[Expect] = []
    heads: list[Expect] = []
    for one in changes:
        newest, unchanged = current(context, one)
        change, head = _numbered(context, snapshot, newest)
        expected += unchanged
        operations += [*edits_of(context.keyspace, change), *owners_edit(context.keyspace, snapshot, change, None)]
        operations += _told(context.keyspace, change, head, record_text(change))
        own, *touched = expected_of(context.keyspace, snapshot, change)
        heads.append(own)
        expected += [*touched, *expected_owners(context.keyspace, snapshot, change)]
        expected += same_schema(context.keyspace, snapshot, change)
    size = sum(map(_weight, operations))
    if size > MAX_CHANGE_BYTES or len(heads) > MAX_CHECKED_KEYS:
        raise TooLarge(
            f"{len(heads)} changes of {size} bytes together: at most {MAX_CHECKED_KEYS} of {MAX_CHANGE_BYTES} "
            "bytes are taken at once; do it in parts"
        )
    return Beside(operations, heads if len(expected) + len(heads) > MAX_CHECKED_KEYS else [*heads, *expected])


def _told(keyspace: Keyspace, change: Change, head: Head, record: str) -> Sequence[Operation]:
    """The head and the record of a change."""
    return [
        Put(keyspace.head(change.layer), head_text(head)),
        Put(keyspace.change(change.layer, change.number), record),
    ]


def _numbered(
    context: Context, snapshot: Snapshot, change: Change, held: Collection[str] = ()
) -> tuple[Change, Head]:
    """The change with its number, and the head that it makes."""
    change = replace(change, number=next_number(context, snapshot, change.layer), at=context.clock.utc())
    check_size(change.after)
    names = names_digest(_names_after(context, snapshot, change))
    left = unvouched(snapshot, change.layer).difference(change.after if change.kind is ChangeKind.SETTINGS else ())
    new_head = Head(change.number, change.id, 0, names, change.at, snapshot.revision, (*left, *held))
    return change, new_head


def head_text(head: Head) -> str:
    """What stands in the store of a head; its revision is the store's own."""
    document: dict[str, Any] = {"number": head.number, "id": head.id, "at": head.at, "names": head.names}
    document["since"] = head.since
    return jsontext.dump(document | ({"held": sorted(set(head.held))} if head.held else {}))


def next_number(context: Context, snapshot: Snapshot, layer: Layer) -> int:
    """The number of the layer's next change."""
    head = snapshot.heads.get(layer, Head())
    return (head.number or _newest(context, layer)) + 1  # a head that is gone or damaged counts no records


def _newest(context: Context, layer: Layer) -> int:
    """The number of the layer's newest record; 0: there is none."""
    listing = context.store.snapshot([Area(context.keyspace.changes(layer))], keys_only=True)
    return max((int(key[-12:]) for key in listing.entries), default=0)


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


def change_of(context: Context, layer: Layer, entry: Entry) -> Change:
    """The change of a record. Raises `Malformed` for a damaged one."""
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
            document.get("edited", 0),
            schemas=document.get("schemas", EMPTY),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise Malformed(f"the record {entry.key} is damaged; restore it from a backup") from exc


def record(context: Context, layer: Layer, number: int) -> Change:
    """One change of a layer. Raises `NotFound`."""
    key = context.keyspace.change(layer, number)
    entry = context.store.read([key]).entries.get(key)
    if entry is None:
        raise NotFound(f"layer {layer} has no change {number}; see its history")
    return change_of(context, layer, entry)


def numbers(context: Context, layer: Layer, head: Head) -> Mapping[int, int]:
    """Store revision to number of the layer's changes."""
    cached = context.state.numbers.get(layer)
    if cached is None or cached[0] != head.revision:
        listing = context.store.snapshot([Area(context.keyspace.changes(layer))], keys_only=True)
        found = {entry.create_revision: int(entry.key[-12:]) for entry in listing.entries.values()}
        cached = context.state.numbers[layer] = (head.revision, found)
    return cached[1]


def number_of(context: Context, snapshot: Snapshot, layer: Layer, key: str) -> int | None:
    """The change that a setting came from; None where no record tells.

    What was written in place since its change, or past the API and recorded since, is found by its text.
    """
    head, entry = snapshot.heads.get(layer, Head()), snapshot.layers.get(layer, EMPTY).get(key)
    if entry is None or not head.number or is_unrecorded(snapshot, layer, key):
        return None
    known = numbers(context, layer, head)
    if written_at(entry) not in known:
        known = {**known, **_by_text(context, snapshot, layer, known)}
        context.state.numbers[layer] = (head.revision, known)
    return known[written_at(entry)] or None


def _by_text(context: Context, snapshot: Snapshot, layer: Layer, known: Mapping[int, int]) -> dict[int, int]:
    """Revision to number of all settings that no record's revision tells of; 0: no record has their text."""
    entries = {key: one for key, one in snapshot.layers[layer].items() if written_at(one) not in known}
    found = {written_at(one): 0 for one in entries.values()}
    for change in newest_first(context, layer, snapshot.heads[layer].number) if entries else ():
        for key in entries.keys() & change.after.keys() if change.kind is ChangeKind.SETTINGS else ():
            entry = entries.pop(key)
            found[written_at(entry)] = change.number if change.after[key] == entry.text else 0
        if not entries:
            break
    return found


def lost(context: Context, snapshot: Snapshot, layer: Layer) -> dict[str, str]:
    """Key to text of what changes left in the layer, and what went from there without a change."""
    if shows_all(snapshot, layer):
        return {}
    head, present = snapshot.heads[layer], set(snapshot.layers.get(layer, EMPTY))
    seen, found = set(present), dict[str, str]()
    for change in newest_first(context, layer, head.number):
        if change.kind is ChangeKind.SETTINGS:
            fresh = {key: text for key, text in change.after.items() if key not in seen}
            seen |= fresh.keys()
            found |= {key: text for key, text in fresh.items() if text is not None}
        if names_digest(present | found.keys()) == head.names:
            break
    return found


def newest_first(context: Context, layer: Layer, newest: int, down_to: int = 0) -> Iterator[Change]:
    """The layer's changes after one of them, read some at a time; one not there, or damaged, is passed over."""
    for last in range(newest, down_to, -READ_AT_ONCE):
        first = max(last - READ_AT_ONCE, down_to)
        keys = [context.keyspace.change(layer, number) for number in range(last, first, -1)]
        records = context.store.read(keys).entries
        for key in keys:
            with suppress(Malformed):
                if key in records:
                    yield change_of(context, layer, records[key])


def before_newest(context: Context, snapshot: Snapshot, layer: Layer) -> int:
    """The number before the layer's newest change of settings. Raises `NotFound` where there is none."""
    for change in newest_first(context, layer, snapshot.heads.get(layer, Head()).number):
        if change.kind is ChangeKind.SETTINGS:
            return change.number - 1
    raise NotFound(f"layer {layer} has no change of settings yet, so there is nothing to roll back")


def state_after(context: Context, snapshot: Snapshot, layer: Layer, number: int) -> dict[str, str]:
    """The layer's settings as they were after one of its changes; 0: before the first.

    Raises `NotFound`, also where records that it takes were pruned.
    """
    head = snapshot.heads.get(layer, Head())
    if not 0 <= number <= head.number:
        raise NotFound(f"layer {layer} has no change {number}; its newest is {head.number}")
    state: dict[str, str | None] = {key: entry.text for key, entry in snapshot.layers.get(layer, {}).items()}
    expected = head.number
    for change in newest_first(context, layer, head.number, number):
        if change.number != expected:
            break
        if change.kind is ChangeKind.SETTINGS:
            state.update(change.before)
        expected -= 1
    if expected > number:
        state = _from_the_first(context, layer, number, expected)
    return {key: text for key, text in state.items() if text is not None}


def _from_the_first(context: Context, layer: Layer, number: int, missing: int) -> dict[str, str | None]:
    """The state after the layer's first changes, which is also told by their own records."""
    state: dict[str, str | None] = {}
    for one in range(1, number + 1):
        try:
            change = record(context, layer, one)
        except NotFound as exc:
            raise NotFound(
                f"the state of layer {layer} after change {number} is not known any more: records that it takes "
                f"were pruned, or are damaged; the oldest that can be had is that after change {missing}"
            ) from exc
        if change.kind is ChangeKind.SETTINGS and change.note != HELD_NOTE:
            state.update(change.after)
    return state
