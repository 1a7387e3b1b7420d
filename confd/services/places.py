"""What a layer reaches: which apps, envs and hosts, and which containers that agents have told of. Pure."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confd import jsontext
from confd.binding import binding_of
from confd.discovery import discovered
from confd.errors import ConfdError
from confd.keyfile import KeyFile
from confd.keys import DEFAULT, App, Container, Env, Host, Key, Layer
from confd.model import EMPTY, Binding, Observed, Problem, Rendered, Resolved, Snapshot
from confd.published import observed_of
from confd.references import MISSING, referred, settings_by
from confd.render import render
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.services.meta import keyring_of
from confd.unsealing import unsealed
from confd.validation import INCOMPLETE, INVALID, by_schema, judged

__all__ = [
    "Place",
    "Sight",
    "Told",
    "due_at",
    "found_at",
    "fresh_problems",
    "known_in",
    "places_of",
    "problems_at",
    "rendered_at",
    "told_of",
]

FILLED = ("template", MISSING)
"""The problems of what refers to a key that is not there."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One effective set of settings: an app in an env, on a host where one has a layer of its own."""

    env: Env
    app: App
    host: Host | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a place is seen with: the key of all digests, and those that open secrets."""

    digest_key: DigestKey
    keys: KeyFile = field(default_factory=KeyFile)


@dataclass(frozen=True, slots=True)
class Told:
    """A container as its agent last told of it. `status` is the whole document; `alive`: its host is."""

    container: Container
    host: Host
    alive: bool
    status: Any
    observed: Observed | None


def places_of(snapshot: Snapshot, layer: Layer) -> list[Place]:
    """Every effective set that the layer has a part in."""
    if layer.host is not None:
        return [Place(layer.env, layer.app, layer.host)]
    known = known_in(snapshot)
    known.add((layer.env, layer.app))
    pairs = sorted(pair for pair in known if _covers(layer, *pair))
    own = {(at.env, at.app, at.host) for at in snapshot.layers if at.host is not None}
    hosted = [Place(env, app, host) for env, app, host in own if (env, app) in pairs]
    return sorted([Place(env, app) for env, app in pairs] + hosted, key=lambda p: (p.env, p.app, p.host or ""))


def _covers(layer: Layer, env: Env, app: App) -> bool:
    return layer.env in (DEFAULT, env) and layer.app in (DEFAULT, app)


def known_in(snapshot: Snapshot) -> set[tuple[Env, App]]:
    """All apps and envs that there is anything of, `_default` among them."""
    known = {(layer.env, layer.app) for layer in snapshot.layers} | set(snapshot.bindings)
    apps = {app for _, app in known if app != DEFAULT}
    envs = {env for env, _ in known if env != DEFAULT}
    shared = {app for env, app in known if env == DEFAULT and app in apps}
    known |= {(env, app) for env in envs for app in shared}
    return known | {(told.env, told.app) for told in _observed(snapshot)}


def _observed(snapshot: Snapshot) -> Iterable[Observed]:
    for state in snapshot.hosts.values():
        for text in state.status.values():
            _, observed = _parse(text)
            if observed is not None:
                yield observed


def fresh_problems(
    was: Iterable[Problem], now: Iterable[Problem], snapshots: tuple[Snapshot, Snapshot], place: Place
) -> list[Problem]:
    """What a write brings in, from the first of the snapshots to the second.

    Templates and references are filled only where the app is: an env that only has what all envs share need not
    have their keys. What is against a schema is judged apart (`confd.services.validating`).
    """
    before, after = snapshots
    known = [problem for problem in was if problem.code not in FILLED or _is_at(before, place)]
    fresh = [problem for problem in now if problem not in known and problem.code not in (INCOMPLETE, INVALID)]
    return [problem for problem in fresh if problem.code not in FILLED or _is_at(after, place)]


def _is_at(snapshot: Snapshot, place: Place) -> bool:
    if DEFAULT in (place.env, place.app):
        return False
    at = (place.env, place.app)
    own = any((layer.env, layer.app) == at and entries for layer, entries in snapshot.layers.items())
    return own or at in snapshot.bindings or any((one.env, one.app) == at for one in _observed(snapshot))


def told_of(snapshot: Snapshot, places: Iterable[tuple[Env, App]] | None = None) -> list[Told]:
    """The containers that agents have told of, of these apps and envs or of all."""
    wanted = None if places is None else set(places)
    found: list[Told] = []
    for host, state in sorted(snapshot.hosts.items()):
        for container, text in sorted(state.status.items()):
            status, observed = _parse(text)
            if wanted is None or (status.get("env"), status.get("app")) in wanted:
                found.append(Told(container, host, state.alive is not None, status, observed))
    return found


@functools.lru_cache(maxsize=8192)
def _parse(text: str) -> tuple[Any, Observed | None]:
    try:
        status = jsontext.plain(jsontext.parse(text))
        if not isinstance(status, dict):
            return {}, None
        return status, observed_of(status.get("observed", {}))
    except ConfdError:
        return {}, None


def problems_at(snapshot: Snapshot, place: Place, sight: Sight, only: frozenset[Key] | None) -> Sequence[Problem]:
    """What is wrong with a place's settings: with all of them, or with those that `confd.narrow` names."""
    binding, _ = binding_of(snapshot, place.env, place.app)
    least = binding if only is None else replace(binding, files=())
    return _rendered(due_at(snapshot, place, sight, only), least, sight).problems


def rendered_at(
    snapshot: Snapshot, place: Place, sight: Sight, found: Mapping[str, str] = EMPTY, *, here: bool = False
) -> tuple[Rendered, Binding]:
    """What a place's containers are due, and by which binding.

    `found` and `here`: what references to containers stand for, and whether that is all there is
    (`confd.discovery`).
    """
    binding, _ = binding_of(snapshot, place.env, place.app)
    due = judged(snapshot, due_at(snapshot, place, sight))
    return _rendered(due, binding, sight, (found, here)), by_schema(snapshot, binding, due)


def due_at(snapshot: Snapshot, place: Place, sight: Sight, only: frozenset[Key] | None = None) -> Resolved:
    """The effective settings of a place, or `only` some, with secrets in the clear and references resolved."""
    ring = keyring_of(snapshot.meta, sight.keys)

    def opened(resolved: Resolved) -> Resolved:
        return unsealed(resolved, ring)

    own = resolve(snapshot, place.env, place.app, place.host, only)
    return referred(opened(own), settings_by(snapshot, place.env, place.host, opened))


def _rendered(
    resolved: Resolved,
    binding: Binding,
    sight: Sight,
    found: tuple[Mapping[str, str], bool] = (EMPTY, False),
) -> Rendered:
    return render(discovered(resolved, found[0], here=found[1]), binding, sight.digest_key)


def found_at(snapshot: Snapshot, place: Place) -> Mapping[str, str]:
    """What the references of a place's settings stand for on its host, as its agent has told."""
    told = told_of(snapshot, [(place.env, place.app)]) if place.host is not None else []
    return {
        word: text
        for one in told
        if one.host == place.host and one.observed is not None
        for word, text in one.observed.found.items()
    }
