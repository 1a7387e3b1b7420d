"""Turns and stops: in which order hosts interrupt an app's containers, and what a failure does to the others.

Pure. A ticket is a host's place in the queue of an app in an env, for so many of its containers at once; the first
few have the turn, by the revision at which they came. A stop names the container that failed and the settings it
failed at; others make it void.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from confd.keyring import written_at
from confd.keys import DEFAULT, App, Env, Host, layers_of
from confd.model import Cause, Entry, Hold, Reach, Snapshot

__all__ = ["Stop", "Ticket", "Turn", "settings_id", "stop_in", "stop_text", "stops_in", "ticket_text", "turn_of"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a host wants its turn for: its first container, what is done to that, and how many it has at once."""

    container: str
    action: str
    width: int = 1


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


@dataclass(frozen=True, slots=True)
class Turn:
    """How many containers a host may interrupt at once, and whom it waits for, in words, where it is none."""

    share: int
    waits: str = ""


def turn_of(tickets: Mapping[Host, Entry], host: Host, max_parallel: int) -> Turn | None:
    """A host's turn; None: it has no ticket. All shares together are never more than `max_parallel`."""
    queue = sorted(tickets, key=lambda one: tickets[one].create_revision)
    if host not in queue:
        return None
    ahead = queue[: queue.index(host)]
    free = max_parallel - sum(_width(tickets[one].text) for one in ahead)
    if free > 0:
        return Turn(min(_width(tickets[host].text), free))
    return Turn(0, ", ".join(_doing(one, tickets[one].text) for one in ahead[:max_parallel]))


def _width(text: str) -> int:
    ticket = _ticket_of(text)
    return max(ticket.width, 1) if ticket is not None else 1


def _doing(host: Host, text: str) -> str:
    ticket = _ticket_of(text)
    if ticket is None:
        return f"it is the turn of {host}"
    word = {"recreate": "recreated", "restart": "restarted"}.get(ticket.action, ticket.action)
    return f"{ticket.container} is being {word} on {host}"


def _ticket_of(text: str) -> Ticket | None:
    """One that cannot be read is for one container, whatever it is."""
    try:
        ticket = Ticket(**json.loads(text))
        return replace(ticket, width=int(ticket.width))
    except (ValueError, TypeError):
        return None


def settings_id(snapshot: Snapshot, env: Env, app: App) -> str:
    """Tells one state of an app's shared settings and binding from every other; a host's own are left out."""
    layers = [snapshot.layers.get(layer, {}) for layer in layers_of(env, app)]
    bindings = [snapshot.bindings.get((of, app)) for of in (env, Env(DEFAULT))]
    newest = max((written_at(entry) for layer in layers for entry in layer.values()), default=0)
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
