"""Edits past the API: settings that somebody has put straight into etcd, as far as heads tell of them. Pure.

A change writes its settings and its layer's head in one transaction, and the head says on which revision it was
decided. What was written later than that, and not by it, is no change's; the keys of edits that came before it
stand in the head as `held` until a change vouches for them. An API process records each edit as a change; in an env
that holds them the keys stay in `held` until somebody adopts or undoes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from confd.envrules import rules_of
from confd.keys import App, Env, Host, Layer, layers_of, show
from confd.model import EMPTY, Cause, Head, Hold, Snapshot
from confd.shrink import shows_all

__all__ = [
    "HELD_NOTE",
    "OUT_OF_BAND",
    "edits_held",
    "is_unrecorded",
    "is_unvouched",
    "unrecorded",
    "unvouched",
    "vouched_head",
]

OUT_OF_BAND = "out-of-band"
"""The author of what was done in the store itself."""
HELD_NOTE = "held: not in effect until somebody adopts it"
"""The note of a change that records an edit which its env holds."""

NAMED = 3


def unrecorded(snapshot: Snapshot, layer: Layer) -> frozenset[str]:
    """The keys of the layer that were written past the API since its newest change."""
    head, entries = snapshot.heads.get(layer, Head()), snapshot.layers.get(layer, EMPTY)
    return frozenset(key for key, entry in entries.items() if _is_past(head, entry.mod_revision))


def is_unvouched(snapshot: Snapshot, layer: Layer, key: str) -> bool:
    """Whether the key is one of `unvouched`."""
    return key in snapshot.heads.get(layer, Head()).held or is_unrecorded(snapshot, layer, key)


def is_unrecorded(snapshot: Snapshot, layer: Layer, key: str) -> bool:
    """Whether the key is one of `unrecorded`."""
    entry = snapshot.layers.get(layer, EMPTY).get(key)
    return entry is not None and _is_past(snapshot.heads.get(layer, Head()), entry.mod_revision)


def _is_past(head: Head, revision: int) -> bool:
    """Whether what was written at the revision is no change's that the head knows of."""
    decided = head.since if 0 < head.since < head.revision else head.revision
    return decided < revision != head.revision


def unvouched(snapshot: Snapshot, layer: Layer) -> frozenset[str]:
    """Those, and the keys of earlier edits that nobody has adopted or undone."""
    return unrecorded(snapshot, layer).union(snapshot.heads.get(layer, Head()).held)


def vouched_head(snapshot: Snapshot, layer: Layer, keys: Iterable[str]) -> Head:
    """The layer's head as it is once a change of these keys is stored on the snapshot."""
    head = snapshot.heads.get(layer, Head())
    held = unvouched(snapshot, layer).difference(keys)
    return replace(head, revision=snapshot.revision, since=snapshot.revision, held=tuple(sorted(held)))


def edits_held(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> Iterator[Hold]:
    """What the edits of each layer keep from being done, in an env that holds them."""
    if not snapshot.rules or not rules_of(snapshot, env).holds:
        return
    for layer in layers_of(env, app, host):
        keys = sorted(unvouched(snapshot, layer))
        if keys or not shows_all(snapshot, layer):
            yield Hold(Cause.HELD, _why(layer, keys, env))


def _why(layer: Layer, keys: list[str], env: Env) -> str:
    some = ", ".join(key if key.isprintable() else show(key) for key in keys[:NAMED])
    some += f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    host = f" --host {layer.host}" if layer.host else ""
    command = f"confctl outofband {layer.app} -e {layer.env}{host}"
    if not keys:
        return f"something of {layer} was taken away straight in etcd, which env {env} holds: `{command}` shows it"
    return f"{some} of {layer} was written straight into etcd, which env {env} holds: `{command}` shows it"
