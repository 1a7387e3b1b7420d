"""From a store's entries to a `Snapshot`, and from one revision's events to the next.

Snapshots share what did not change, so that one change costs the same with ten apps as with a thousand.
Pure: entries in, values out. What stands under our prefix and is none of ours is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from confd import jsontext
from confd.errors import Malformed
from confd.keys import (
    App,
    Container,
    Env,
    Host,
    Keyspace,
    Layer,
    parse_app,
    parse_env,
    parse_host,
    parse_policy_name,
)
from confd.model import Entry, Head, HostState, Snapshot, frozen, thawed
from confd.ports import Area, Batch, Event, Listing

__all__ = ["Touched", "advance", "all_areas", "env_area", "from_listing", "meta_area", "schemas_area"]

ENV_PARTS = (
    "settings/",
    "heads/",
    "bindings/",
    "policies/",
    "adoptions/",
    "turns/",
    "stops/",
    "freeze",
    "approval",
)
K = TypeVar("K")
V = TypeVar("V")
HOST_PARTS = ("about", "alive", "status/")


def env_area(keyspace: Keyspace, env: Env, host: Host | None = None) -> Area:
    """What an agent follows of one env: never its change records, and only its own host's overrides."""
    overrides = (f"overrides/{host}/",) if host else ("overrides/",)
    return Area(keyspace.env(env), ENV_PARTS + overrides)


def meta_area(keyspace: Keyspace) -> Area:
    """The store's meta, and who took the store for the right one."""
    return Area(keyspace.meta)


def schemas_area(keyspace: Keyspace) -> Area:
    """The schemas of all apps."""
    return Area(keyspace.schemas)


def all_areas(keyspace: Keyspace) -> tuple[Area, ...]:
    """What the API follows: every env, every host's state, the schemas, and the store's meta."""
    return (
        Area(keyspace.envs, (*ENV_PARTS, "overrides/", "owned/"), each_child=True),
        Area(keyspace.hosts, HOST_PARTS, each_child=True),
        schemas_area(keyspace),
        meta_area(keyspace),
    )


@dataclass(frozen=True, slots=True)
class Touched:
    """What the events between two snapshots touched.

    `layers` are those of which settings or the newest change are others now, `apps` those of which an adoption or a
    stop came or went, `turns` those of which a turn did; `freezes` are the envs with other brakes or rules; `meta`
    is told of `resumed` too.
    """

    layers: frozenset[Layer] = frozenset()
    bindings: frozenset[tuple[Env, App]] = frozenset()
    hosts: frozenset[Host] = frozenset()
    freezes: frozenset[Env] = frozenset()
    apps: frozenset[tuple[Env, App]] = frozenset()
    turns: frozenset[tuple[Env, App]] = frozenset()
    meta: bool = False
    policies: frozenset[Env] = frozenset()
    schemas: frozenset[App] = frozenset()


def from_listing(keyspace: Keyspace, listing: Listing) -> Snapshot:
    """The snapshot of a listing."""
    events = (Event(key, entry) for key, entry in listing.entries.items())
    snapshot, _ = _apply(keyspace, Snapshot(listing.revision), listing.revision, events)
    return snapshot


def advance(keyspace: Keyspace, snapshot: Snapshot, batch: Batch) -> tuple[Snapshot, Touched]:
    """The snapshot after one revision's events, and what they touched.

    A batch that the snapshot already holds (its revision is not newer) changes nothing.
    """
    if batch.revision <= snapshot.revision:
        return snapshot, Touched()
    if not batch.events:
        return replace(snapshot, revision=batch.revision), Touched()
    return _apply(keyspace, snapshot, batch.revision, batch.events)


class _Draft:
    """Copies of what is touched, made once each."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.layers: dict[Layer, Mapping[str, Entry]] = thawed(snapshot.layers)
        self.heads: dict[Layer, Head] = thawed(snapshot.heads)
        self.bindings: dict[tuple[Env, App], Entry] = thawed(snapshot.bindings)
        self.hosts: dict[Host, HostState] = thawed(snapshot.hosts)
        self.meta = snapshot.meta
        self.resumed = snapshot.resumed
        self.freezes: dict[Env, Entry] = thawed(snapshot.freezes)
        self.policies: dict[tuple[Env, str], Entry] = thawed(snapshot.policies)
        self.rules: dict[Env, Entry] = thawed(snapshot.rules)
        self.schemas: dict[App, Mapping[int, Entry]] = thawed(snapshot.schemas)
        self.adoptions: dict[tuple[Env, App], Mapping[Host, Entry]] = thawed(snapshot.adoptions)
        self.turns: dict[tuple[Env, App], Mapping[Host, Entry]] = thawed(snapshot.turns)
        self.stops: dict[tuple[Env, App], Entry] = thawed(snapshot.stops)
        self.owned: dict[Layer, Entry] = thawed(snapshot.owned)
        self.own_layers: dict[Layer, dict[str, Entry]] = {}
        self.folders: dict[tuple[str, str, str], dict[str, Entry]] = {}
        self.own_status: dict[Host, dict[Container, str]] = {}
        self.touched_heads: set[Layer] = set()
        self.touched_bindings: set[tuple[Env, App]] = set()
        self.touched_hosts: set[Host] = set()
        self.touched_freezes: set[Env] = set()
        self.touched_policies: set[Env] = set()
        self.touched_schemas: set[App] = set()
        self.touched_apps: set[tuple[Env, App]] = set()
        self.touched_turns: set[tuple[Env, App]] = set()
        self.touched_meta = False

    def folder(self, env: str, app: str, host: str = "") -> dict[str, Entry]:
        """The layer of these names; they are parsed once, not once a key. Raises `Malformed`."""
        names = (env, app, host)
        if names not in self.folders:
            layer = Layer(parse_env(env), parse_app(app), parse_host(host) if host else None)
            self.folders[names] = thawed(self.layers.get(layer, {}))
            self.own_layers[layer] = self.layers[layer] = self.folders[names]
        return self.folders[names]

    def status(self, host: Host) -> dict[Container, str]:
        if host not in self.own_status:
            self.own_status[host] = thawed(self.hosts.get(host, HostState()).status)
        return self.own_status[host]


def _apply(
    keyspace: Keyspace, snapshot: Snapshot, revision: int, events: Iterable[Event]
) -> tuple[Snapshot, Touched]:
    draft = _Draft(snapshot)
    for event in events:
        _apply_one(keyspace, draft, event)
    for layer, entries in draft.own_layers.items():
        if not entries:
            del draft.layers[layer]
        else:
            draft.layers[layer] = frozen(entries)
    for host in draft.touched_hosts:
        if host in draft.own_status and host in draft.hosts:
            draft.hosts[host] = replace(draft.hosts[host], status=frozen(draft.own_status[host]))
        if draft.hosts.get(host) == HostState():
            del draft.hosts[host]
    advanced = Snapshot(
        revision=revision,
        layers=frozen(draft.layers),
        heads=frozen(draft.heads),
        bindings=frozen(draft.bindings),
        hosts=frozen(draft.hosts),
        meta=draft.meta,
        freezes=frozen(draft.freezes),
        adoptions=frozen(draft.adoptions),
        turns=frozen(draft.turns),
        stops=frozen(draft.stops),
        resumed=draft.resumed,
        policies=frozen(draft.policies),
        rules=frozen(draft.rules),
        owned=frozen(draft.owned),
        schemas=frozen(draft.schemas),
    )
    touched = Touched(
        frozenset(draft.own_layers) | draft.touched_heads,
        frozenset(draft.touched_bindings),
        frozenset(draft.touched_hosts),
        frozenset(draft.touched_freezes),
        frozenset(draft.touched_apps),
        frozenset(draft.touched_turns),
        draft.touched_meta,
        frozenset(draft.touched_policies),
        frozenset(draft.touched_schemas),
    )
    return advanced, touched


def _apply_one(keyspace: Keyspace, draft: _Draft, event: Event) -> None:
    if event.key == keyspace.meta:
        draft.meta = event.entry.text if event.entry else None
        draft.touched_meta = True
        return
    if event.key == keyspace.resumed:
        draft.resumed = event.entry
        draft.touched_meta = True
        return
    try:
        if event.key.startswith(keyspace.envs):
            _apply_env(draft, event, event.key[len(keyspace.envs) :])
        elif event.key.startswith(keyspace.hosts):
            _apply_host(draft, event, event.key[len(keyspace.hosts) :])
        elif event.key.startswith(keyspace.schemas):
            _apply_schema(draft, event, event.key[len(keyspace.schemas) :])
    except Malformed:
        return  # not a name of ours: somebody else's key under our prefix


def _apply_env(draft: _Draft, event: Event, rest: str) -> None:
    name, _, rest = rest.partition("/")
    kind, _, rest = rest.partition("/")
    if kind == "settings":
        app, _, key = rest.partition("/")
        _put(draft.folder(name, app), key, event.entry)
        return
    if kind == "overrides":
        host, _, rest = rest.partition("/")
        app, _, key = rest.partition("/")
        _put(draft.folder(name, app, str(parse_host(host))), key, event.entry)
        return
    env = parse_env(name)
    if kind in ("heads", "owned"):
        _apply_layer(draft, env, kind, rest, event.entry)
    elif kind == "bindings":
        pair = (env, parse_app(rest))
        draft.touched_bindings.add(pair)
        _put(draft.bindings, pair, event.entry)
    elif kind == "policies":
        name = parse_policy_name(rest)
        draft.touched_policies.add(env)
        _put(draft.policies, (env, name), event.entry)
    elif kind in ("freeze", "approval") and not rest:
        draft.touched_freezes.add(env)
        _put(draft.freezes if kind == "freeze" else draft.rules, env, event.entry)
    else:
        _apply_app(draft, env, kind, rest, event.entry)


def _apply_layer(draft: _Draft, env: Env, kind: str, slot: str, entry: Entry | None) -> None:
    """What stands beside a layer: its head, and whose its keys are."""
    app, _, host = slot.partition("@")
    layer = Layer(env, parse_app(app), parse_host(host) if host else None)
    if kind == "owned":
        _put(draft.owned, layer, entry)
        return
    draft.touched_heads.add(layer)
    _put(draft.heads, layer, None if entry is None else _head(entry))


def _apply_app(draft: _Draft, env: Env, kind: str, rest: str, entry: Entry | None) -> None:
    """What concerns the work on an app in an env: adoptions, turns and stops."""
    name, _, host = rest.partition("/")
    pair = (env, parse_app(name))
    if kind == "stops" and not host:
        _put(draft.stops, pair, entry)
    elif kind in ("adoptions", "turns"):
        folder = draft.adoptions if kind == "adoptions" else draft.turns
        entries = dict(folder.get(pair, {}))
        _put(entries, parse_host(host), entry)
        _put(folder, pair, frozen(entries) or None)
    else:
        return
    (draft.touched_turns if kind == "turns" else draft.touched_apps).add(pair)


def _apply_schema(draft: _Draft, event: Event, rest: str) -> None:
    """A version is a number without leading zeros; what else stands there is none of ours."""
    name, _, version = rest.partition("/")
    app = parse_app(name)
    if re.fullmatch(r"[1-9][0-9]{0,11}", version):
        versions = dict(draft.schemas.get(app, {}))
        _put(versions, int(version), event.entry)
        _put(draft.schemas, app, frozen(versions) or None)
        draft.touched_schemas.add(app)


def _put(entries: dict[K, V], key: K, entry: V | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry


def _head(entry: Entry) -> Head:
    """A damaged head counts as number 0 at its own revision, so that writers still compare the right one."""
    try:
        value = jsontext.plain(jsontext.parse(entry.text))
    except Malformed:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("number"), int):
        return Head(0, "", entry.mod_revision)
    id, names, at = (str(value.get(name, "")) for name in ("id", "names", "at"))
    since, held = value.get("since"), value.get("held")
    return Head(
        value["number"],
        id,
        entry.mod_revision,
        names,
        at,
        since if isinstance(since, int) else 0,
        tuple(map(str, held)) if isinstance(held, list) else (),
    )


def _apply_host(draft: _Draft, event: Event, rest: str) -> None:
    name, _, rest = rest.partition("/")
    host = parse_host(name)
    state = draft.hosts.get(host, HostState())
    text = event.entry.text if event.entry else None
    if rest == "about":
        state = replace(state, about=text or "{}")
    elif rest == "alive":
        state = replace(state, alive=text)
    elif rest.startswith("status/"):
        container = Container(rest.removeprefix("status/"))
        if text is None:
            draft.status(host).pop(container, None)
        else:
            draft.status(host)[container] = text
    else:
        return
    draft.hosts[host] = state
    draft.touched_hosts.add(host)
