"""Which apps come before which: `depends_on` of bindings, in one env. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from confd.binding import binding_of
from confd.keys import App, Env
from confd.model import Snapshot

__all__ = ["come_before", "cycle_at"]


def come_before(snapshot: Snapshot, env: Env, app: App) -> tuple[App, ...]:
    """The apps that the app's binding has come first; one that in turn waits for the app does not count."""
    binding, _ = binding_of(snapshot, env, app)
    return tuple(one for one in binding.depends_on if not _path(snapshot, env, one, app))


def cycle_at(snapshot: Snapshot, env: Env, app: App) -> Sequence[App]:
    """The way from an app over what comes before it back to itself; empty where there is none."""
    binding, _ = binding_of(snapshot, env, app)
    for one in binding.depends_on:
        path = _path(snapshot, env, one, app)
        if path:
            return [app, *path]
    return []


def _path(snapshot: Snapshot, env: Env, start: App, end: App) -> Sequence[App]:
    """The apps on the way from one to another, both among them; empty where none leads there."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == end:
            return way
        for one in binding_of(snapshot, env, way[-1])[0].depends_on:
            if one not in seen:
                seen.add(one)
                ways.append([*way, one])
    return []
