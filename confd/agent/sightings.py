"""Since when this host is watched: what ran before that is touched only after somebody has adopted it.

Kept in the store beside the ledger, so that it outlives the agent. Also notes which containers something else makes
anew: three times in ten minutes, and the two of us are only fighting.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from confd.adoption import maker_of
from confd.agent.inventory import Place
from confd.agent.observe import labels_of, name_of
from confd.keys import Host, Keyspace
from confd.model import Select
from confd.ports import Clock, Expect, Inspect, Put, Store

__all__ = ["FIGHTS", "Sightings"]

log = logging.getLogger(__name__)

FIGHT_S = 600.0
FIGHTS = 3
"""So many foreign recreations in `FIGHT_S` are a fight."""


class Sightings:
    """See the module. Methods that write raise `Unavailable`, and `Conflict` when fenced off."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, clock: Clock) -> None:
        self._store = store
        self._key = keyspace.sightings(host)
        self._clock = clock
        self._fence: Expect | None = None
        self._lock = threading.Lock()
        self.since = ""
        self._selects: dict[str, dict[str, Any]] = {}
        self._recreated: dict[str, list[str]] = {}
        self._names: set[str] = set()

    def claim(self, fence: Expect | None) -> None:
        """Write under this claim from now on; the first agent that comes to a host begins to watch it."""
        entry = self._store.read([self._key]).entries.get(self._key)
        with self._lock:
            self._fence = fence
            if entry is not None:
                self._take(entry.text)
            self.since = self.since or self._clock.utc()
            self._write()

    def choose(self, selects: Mapping[Place, Select]) -> None:
        """These bindings choose containers now: what is made from now on is theirs at once."""
        with self._lock:
            known = {f"{env}/{app}": asdict(select) for (env, app), select in selects.items()}
            if {name: one["select"] for name, one in self._selects.items()} == known:
                return
            now = self._clock.utc()
            self._selects = {
                name: self._selects[name]
                if self._selects.get(name, {}).get("select") == select
                else {"select": select, "since": now}
                for name, select in known.items()
            }
            self._write()

    def is_newcomer(self, inspect: Inspect, place: Place, *, chosen: bool) -> bool:
        """Whether the container was made after it was known that containers like it are ours.

        `chosen`: by a binding, not by its own label.
        """
        with self._lock:
            since = self.since
            if chosen:
                since = max(since, str(self._selects.get("/".join(place), {}).get("since", "9999")))
        return _moment(str(inspect.get("Created") or "")) >= _moment(since)

    def saw(self, inspect: Inspect, *, known: bool) -> None:
        """A container was seen first that we have not made. `known`: there was one of its name before."""
        name = name_of(inspect)
        with self._lock:
            before = known or name in self._names
            self._names.add(name)
            if not before:
                return
            self._recreated[name] = [*self._recent(name), self._clock.utc()]
            self._recreated = {one: times for one in self._recreated if (times := self._recent(one))}
            self._write()

    def contested(self, inspect: Inspect, settled: str) -> str:
        """Who makes this container again and again; empty: nobody. `settled`: when somebody last adopted it."""
        with self._lock:
            times = [at for at in self._recent(name_of(inspect)) if not settled or _moment(at) > _moment(settled)]
        if len(times) < FIGHTS:
            return ""
        maker = maker_of(labels_of(inspect))
        return (
            f"{maker} made it anew {len(times)} times in ten minutes, against what is set here; "
            "end that, and it goes on after ten quiet minutes, or at once with `confctl adopt`"
        )

    def _recent(self, name: str) -> list[str]:
        now = _moment(self._clock.utc())
        return [at for at in self._recreated.get(name, []) if now - _moment(at) < FIGHT_S]

    def _take(self, text: str) -> None:
        try:
            document = json.loads(text)
            since, selects = str(document["since"]), dict(document["selects"])
            recreated = {name: list(times) for name, times in document["recreated"].items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("since when this host is watched cannot be read from the store; it is written anew")
        else:
            self.since, self._selects, self._recreated = since, selects, recreated

    def _write(self) -> None:
        document = {"since": self.since, "selects": self._selects, "recreated": self._recreated}
        self._store.commit([Put(self._key, json.dumps(document))], [self._fence] if self._fence else [])


def _moment(text: str) -> float:
    """Seconds of a time as the engine or our clock writes it; what is none lies before all others."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return float("inf") if text.startswith("9999") else 0.0
