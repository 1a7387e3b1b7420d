"""What has to be as it was seen where a schema and settings meet: neither passes the other by unchecked. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from confd.keys import DEFAULT, App, Env, Keyspace
from confd.model import EMPTY, Change, ChangeKind, Head, Snapshot
from confd.ports import Expect

__all__ = ["next_version", "same_schema", "still_so"]

MAX_LAYERS = 100


def next_version(snapshot: Snapshot, app: App) -> int:
    """The number of the app's next version."""
    return max(snapshot.schemas.get(app, EMPTY), default=0) + 1


def same_schema(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    """For a change of an app's settings: that no newer schema came."""
    app = change.layer.app
    if change.kind not in (ChangeKind.SETTINGS, ChangeKind.SCHEMA) or app == DEFAULT:
        return []
    return [Expect(keyspace.schema(app, next_version(snapshot, app)), 0)]


def still_so(keyspace: Keyspace, snapshot: Snapshot, app: App) -> Sequence[Expect]:
    """For a new schema: that the settings which it was checked against are still so, in up to 100 layers."""
    layers = {layer for layer in (*snapshot.layers, *snapshot.heads) if layer.app in (app, DEFAULT)}
    layers -= {layer for layer in layers if (layer.env, layer.app, layer.host) == (Env(DEFAULT), app, None)}
    seen = sorted(layers, key=lambda layer: (layer.app == DEFAULT, str(layer)))[:MAX_LAYERS]
    return [Expect(keyspace.head(layer), snapshot.heads.get(layer, Head()).revision) for layer in seen]
