"""Rotation: data keys go under the first master key, or secrets under new data keys, while the service runs.

Sealing anew goes step by step, each begun where the one before ended: whoever was cut off starts it again, and it
goes on. An env with an old data key that is not told to be kept is in the middle of it. Nothing is written under an
old key from the moment that a new one is there (`confd.services.sealing.current`), so one pass over all that is
stored is enough; the old key is dropped once a look at everything finds no secret that needs it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from confd.errors import Conflict, Malformed, NotFound, Refused
from confd.keyring import Keyring, WrappedKey, is_sealed, rewrap, wrapped, written_at
from confd.keys import App, Env, Layer, parse_app, parse_env, parse_host
from confd.model import EMPTY, Change, ChangeKind, Entry, Snapshot
from confd.ports import Area, Delete, Expect, Operation, Put
from confd.services import audit
from confd.services.context import Context
from confd.services.hosts import about_of
from confd.services.meta import keyring_of, read_meta, with_data_keys
from confd.services.revealing import Asker
from confd.services.staging import MARK, collect_parts, discard, joined, stage

__all__ = ["rotate", "step"]

STEP_S = 1.0
READ_AT_ONCE = 50
_ENTRIES = ("settings/", "overrides/", "changes/")


# --- data keys under another master key -------------------------------------------------------------------


def rotate(context: Context, asker: Asker) -> dict[str, Any]:
    """Wrap every data key by the first master key. Raises `Refused` where a server or an agent lacks a key."""
    entry = _meta(context)
    data_keys = read_meta(entry.text).data_keys
    _check_agents(context.fresh(), context, data_keys)
    again = {env: tuple(_rewrapped(context, env, one) for one in those) for env, those in data_keys.items()}
    count = sum(one != old for env, those in again.items() for one, old in zip(those, data_keys[env], strict=True))
    if count:
        _store_meta(context, entry, again)
        audit.note(context, asker.who, asker.said, {"what": "rotate", "envs": sorted(again)})
    return {"revision": context.fresh().revision, "envs": sorted(again), "rewrapped": count}


def _rewrapped(context: Context, env: Env, one: WrappedKey) -> WrappedKey:
    keys = context.keys.keys_of(env)
    again = rewrap(one, keys) if keys else None
    if again is None:
        raise Refused(
            f"the secrets of env {env} are under master key {one.master}, which is not in this server's key file; "
            "add it below the new one until this is done"
        )
    return again


def _check_agents(snapshot: Snapshot, context: Context, data_keys: Mapping[Env, Sequence[WrappedKey]]) -> None:
    """Raises `Refused` naming the hosts whose agent opens secrets now, and could not afterwards."""
    behind = []
    for host, state in sorted(snapshot.hosts.items()):
        known: Mapping[str, Sequence[str]] = about_of(state).get("keys") or {}
        for env, those in data_keys.items():
            first = next(iter(context.keys.ids_of(env)), "")
            if known.get(env) and those[-1].master in known[env] and first not in known[env]:
                behind.append(f"{host} (env {env})")
    if behind:
        raise Refused(
            f"the agents of {', '.join(behind[:5])} do not have the first master key yet, and could open no secret "
            "afterwards: give them what `confd-server key export` prints now, and start them again; a lost host "
            "that will not come back goes with `confctl hosts forget`"
        )


# --- secrets under new data keys --------------------------------------------------------------------------


@dataclass(slots=True)
class _Turn:
    """One step: what it works with, and how many entries it has sealed anew."""

    context: Context
    ring: Keyring
    rewritten: int = 0


def step(context: Context, after: str, asker: Asker) -> dict[str, Any]:
    """Go on sealing from where the last step ended (`next` of its answer; empty: from the beginning).

    `next` is None once all is done, and the old data keys are dropped. Raises `Refused` without the keys.
    """
    entry = _begun(context, asker) if not after else _meta(context)
    ring = keyring_of(entry.text, context.keys)
    _check_keys(ring)
    names = _names(context)
    turn, deadline, done = _Turn(context, ring), context.clock.now() + STEP_S, 0
    left = [name for name in names if name > after]
    while left and (not done or context.clock.now() < deadline):
        page, left = left[:READ_AT_ONCE], left[READ_AT_ONCE:]
        _rewrite(turn, page)
        after, done = page[-1], done + len(page)
    envs = sorted(read_meta(entry.text).data_keys)
    shown = {"total": len(names), "done": len(names) - len(left), "rewritten": turn.rewritten, "envs": envs}
    if left:
        return {**shown, "next": after, "dropped": 0}
    dropped, kept = _drop(context, entry)
    return {**shown, "next": "" if kept is None else None, "dropped": dropped, "kept": kept or []}


def _begun(context: Context, asker: Asker) -> Entry:
    """The meta with a new data key for each env that has one; as it is where that was begun before."""
    entry = _meta(context)
    data_keys = read_meta(entry.text).data_keys
    if any(not one.kept for those in data_keys.values() for one in those[:-1]):
        return entry
    _check_keys(keyring_of(entry.text, context.keys))
    _check_agents(context.fresh(), context, data_keys)
    at = context.clock.utc()
    more = {env: (*those, wrapped(context.keys.keys_of(env)[0], at)) for env, those in data_keys.items()}
    audit.note(context, asker.who, asker.said, {"what": "rotate --reencrypt", "envs": sorted(more)})
    _store_meta(context, entry, more)
    return _meta(context)


def _check_keys(ring: Keyring) -> None:
    if ring.shut:
        ids = ", ".join(sorted(set(ring.shut.values())))
        raise Refused(f"this server's key file lacks master key {ids}; add it, and begin again")


def _names(context: Context) -> list[str]:
    """All keys that may hold secrets, in the order in which they are gone through."""
    area = Area(context.keyspace.envs, _ENTRIES, each_child=True)
    return sorted(context.store.snapshot([area], keys_only=True).entries)


def _rewrite(turn: _Turn, names: Sequence[str]) -> None:
    """Seal what stands there anew; what somebody else changes meanwhile is under the new key already."""
    for name, entry in turn.context.store.read(names).entries.items():
        with suppress(Malformed):  # not a name of ours
            if _rewrite_one(turn, name, entry):
                turn.rewritten += 1


def _rewrite_one(turn: _Turn, name: str, entry: Entry) -> bool:
    if "$secret" not in entry.text and '"parts"' not in entry.text:
        return False
    place = _place(turn.context, name)
    if place is None:
        return False
    layer, key = place
    if key:
        text = turn.ring.renewed(entry.text, layer, key, written_at(entry))
        return text != entry.text and _put(turn.context, [Put(name, text)], [Expect(name, entry.mod_revision)])
    return _rewrite_record(turn, layer, entry)


def _rewrite_record(turn: _Turn, layer: Layer, entry: Entry) -> bool:
    context, folder = turn.context, _staged(entry.text)
    old = joined(context, layer.env, folder) if folder else entry.text
    text = _renewed_record(turn.ring, layer, old)
    if text == old:
        return False
    seen = Expect(entry.key, entry.mod_revision)
    if not folder:
        return _put(context, [Put(entry.key, text)], [seen])
    document = json.loads(text)
    words = (ChangeKind.SETTINGS, "", "", document["at"])
    change = Change(layer, document["number"], uuid.uuid4().hex, *words, before=EMPTY, after=EMPTY)
    staged = stage(context, change, text)
    mark = Delete(f"{context.keyspace.parts(layer.env)}{folder}/{MARK}")  # who reads the old parts now finds them
    stored = _put(context, [Put(entry.key, staged.text), *staged.operations, mark], [seen, *staged.expected])
    if not stored:
        discard(context, change)
    return stored


def _staged(text: str) -> str:
    """Where the parts of a staged record stand; empty for one that is whole."""
    try:
        document = json.loads(text)
        return str(document["id"]) if "parts" in document else ""
    except (ValueError, KeyError, TypeError):
        return ""


def _renewed_record(ring: Keyring, layer: Layer, text: str) -> str:
    try:
        document = json.loads(text)
        if document["kind"] != ChangeKind.SETTINGS:
            return text
        for member in ("before", "after"):
            document[member] = {
                key: ring.renewed(value, layer, key) if is_sealed(value) else value
                for key, value in document[member].items()
            }
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    again = json.dumps(document, ensure_ascii=False)
    return again if again != json.dumps(json.loads(text), ensure_ascii=False) else text


def _put(context: Context, operations: Sequence[Operation], expected: Sequence[Expect]) -> bool:
    try:
        context.wrote(context.store.commit(operations, expected))
    except Conflict:
        return False
    return True


def _place(context: Context, name: str) -> tuple[Layer, str] | None:
    """The layer and key of a setting's entry; of a record's, no key. Raises `Malformed`."""
    env, _, rest = name[len(context.keyspace.envs) :].partition("/")
    kind, _, rest = rest.partition("/")
    if kind == "settings":
        app, _, key = rest.partition("/")
        return Layer(parse_env(env), parse_app(app)), key
    if kind == "overrides":
        host, app, key = (*rest.split("/", 2), "", "")[:3]
        return Layer(parse_env(env), parse_app(app), parse_host(host)), key
    slot, _, _ = rest.rpartition("/")
    app, _, host = slot.partition("@")
    return Layer(parse_env(env), App(parse_app(app)), parse_host(host) if host else None), ""


def _drop(context: Context, entry: Entry) -> tuple[int, list[str] | None]:
    """Drop the old data keys that nothing needs any more.

    How many were dropped, and the entries for which others stay; None for those where a secret that can be sealed
    anew is left, so that it has to be gone over once more.
    """
    collect_parts(context, context.store.read([entry.key]).revision + 1)
    ring, data_keys = keyring_of(entry.text, context.keys), read_meta(entry.text).data_keys
    old = {one.id for those in data_keys.values() for one in those[:-1]}
    kept: dict[str, set[str]] = {}
    for name, text in _all(context):
        found = {one for one in old if f'"key":"{one}"' in text.replace('\\"', '"')}
        if found and _is_entry(context, name):
            if _is_left(context, ring, name, text):
                return 0, None
        elif found:
            kept[name] = found
    needed = set().union(*kept.values()) if kept else set()
    newest = {
        env: (*(replace(one, kept=True) for one in those[:-1] if one.id in needed), *those[-1:])
        for env, those in data_keys.items()
    }
    dropped = sum(len(data_keys[env]) - len(those) for env, those in newest.items())
    if newest != dict(data_keys):
        _store_meta(context, entry, newest)
    return dropped, sorted(kept)


def _all(context: Context) -> Iterator[tuple[str, str]]:
    names = sorted(context.store.snapshot([Area(context.keyspace.envs)], keys_only=True).entries)
    for at in range(0, len(names), READ_AT_ONCE):
        for name, entry in context.store.read(names[at : at + READ_AT_ONCE]).entries.items():
            yield name, entry.text


def _is_entry(context: Context, name: str) -> bool:
    """Whether it is one of those that are gone through; parts of records are, by their record."""
    return name[len(context.keyspace.envs) :].partition("/")[2].startswith((*_ENTRIES, "parts/"))


def _is_left(context: Context, ring: Keyring, name: str, text: str) -> bool:
    """Whether there is a secret in it that another pass would seal anew; one that opens nowhere needs no key."""
    with suppress(Malformed):
        place = _place(context, name) if "/parts/" not in name else None
        if place is not None and place[1]:
            return ring.renewed(text, *place) != text
        if place is not None:
            return _renewed_record(ring, place[0], text) != text
    return False


# --- the meta ---------------------------------------------------------------------------------------------


def _meta(context: Context) -> Entry:
    at = context.keyspace.meta
    entry = context.store.read([at]).entries.get(at)
    if entry is None or not read_meta(entry.text).data_keys:
        raise NotFound("there is no secret yet, and so no key to change; `confctl set ... --secret` stores one")
    return entry


def _store_meta(context: Context, entry: Entry, data_keys: Mapping[Env, Sequence[WrappedKey]]) -> None:
    try:
        revision = context.store.commit(
            [Put(entry.key, with_data_keys(entry.text, data_keys))], [Expect(entry.key, entry.mod_revision)]
        )
    except Conflict:
        raise Conflict("the store's meta was changed meanwhile; try again") from None
    context.wrote(revision)
