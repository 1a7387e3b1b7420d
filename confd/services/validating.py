"""What a write is checked against by the schemas of all apps that it reaches, and what they make of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confd import jsontext
from confd.errors import Invalid
from confd.keys import DEFAULT, App, Key, Layer
from confd.model import EMPTY, Resolved, Snapshot
from confd.services.places import Place, Sight, due_at, told_of
from confd.services.scope import Scope
from confd.validation import Current, Fault, Schema, current, faults_at, secret_keys, typed
from confd.validation.effective import word_of

__all__ = [
    "Found",
    "check_schemas",
    "default_in",
    "fault_document",
    "faults_now",
    "fresh_faults",
    "in_words",
    "said_of",
    "secrets_among",
    "typed_texts",
    "versions_at",
]

NAMED = 5
"""So many faults are told in words; the others are counted."""


@dataclass(frozen=True, slots=True)
class Found:
    """A fault of an effective set, and the version of the schema that it is against."""

    place: Place
    fault: Fault
    version: int


def check_schemas(states: tuple[Snapshot, Snapshot], places: Sequence[Place], scope: Scope, sight: Sight) -> None:
    """Refuse what a write of settings brings in against a schema anywhere. Raises `Invalid` with all of it."""
    found = _once([one for place in places for one in fresh_faults(*states, place, sight)])
    if found:
        key = next((key for one in found for key in one.fault.keys[:1]), None)
        here = next((one for one in found if one.place == scope.place), found[0])
        pointer = "/set" + here.fault.pointer if here.fault.keys else None
        pointer = pointer or (jsontext.pointer("set", key) if key else "/set")
        raise Invalid(f"{in_words(found)}; nothing was stored", pointer=pointer)


def _once(found: Sequence[Found]) -> list[Found]:
    """Without what all envs share where an env is named that has the same."""
    named = {(one.place.app, one.fault) for one in found if one.place.env != DEFAULT}
    return [one for one in found if one.place.env != DEFAULT or (one.place.app, one.fault) not in named]


def in_words(found: Sequence[Found]) -> str:
    """The first faults, each with its app, env, pointer and what is allowed; the others counted."""
    words = [
        f"{where(one.place)}: {one.fault}"
        + (f" (at {one.fault.pointer}, " if one.fault.pointer else " (")
        + f"schema {one.version})"
        for one in found[:NAMED]
    ]
    more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return "; ".join(words) + more


def where(place: Place) -> str:
    """A place in words."""
    env = "every env" if place.env == DEFAULT else place.env
    return f"{place.app} in {env}" + (f" on {place.host}" if place.host else "")


def fresh_faults(before: Snapshot, after: Snapshot, place: Place, sight: Sight) -> list[Found]:
    """What is against the schema of a place after a write, and was not before, or is another value now."""
    old, new = current(before, place.app), current(after, place.app)
    if new is None or new.schema is None:
        return []
    was, now = (due_at(one, place, sight) for one in (before, after))
    changed = {
        key
        for key in was.settings.keys() | now.settings.keys()
        if key not in was.settings or key not in now.settings or was.settings[key].text != now.settings[key].text
    }
    if not changed and old is not None and old.schema is new.schema:
        return []
    known = {one.fault for one in _faults(before, place, was, old)} if old is not None else set()
    return [
        one
        for one in _faults(after, place, now, new)
        if one.fault not in known or (not one.fault.whole and not changed.isdisjoint(one.fault.keys))
    ]


def faults_now(snapshot: Snapshot, place: Place, sight: Sight, schema: Schema | None = None) -> list[Found]:
    """What is against the app's schema, or against another one, at a place."""
    now = current(snapshot, place.app) or Current(0, 0, "", None)
    if schema is not None:
        now = replace(now, schema=schema)
    return _faults(snapshot, place, due_at(snapshot, place, sight), now)


def _faults(snapshot: Snapshot, place: Place, resolved: Resolved, now: Current) -> list[Found]:
    """Which keys there are counts only where the app is: what all envs share need not be whole by itself."""
    found = faults_at(now.schema, resolved) if now.schema is not None else []
    whole = any(one.whole for one in found) and is_at(snapshot, place)
    return [Found(place, one, now.version) for one in found if whole or not one.whole]


def is_at(snapshot: Snapshot, place: Place) -> bool:
    """Whether the app has settings of its own in the env, or a container that an agent has told of."""
    if DEFAULT in (place.env, place.app):
        return False
    at = (place.env, place.app)
    own = any((layer.env, layer.app) == at and entries for layer, entries in snapshot.layers.items())
    return own or bool(told_of(snapshot, [at]))


def fault_document(found: Found) -> dict[str, Any]:
    """A fault as the API shows it."""
    place, fault = found.place, found.fault
    return {
        "app": place.app,
        "env": place.env,
        "host": place.host,
        "key": fault.keys[0] if fault.keys else None,
        "pointer": fault.pointer,
        "rule": fault.rule,
        "allowed": fault.allowed,
    }


# --- what a schema makes of a write ------------------------------------------------------------------------


def typed_texts(snapshot: Snapshot, layer: Layer, texts: Mapping[str, str]) -> dict[str, str]:
    """The JSON texts of plain texts, by the types that the app's schema gives; of all apps, where theirs agree."""
    apps = sorted(snapshot.schemas) if layer.app == DEFAULT else [layer.app]
    found: dict[str, str] = {}
    for key, text in texts.items():
        string = jsontext.dump(text)
        others = {typed(current(snapshot, app), Key(key), text) for app in apps} - {string}
        found[key] = others.pop() if len(others) == 1 else string
    return found


def secrets_among(snapshot: Snapshot, places: Iterable[Place], keys: Sequence[Key]) -> list[Key]:
    """Those of the keys that have to be secrets for any app that they reach."""
    apps = {place.app for place in places}
    return sorted({key for app in apps for key in secret_keys(current(snapshot, app), keys)})


def versions_at(snapshot: Snapshot, places: Iterable[Place]) -> Mapping[str, int]:
    """The versions of the schemas that hold at these places, by app."""
    found = {place.app: current(snapshot, place.app) for place in places}
    return {app: now.version for app, now in sorted(found.items()) if now is not None and now.schema} or EMPTY


def default_in(snapshot: Snapshot, app: App, key: Key) -> list[dict[str, Any]]:
    """What the schema says where no layer does, as `explain` shows a layer."""
    now = current(snapshot, app)
    if now is None or now.schema is None or key not in now.schema.defaults:
        return []
    value = jsontext.parse(now.schema.defaults[key])
    shown = {"layer": str(Layer.of_schema(app)), "host": None, "change": None, "value": value, "secret": False}
    return [{**shown, "removed": False, "revision": now.revision}]


def said_of(snapshot: Snapshot, app: App, key: Key) -> dict[str, Any] | None:
    """What the app's schema says of a key beside its value; None without a schema."""
    now = current(snapshot, app)
    if now is None or now.schema is None:
        return None
    words = {name: word_of(now.schema, key, name) for name in ("title", "description", "x-secret", "x-on-change")}
    return {"version": now.version, **{name: said for name, said in words.items() if said is not None}}
