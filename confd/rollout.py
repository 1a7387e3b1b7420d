"""Turns and stops: in which order hosts interrupt an app's containers, and what a failure does to the others.

Pure. A ticket is a host's place in the queue of an app in an env; the first few have the turn, by the revision at
which they came. A stop names the container that failed and the settings it failed at; others make it void.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from confd.keys import DEFAULT, App, Env, Host, layers_of
from confd.model import Cause, Entry, Hold, Reach, Snapshot

__all__ = ["Stop", "Ticket", "settings_id", "stop_in", "stop_text", "stops_in", "ticket_text", "waits_for"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a host wants its turn for: its first container and what is done to that."""

    container: str
    action: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The failure that stops an app's other containers. `settings`: see `settings_id`; `at` RFC 3339 UTC."""

    host: str
    container: str
    action: str
    detail: str
    at: str
    settings: str


def ticket_text(ticket: Ticket) -> str:
    return json.dumps(asdict(ticket))


def waits_for(tickets: Mapping[Host, Entry], host: Host, max_parallel: int) -> str | None:
    """Whom a host waits for, in words; empty: it has the turn, None: it has no ticket."""
    queue = sorted(tickets, key=lambda one: tickets[one].create_revision)
    if host not in queue:
        return None
    ahead = queue[: queue.index(host)]
    if len(ahead) < max_parallel:
        return ""
    return ", ".join(_doing(one, tickets[one].text) for one in ahead[:max_parallel])


def _doing(host: Host, text: str) -> str:
    try:
        ticket = Ticket(**json.loads(text))
    except (ValueError, TypeError):
        return f"it is the turn of {host}"
    word = {"recreate": "recreated", "restart": "restarted"}.get(ticket.action, ticket.action)
    return f"{ticket.container} is being {word} on {host}"


def settings_id(snapshot: Snapshot, env: Env, app: App) -> str:
    """Tells one state of an app's shared settings and binding from every other; a host's own are left out."""
    layers = [snapshot.layers.get(layer, {}) for layer in layers_of(env, app)]
    bindings = [snapshot.bindings.get((of, app)) for of in (env, Env(DEFAULT))]
    newest = max((entry.mod_revision for layer in layers for entry in layer.values()), default=0)
    count = sum(len(layer) for layer in layers)  # a key that was taken away leaves no newer entry
    return ".".join(map(str, [newest, count, *(one.mod_revision if one else 0 for one in bindings)]))


def stop_text(stop: Stop) -> str:
    return json.dumps(asdict(stop), ensure_ascii=False)


def stop_in(snapshot: Snapshot, env: Env, app: App) -> Stop | None:
    """The failure that stops the app's other containers now; None where there is none or its settings are past."""
    entry = snapshot.stops.get((env, app))
    stop = _stop_of(entry.text) if entry is not None else None
    return stop if stop is not None and stop.settings == settings_id(snapshot, env, app) else None


def stops_in(snapshot: Snapshot, env: Env, app: App, host: Host | None) -> Iterable[Hold]:
    """What a stop keeps from being done; the container that failed has its own word for that."""
    stop = stop_in(snapshot, env, app)
    if stop is not None:
        why = (
            f"{stop.action} of {stop.container} on {stop.host} failed: {stop.detail}; the others keep what they "
            f"run with: change a setting, or `confctl rollback {app} -e {env}`"
        )
        yield Hold(Cause.STOPPED, why, Reach.NEW_PROCESS, spares=(stop.container,) if stop.host == host else ())


@functools.lru_cache(maxsize=256)
def _stop_of(text: str) -> Stop | None:
    """One that cannot be read is none: it names no settings that anything else could be compared with."""
    try:
        found = Stop(**json.loads(text))
    except (ValueError, TypeError):
        return None
    return found if all(isinstance(one, str) for one in asdict(found).values()) else None
