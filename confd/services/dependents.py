"""Whom a write reaches by way of references: apps whose settings come to what is written, on which hosts. Pure.

Whether a host has an effective set of its own is told by its layers, of any app that is referred to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from confd.keys import DEFAULT, Layer
from confd.model import Snapshot
from confd.references import Link, links_at, mentioned_in
from confd.services.places import Place, known_in, places_of

__all__ = ["dependents_of", "reached_places"]


def reached_places(before: Snapshot, after: Snapshot, layer: Layer, keys: Collection[str]) -> list[Place]:
    """Every effective set that a change of these keys of the layer has a part in, those of its own apps first."""
    places = {*places_of(before, layer), *dependents_of(before, layer, keys)}
    own = [one for one in after.layers if one.host is not None]
    if own and any(_mentions(after, layer)):
        places |= {hosted for place in places for hosted, _ in _with_links(after, place, own)}
    return sorted(places, key=lambda place: (not _covers(layer, place.app), place.env, place.app, place.host or ""))


def dependents_of(snapshot: Snapshot, layer: Layer, keys: Collection[str]) -> set[Place]:
    """The effective sets of other apps that come to one of these keys where the layer has a part in it."""
    if not any(key in keys and (not app or _covers(layer, app)) for app, key in _mentions(snapshot, layer)):
        return set()
    envs = [(env, app) for env, app in known_in(snapshot) if layer.env in (DEFAULT, env)]
    own = [one for one in snapshot.layers if one.host is not None]
    return {
        place
        for env, app in envs
        if not _covers(layer, app)
        for place, links in _with_links(snapshot, Place(env, app, layer.host), own)
        if any(_covers(layer, link.app) and link.key in keys for link in links)
    }


def _covers(layer: Layer, app: str) -> bool:
    return layer.app in (DEFAULT, app)


def _mentions(snapshot: Snapshot, layer: Layer) -> Iterator[tuple[str, str]]:
    """What is referred to in the envs in which the layer has a part, by app (empty: its own) and key."""
    for other, entries in snapshot.layers.items():
        if DEFAULT in (layer.env, other.env) or other.env == layer.env:
            for entry in entries.values():
                yield from mentioned_in(entry.text)


def _with_links(snapshot: Snapshot, place: Place, own: Sequence[Layer]) -> Iterator[tuple[Place, list[Link]]]:
    """The place, and the same on each host that has settings of its own for it; with all that each comes to.

    `own`: the layers of hosts.
    """
    links = links_at(snapshot, place.env, place.app, place.host)
    yield place, links
    if place.host is None:
        apps = {place.app, *(link.app for link in links)}
        hosts = {one.host for one in own if one.host and one.env == place.env and one.app in apps}
        for host in sorted(hosts):
            yield Place(place.env, place.app, host), links_at(snapshot, place.env, place.app, host)
