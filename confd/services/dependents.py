"""Who else a write reaches: the apps whose settings refer to what is written, and the hosts that differ for them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from confd.keys import DEFAULT, App, Env, Host, Layer
from confd.model import Snapshot
from confd.references import links_at, mentions
from confd.services.places import Place, apps_by_env, places_of

__all__ = ["dependents_of", "reached_places"]


def reached_places(before: Snapshot, after: Snapshot, layer: Layer, keys: Collection[str]) -> list[Place]:
    """Every effective set that a change of these keys of the layer has a part in, by way of references too."""
    places = {*places_of(before, layer), *dependents_of(before, layer, keys)}
    if _have_references(after, [layer.env]):
        places |= {other for place in places for other in _elsewhere(after, place)}
    return sorted(places, key=lambda place: (place.env, place.app, place.host or ""))


def dependents_of(snapshot: Snapshot, layer: Layer, keys: Collection[str]) -> set[Place]:
    """The effective sets of other apps whose references come to one of these keys, where the layer has a part in it.

    With a host where only the layer of that host does so.
    """
    if not any(_hits(one, layer, keys) for one in _mentioned(snapshot, [layer.env])):
        return set()
    found: set[Place] = set()
    for env, apps in apps_by_env(snapshot).items():
        if layer.env not in (DEFAULT, env):
            continue
        for app in apps:
            at = Place(env, app, layer.host)
            if layer.app not in (DEFAULT, app):
                found |= {one for one in (at, *_own_hosts(snapshot, at)) if _comes_to(snapshot, one, layer, keys)}
    whole = {(place.env, place.app) for place in found if place.host is None}
    return {place for place in found if place.host is None or (place.env, place.app) not in whole} | found


def _comes_to(snapshot: Snapshot, place: Place, layer: Layer, keys: Collection[str]) -> bool:
    links = links_at(snapshot, place.env, place.app, place.host)
    return any(layer.app in (DEFAULT, link.app) and link.key in keys for link in links)


def _hits(mention: tuple[str, str], layer: Layer, keys: Collection[str]) -> bool:
    app, key = mention
    return key in keys and (not app or layer.app in (DEFAULT, app))


def _mentioned(snapshot: Snapshot, envs: Iterable[Env]) -> Iterator[tuple[str, str]]:
    """What texts of these envs (`_default`: of all) refer to, by app (empty: their own) and key."""
    wanted = {DEFAULT, *envs}
    for layer, entries in snapshot.layers.items():
        if layer.env in wanted or wanted == {DEFAULT}:
            for entry in entries.values():
                if "${" in entry.text:
                    yield from mentions(entry.text)
