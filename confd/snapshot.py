"""From the store's entries to a `Snapshot`, whole or by the events of one more revision.

Pure. Says which areas of the store a reader follows, and turns etcd keys back into layers, bindings and hosts.
`advance` shares everything untouched with the snapshot before, so that a change of one app costs the same
however many others there are. Must not know of values: text is kept as it stands in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from confd import jsontext
from confd.errors import Malformed
from confd.keys import App, Container, Env, Host, Keyspace, Layer, parse_app, parse_env, parse_host
from confd.model import EMPTY, Entry, Head, HostState, Snapshot, frozen
from confd.ports import Area, Batch, Event, Listing

__all__ = ["Touched", "advance", "all_areas", "env_areas", "from_listing"]

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Touched:
    """What the events of one revision concern; for anything else nothing changed."""

    layers: frozenset[Layer] = frozenset()
    bindings: frozenset[tuple[Env, App]] = frozenset()
    hosts: frozenset[Host] = frozenset()
    meta: bool = False


def env_areas(keyspace: Keyspace, env: Env, host: Host) -> Area:
    """What an agent follows of one env: settings, heads and bindings, and its own host's overrides."""
    return Area(keyspace.env(env), ("settings/", "heads/", "bindings/", f"overrides/{host}/"))


def all_areas(keyspace: Keyspace) -> tuple[Area, ...]:
    """What an API process follows: every env without its history, every host without its ledger, and meta."""
    return (
        Area(keyspace.envs, ("settings/", "heads/", "bindings/", "overrides/"), each_child=True),
        Area(keyspace.hosts, ("about", "alive", "status/"), each_child=True),
        Area(keyspace.meta),
    )


def from_listing(keyspace: Keyspace, listing: Listing) -> Snapshot:
    """The snapshot of a full listing. Entries that stand where nothing of ours may stand are passed over."""
    events = (Event(key, entry) for key, entry in listing.entries.items())
    draft = _draw(keyspace, Snapshot(), events)
    return draft.snapshot(listing.revision)


def advance(keyspace: Keyspace, snapshot: Snapshot, batch: Batch) -> tuple[Snapshot, Touched]:
    """The snapshot after the events of one revision, and what they touched."""
    revision = max(snapshot.revision, batch.revision)
    if not batch.events:
        return replace(snapshot, revision=revision), Touched()
    draft = _draw(keyspace, snapshot, batch.events)
    return draft.snapshot(revision), draft.touched()


@dataclass(slots=True)
class _Draft:
    """A snapshot in the making: each mapping is copied the first time that it is written to."""

    base: Snapshot
    layers: dict[Layer, dict[str, Entry]] = field(default_factory=dict)
    heads: dict[Layer, Head | None] = field(default_factory=dict)
    bindings: dict[tuple[Env, App], Entry | None] = field(default_factory=dict)
    hosts: dict[Host, HostState] = field(default_factory=dict)
    statuses: dict[Host, dict[Container, str]] = field(default_factory=dict)
    meta: str | None = None
    meta_touched: bool = False

    def layer(self, layer: Layer) -> dict[str, Entry]:
        if layer not in self.layers:
            self.layers[layer] = dict(self.base.layers.get(layer, EMPTY))
        return self.layers[layer]

    def host(self, host: Host) -> HostState:
        if host not in self.hosts:
            self.hosts[host] = self.base.hosts.get(host, HostState())
        return self.hosts[host]

    def status(self, host: Host) -> dict[Container, str]:
        if host not in self.statuses:
            self.statuses[host] = dict(self.host(host).status)
        return self.statuses[host]

    def snapshot(self, revision: int) -> Snapshot:
        hosts = {
            host: replace(state, status=frozen(self.statuses[host])) if host in self.statuses else state
            for host, state in self.hosts.items()
        }
        layers = {layer: frozen(entries) for layer, entries in self.layers.items()}
        return Snapshot(
            revision=revision,
            layers=_overlaid(self.base.layers, layers, bool),
            heads=_overlaid(self.base.heads, self.heads, _stands),
            bindings=_overlaid(self.base.bindings, self.bindings, _stands),
            hosts=_overlaid(self.base.hosts, hosts, _is_known),
            meta=self.meta if self.meta_touched else self.base.meta,
        )

    def touched(self) -> Touched:
        return Touched(
            frozenset(self.layers) | frozenset(self.heads),
            frozenset(self.bindings),
            frozenset(self.hosts),
            self.meta_touched,
        )


def _overlaid(
    base: Mapping[K, V], changed: Mapping[K, V | None], stays: Callable[[V | None], bool]
) -> Mapping[K, V]:
    if not changed:
        return base
    merged = dict(base)
    for key, value in changed.items():
        if stays(value) and value is not None:
            merged[key] = value
        else:
            merged.pop(key, None)
    return frozen(merged)


def _stands(value: object) -> bool:
    return value is not None


def _is_known(state: HostState | None) -> bool:
    return state is not None and (state.about != "{}" or state.alive is not None or bool(state.status))


def _draw(keyspace: Keyspace, base: Snapshot, events: Iterable[Event]) -> _Draft:
    draft = _Draft(base)
    for event in events:
        if event.key.startswith(keyspace.envs):
            _draw_env(draft, event.key[len(keyspace.envs) :], event.entry)
        elif event.key.startswith(keyspace.hosts):
            _draw_host(draft, event.key[len(keyspace.hosts) :], event.entry)
        elif event.key == keyspace.meta:
            draft.meta = event.entry.text if event.entry else None
            draft.meta_touched = True
    return draft


def _draw_env(draft: _Draft, rest: str, entry: Entry | None) -> None:
    env_name, _, rest = rest.partition("/")
    part, _, rest = rest.partition("/")
    draw = _PARTS.get(part)
    if draw is None:
        return
    try:
        draw(draft, parse_env(env_name), rest, entry)
    except Malformed:
        return  # no app, env or host can have such a name, so nothing can ask for it


def _draw_setting(draft: _Draft, env: Env, rest: str, entry: Entry | None) -> None:
    app, slash, key = rest.partition("/")
    if slash:
        _put(draft.layer(Layer(env, parse_app(app))), key, entry)


def _draw_override(draft: _Draft, env: Env, rest: str, entry: Entry | None) -> None:
    host, _, rest = rest.partition("/")
    app, slash, key = rest.partition("/")
    if slash:
        _put(draft.layer(Layer(env, parse_app(app), parse_host(host))), key, entry)


def _draw_head(draft: _Draft, env: Env, slot: str, entry: Entry | None) -> None:
    app, at, host = slot.partition("@")
    layer = Layer(env, parse_app(app), parse_host(host) if at else None)
    draft.heads[layer] = _head(entry) if entry else None


def _draw_binding(draft: _Draft, env: Env, app: str, entry: Entry | None) -> None:
    draft.bindings[(env, parse_app(app))] = entry


_PARTS: Mapping[str, Callable[[_Draft, Env, str, Entry | None], None]] = {
    "settings": _draw_setting,
    "overrides": _draw_override,
    "heads": _draw_head,
    "bindings": _draw_binding,
}


def _draw_host(draft: _Draft, rest: str, entry: Entry | None) -> None:
    name, _, rest = rest.partition("/")
    try:
        host = parse_host(name)
    except Malformed:
        return
    text = entry.text if entry else None
    if rest == "about":
        draft.hosts[host] = replace(draft.host(host), about="{}" if text is None else text)
    elif rest == "alive":
        draft.hosts[host] = replace(draft.host(host), alive=text)
    elif rest.startswith("status/"):
        _put_text(draft.status(host), Container(rest.removeprefix("status/")), text)


def _put(entries: dict[str, Entry], key: str, entry: Entry | None) -> None:
    if entry is None:
        entries.pop(key, None)
    else:
        entries[key] = entry


def _put_text(texts: dict[Container, str], container: Container, text: str | None) -> None:
    if text is None:
        texts.pop(container, None)
    else:
        texts[container] = text


def _head(entry: Entry) -> Head:
    """A head whose text is damaged counts as number 0 at its revision, so that writers still compare it."""
    try:
        value = jsontext.plain(jsontext.parse(entry.text))
    except Malformed:
        value = None
    members = value if isinstance(value, dict) else {}
    number, id_ = members.get("number"), members.get("id")
    return Head(number if isinstance(number, int) else 0, id_ if isinstance(id_, str) else "", entry.mod_revision)
