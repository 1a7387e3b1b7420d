"""Old records of changes are pruned by what their env says; what stands in the store is never touched.

A record goes once its layer has as many newer ones as the env keeps, or when it is older than that. Always kept are
the first and the newest of a layer, those whose change something that stands there came from, and those of a layer
with edits past the API, whose records tell what was there before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from confd.envrules import EnvRules, rules_of
from confd.errors import Malformed
from confd.keys import DEFAULT, Keyspace, Layer, parse_app, parse_env, parse_host
from confd.model import EMPTY, Entry, Snapshot
from confd.ports import Area, Delete
from confd.services.context import Context
from confd.services.outofband import waits
from confd.stores.locks import acquire

__all__ = ["prune", "prune_in_turn"]

AT_ONCE = 50
"""So many records are read, and deleted, at once."""

MOST = 2000
"""So many records go in one pass, at most; the next one goes on."""

LOCK_TTL_S = 30.0


def prune_in_turn(context: Context, most: int = MOST) -> int:
    """`prune`, unless another process is at it; returns how many records went. Raises what the store raises."""
    lease = acquire(context.store, f"{context.keyspace.locks}pruning", "", LOCK_TTL_S)
    if lease is None:
        return 0
    try:
        return prune(context, most)
    finally:
        lease.close()


def prune(context: Context, most: int = MOST) -> int:
    """Delete old records of all layers, at most so many. Returns how many went. Raises what the store raises."""
    snapshot = context.snapshot()
    area = Area(context.keyspace.envs, ("changes/",), each_child=True)
    found: dict[Layer, dict[int, Entry]] = {}
    for key, entry in context.store.snapshot([area], keys_only=True).entries.items():
        at = _parsed(context.keyspace, key)
        if at is not None:
            found.setdefault(at[0], {})[at[1]] = entry
    gone = 0
    for layer, records in sorted(found.items(), key=lambda pair: str(pair[0])):
        if gone < most and layer in snapshot.heads and not waits(snapshot, layer):
            gone += _prune_layer(context, snapshot, _Layer(layer, records), most - gone)
    return gone


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer and its records by number; their texts are not read yet."""

    layer: Layer
    records: Mapping[int, Entry]


def _parsed(keyspace: Keyspace, key: str) -> tuple[Layer, int] | None:
    """The layer and the number of a record; None: somebody else's key."""
    env, _, rest = key.removeprefix(keyspace.envs).partition("/changes/")
    slot, _, number = rest.partition("/")
    app, _, host = slot.partition("@")
    try:
        return Layer(parse_env(env), parse_app(app), parse_host(host) if host else None), int(number)
    except (Malformed, ValueError):
        return None


def _prune_layer(context: Context, snapshot: Snapshot, of: _Layer, most: int) -> int:
    rules = rules_of(snapshot, of.layer.env)
    candidates = _candidates(snapshot, of, rules)
    lone = _unnumbered(snapshot, of)
    gone = 0
    for at in range(0, len(candidates), AT_ONCE):
        some = candidates[at : at + AT_ONCE]
        texts = context.store.read([of.records[number].key for number in some]).entries
        documents = {number: _document(texts.get(of.records[number].key)) for number in some}
        old = [number for number in some if _is_due(of, number, documents[number], (rules, context.clock.utc()))]
        due = [number for number in old if not _names(documents[number], lone)][: most - gone]
        if due:
            context.store.commit([Delete(key) for number in due for key in _keys(context, of, number, documents)])
        gone += len(due)
        if len(old) < len(some) or gone >= most:  # the oldest come first: none of the rest is due
            break
    return gone


def _candidates(snapshot: Snapshot, of: _Layer, rules: EnvRules) -> Sequence[int]:
    """The numbers that may go, oldest first: neither the first nor the newest, and nothing is there from them."""
    if not rules.keep_changes and not rules.keep_days:
        return ()
    live, newest = _live(snapshot, of.layer), max(of.records)
    return sorted(n for n, entry in of.records.items() if n not in (1, newest) and entry.mod_revision not in live)


def _live(snapshot: Snapshot, layer: Layer) -> set[int]:
    """The revisions of all that stands in the store and may have come from a change of the layer."""
    found = {entry.mod_revision for entry in snapshot.layers.get(layer, EMPTY).values()}
    documents = [
        snapshot.bindings.get((layer.env, layer.app)),
        *snapshot.adoptions.get((layer.env, layer.app), {}).values(),
    ]
    if layer.app == DEFAULT:
        documents += [snapshot.rules.get(layer.env)]
        documents += [entry for (env, _), entry in snapshot.policies.items() if env == layer.env]
    documents.append(snapshot.freezes.get(layer.env))
    return found | {entry.mod_revision for entry in documents if entry is not None}


def _unnumbered(snapshot: Snapshot, of: _Layer) -> Mapping[str, str]:
    """Keys whose entry was written again in place since its change, and their texts."""
    known = {entry.mod_revision for entry in of.records.values()}
    entries = snapshot.layers.get(of.layer, EMPTY).items()
    return {key: entry.text for key, entry in entries if entry.mod_revision not in known}


def _document(entry: Entry | None) -> Mapping[str, Any]:
    try:
        document = json.loads(entry.text) if entry is not None else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _is_due(of: _Layer, number: int, document: Mapping[str, Any], by: tuple[EnvRules, str]) -> bool:
    rules, now = by
    if rules.keep_changes and number <= max(of.records) - rules.keep_changes:
        return True
    try:
        age = datetime.fromisoformat(now) - datetime.fromisoformat(str(document["at"]))
    except (KeyError, ValueError, TypeError):
        return False
    return bool(rules.keep_days) and age > timedelta(days=rules.keep_days)


def _names(document: Mapping[str, Any], lone: Mapping[str, str]) -> bool:
    """Whether a setting that stands there may have come from the change; of a staged record that is not known."""
    if "parts" in document:
        return bool(lone)
    after = document.get("after")
    return isinstance(after, Mapping) and any(after.get(key) == text for key, text in lone.items())


def _keys(context: Context, of: _Layer, number: int, documents: Mapping[int, Mapping[str, Any]]) -> Iterator[str]:
    """All that is stored of a record."""
    yield of.records[number].key
    parts = documents[number].get("parts")
    if isinstance(parts, int):
        folder = f"{context.keyspace.parts(of.layer.env)}{documents[number].get('id')}/"
        yield from context.store.snapshot([Area(folder)], keys_only=True).entries
