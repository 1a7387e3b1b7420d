"""What a change writes into the store, and what it expects to find there."""

from __future__ import annotations

import json
from collections.abc import Sequence

from confd.keys import Host, Keyspace
from confd.model import Change, ChangeKind, Head, Snapshot
from confd.ports import Delete, Expect, Operation, Put
from confd.services.schemaheads import still_so
from confd.validation import NONE

__all__ = ["MAX_CHECKED_KEYS", "edits_of", "expected_of", "record_text"]

MAX_CHECKED_KEYS = 100


def edits_of(keyspace: Keyspace, change: Change) -> Sequence[Operation]:
    """What it writes beside its head and its record."""
    if change.kind is ChangeKind.ADOPTION:
        keys = [
            (keyspace.adoption(change.layer.env, change.layer.app, Host(h)), t) for h, t in change.after.items()
        ]
        return [Delete(key) if text is None else Put(key, text) for key, text in keys]
    key = _document_key(keyspace, change)
    if key is not None:
        (text,) = change.after.values()
        if change.kind is ChangeKind.SCHEMA:  # that there is none is a version too
            return [Put(key, text or NONE)]
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
    if change.kind is ChangeKind.RULES:
        return keyspace.rules(change.layer.env)
    if change.kind is ChangeKind.SCHEMA:
        return keyspace.schema(change.layer.app, change.schemas[change.layer.app])
    return keyspace.freeze(change.layer.env) if change.kind is ChangeKind.FREEZE else None


def expected_of(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    """The head, then the touched keys, as seen: no edit made straight in the store is overwritten unseen."""
    head = snapshot.heads.get(change.layer, Head())
    return [Expect(keyspace.head(change.layer), head.revision), *_seen(keyspace, snapshot, change)]


def _seen(keyspace: Keyspace, snapshot: Snapshot, change: Change) -> Sequence[Expect]:
    env = change.layer.env
    if change.kind in (
        ChangeKind.FREEZE,
        ChangeKind.RULES,
    ):  # the env's: no layer's head tells of it
        freeze = change.kind is ChangeKind.FREEZE
        entry = (snapshot.freezes if freeze else snapshot.rules).get(env)
        return [Expect((keyspace.freeze if freeze else keyspace.rules)(env), entry.mod_revision if entry else 0)]
    if change.kind is ChangeKind.POLICY:
        (name,) = change.after
        entry = snapshot.policies.get((env, name))
        return [Expect(keyspace.policy(env, name), entry.mod_revision if entry else 0)]
    if change.kind is ChangeKind.ADOPTION:
        app = change.layer.app
        known = snapshot.adoptions.get((env, app), {})
        seen = {Host(host): known.get(Host(host)) for host in change.after}
        return [Expect(keyspace.adoption(env, app, h), e.mod_revision if e else 0) for h, e in seen.items()]
    if change.kind is ChangeKind.SCHEMA:
        return still_so(keyspace, snapshot, change.layer.app)
    if change.kind is ChangeKind.BINDING or len(change.after) > MAX_CHECKED_KEYS:
        return []
    entries, prefix = snapshot.layers.get(change.layer, {}), keyspace.settings(change.layer)
    return [Expect(prefix + key, entries[key].mod_revision if key in entries else 0) for key in change.after]


def record_text(change: Change) -> str:
    """The text of its record."""
    return json.dumps(
        {
            "number": change.number,
            "id": change.id,
            "kind": change.kind,
            "author": change.author,
            "message": change.message,
            "at": change.at,
            "note": change.note,
            **({"edited": change.edited} if change.edited else {}),
            **({"schemas": dict(change.schemas)} if change.schemas else {}),
            "before": dict(change.before),
            "after": dict(change.after),
        },
        ensure_ascii=False,
    )
