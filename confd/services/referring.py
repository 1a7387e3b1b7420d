"""What a setting refers to, and what refers to it, as `explain` tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confd import jsontext
from confd.discovery import discovered
from confd.jsontext import Value
from confd.keys import DEFAULT, Key
from confd.model import EMPTY, Setting, Snapshot
from confd.references import Link, effective, links_in, mentioned_in, settings_by
from confd.resolve import resolve
from confd.secret import MASK
from confd.services.places import Place, known_in

__all__ = ["due_at", "explained"]


def due_at(snapshot: Snapshot, place: Place) -> dict[Key, Setting]:
    """The settings of a place, with references to settings resolved; those that cannot be are left out."""
    resolved = effective(snapshot, place.env, place.app, place.host)
    return dict(discovered(resolved, EMPTY, here=False).settings)


def explained(snapshot: Snapshot, place: Place, key: Key) -> dict[str, Any]:
    """The value that is due, all that the key comes to by references, and the keys that come to it.

    What is not set has no layer. A value of None is one that cannot be resolved, or is taken away.
    """
    resolved = resolve(snapshot, place.env, place.app, place.host)
    setting = resolved.settings.get(key)
    links = (
        [] if setting is None else links_in(resolved, settings_by(snapshot, place.env, place.host), {key: setting})
    )
    due = {
        app: due_at(snapshot, Place(place.env, app, place.host)) for app in {place.app, *(one.app for one in links)}
    }
    return {
        "value": _value(due[place.app].get(key)),
        "refers_to": [_document(link, due[link.app].get(link.key)) for link in links],
        "referred_by": [{"app": one.app, "key": one.key} for one in _referring(snapshot, place, key)],
    }


def _document(link: Link, setting: Setting | None) -> dict[str, Any]:
    layer = None if setting is None else str(setting.layer)
    return {"app": link.app, "key": link.key, "layer": layer, "value": _value(setting)}


def _value(setting: Setting | None) -> Value:
    if setting is None:
        return None
    return MASK if setting.secret else jsontext.parse(setting.text)


def _referring(snapshot: Snapshot, place: Place, key: Key) -> Iterator[Link]:
    """The keys of any app of the env, on the same host, that come to this one."""
    texts = (entry.text for entries in snapshot.layers.values() for entry in entries.values())
    if not any(key == mentioned for text in texts for _, mentioned in mentioned_in(text)):
        return
    lookup = settings_by(snapshot, place.env, place.host)
    for app in sorted(app for env, app in known_in(snapshot) if env == place.env and app != DEFAULT):
        resolved = lookup(app)
        for name, setting in resolved.settings.items():
            if Link(place.app, key) in links_in(resolved, lookup, {name: setting}):
                yield Link(app, name)
