"""Who owns which keys, kept beside a layer: written in the transaction of each change that alters it."""

from __future__ import annotations

from collections.abc import Sequence, Set

from confd.errors import TooLarge
from confd.keys import Keyspace, Layer
from confd.model import Change, ChangeKind, Head, Snapshot
from confd.owned import Claim, owners_after, owners_of, owners_text
from confd.ports import Delete, Expect, Operation, Put
from confd.services.context import Context

__all__ = ["MAX_OWNED_BYTES", "expected_owners", "owners_edit", "store_claim"]

MAX_OWNED_BYTES = 512 * 1024
"""Names of the keys of one layer that manifests own."""


def owners_edit(keyspace: Keyspace, snapshot: Snapshot, change: Change, claim: Claim | None) -> Sequence[Operation]:
    """What a change does to the owners of its layer's keys; often nothing. Raises `TooLarge`."""
    if change.kind is not ChangeKind.SETTINGS:
        return []
    return _edit(keyspace, snapshot, change.layer, change.after.keys(), claim)


def _edit(
    keyspace: Keyspace, snapshot: Snapshot, layer: Layer, touched: Set[str], claim: Claim | None
) -> Sequence[Operation]:
    owners = owners_of(snapshot, layer)
    after = owners_after(owners, touched, claim)
    if after == owners:
        return []
    key, text = keyspace.owned(layer), owners_text(after)
    if text is not None and len(text.encode()) > MAX_OWNED_BYTES:
        raise TooLarge(
            f"the keys of layer {layer} that manifests own are {len(text.encode())} bytes of names; at most "
            f"{MAX_OWNED_BYTES} are kept: use fewer or shorter keys, or import some of them"
        )
    return [Delete(key) if text is None else Put(key, text)]


def expected_owners(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    """The owners as they were seen: a claim is no change, so that the layer's head tells nothing of it."""
    return [_expect(keyspace, snapshot, change.layer)] if change.kind is ChangeKind.SETTINGS else []


def _expect(keyspace: Keyspace, snapshot: Snapshot, layer: Layer) -> Expect:
    entry = snapshot.owned.get(layer)
    return Expect(keyspace.owned(layer), entry.mod_revision if entry else 0)


def store_claim(context: Context, snapshot: Snapshot, layer: Layer, claim: Claim) -> None:
    """Store that a manifest owns keys whose values are right already. Raises `Conflict`, `TooLarge`."""
    operations = _edit(context.keyspace, snapshot, layer, frozenset(), claim)
    if operations:
        head = Expect(context.keyspace.head(layer), snapshot.heads.get(layer, Head()).revision)
        context.wrote(context.store.commit(operations, [head, _expect(context.keyspace, snapshot, layer)]))
