"""A host's turns to interrupt the containers of an app: tickets under the lease of its agent's claim.

A ticket that came before one's own is in every state that holds one's own, so no two hosts ever both think that
they are first. What a dead agent had ends with its lease; one that follows it on its host keeps its place.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import Any

from confd.agent.inventory import Place
from confd.errors import ConfdError, Conflict, Held, Unavailable
from confd.keys import Host, Keyspace
from confd.mirror import Mirror
from confd.model import Snapshot, Step
from confd.ports import Clock, Delete, Expect, Lease, Operation, Put, Store
from confd.rollout import Stop, Ticket, Turn, settings_id, stop_in, stop_text, stops_in, ticket_text, turn_of

__all__ = ["Turns"]

log = logging.getLogger(__name__)

NEWS_S = 5.0
"""How long the mirror may take to show what was just written."""


class Turns:
    """See the module. `claim` first; one place is worked on by one thread at a time."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, mirror: Mirror, clock: Clock) -> None:
        self._store = store
        self._keyspace = keyspace
        self._host = host
        self._mirror = mirror
        self._clock = clock
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._fence: Expect | None = None
        self._tickets: dict[Place, int] = {}
        self._waiting: set[Place] = set()

    def claim(self, lease: Lease, fence: Expect | None) -> None:
        """Put tickets under this lease from now on."""
        with self._lock:
            self._lease, self._fence = lease, fence
            self._tickets.clear()
            self._waiting.clear()

    def ask(self, place: Place, ticket: Ticket, max_parallel: int) -> Turn:
        """How many of the place's containers this host may interrupt at once, or whom it waits for.

        A ticket that it has already is kept. Raises `Unavailable`, and `Conflict` when fenced off.
        """
        revision = self._tickets.get(place) or self._put(place, ticket)
        with self._lock:
            self._waiting.add(place)  # before the look: what comes after it wakes the place
        self._mirror.wait(revision, NEWS_S)
        snapshot = self._mirror.snapshot
        if snapshot.revision < revision:
            raise Unavailable("the store's news is late; nothing is interrupted until it is here")
        turn = turn_of(snapshot.turns.get(place, {}), self._host, max_parallel)
        if turn is None:
            self._forget(place)
            raise Unavailable("this host's place in the queue was lost; queueing again")
        if turn.share:
            with self._lock:
                self._waiting.discard(place)
        return turn

    def is_next(self, snapshot: Snapshot, place: Place, max_parallel: int) -> bool:
        """Whether the queue's news is that a place which waits has its turn, or has lost its place in the queue."""
        tickets = snapshot.turns.get(place, {})
        own = tickets.get(self._host)
        with self._lock:
            waiting = place in self._waiting
        if not waiting or (own is not None and own.mod_revision == snapshot.revision):
            return False
        turn = turn_of(tickets, self._host, max_parallel)
        return turn is None or turn.share > 0

    def check(self, place: Place, name: str) -> None:
        """Ask the store itself whether the turn is still ours, and whether a failure stops the named container.

        The mirror may be late, and another lane or host may have failed since. Raises `Held`, and `Unavailable`.
        """
        key, stop = self._keyspace.turn(*place, self._host), self._keyspace.stop(*place)
        with self._lock:
            lease, revision = self._lease, self._tickets.get(place)
        entries = self._store.read([key, stop]).entries
        entry = entries.get(key)
        if lease is None or lease.lost.is_set() or entry is None or entry.mod_revision != revision:
            self._forget(place)
            raise Held("the turn was lost with the lease of this agent")
        if stop in entries:
            seen = self._mirror.wait(entries[stop].mod_revision, NEWS_S)  # so that the next plan has it, too
            for hold in stops_in(seen, *place, self._host):
                if name not in hold.spares:
                    raise Held(hold.why)

    def leave(self, place: Place) -> None:
        """Let the next one go on; a ticket that an agent before this one left goes too."""
        left = self._host in self._mirror.snapshot.turns.get(place, {})
        if self._forget(place) or left:
            with suppress(ConfdError):  # what stays ends with the lease, or goes after the next pass
                self._commit([Delete(self._keyspace.turn(*place, self._host))])

    def failed(self, place: Place, step: Step, container: str, detail: str) -> None:
        """Stop the app's other containers. Raises `Unavailable`, and `Conflict` when fenced off."""
        env, app = place
        snapshot = self._mirror.snapshot
        if stop_in(snapshot, env, app) is not None:
            return
        at, settings = self._clock.utc(), settings_id(snapshot, env, app)
        stop = Stop(self._host, container, step.action, detail, at, settings)
        log.warning("%s@%s: its other containers are left as they are, since %s failed", app, env, container)
        self._write_stop(place, Put(self._keyspace.stop(env, app), stop_text(stop)))

    def succeeded(self, place: Place) -> None:
        """What stopped the app is past: by other settings, or because its host has done it now."""
        entry = self._mirror.snapshot.stops.get(place)
        if entry is None:
            return
        stop = stop_in(self._mirror.snapshot, *place)
        if stop is None or stop.host == self._host:
            self._write_stop(place, Delete(self._keyspace.stop(*place)))

    def _write_stop(self, place: Place, operation: Operation) -> None:
        known = self._mirror.snapshot.stops.get(place)
        seen = Expect(self._keyspace.stop(*place), known.mod_revision if known else 0)
        try:
            self._mirror.wait(self._commit([operation], seen), NEWS_S)  # before the next container is planned
        except Conflict:
            # Somebody else was quicker, or we are fenced off: the ledger's next write tells which.
            log.debug("the stop of %s@%s was written by another", place[1], place[0])
            self._mirror.wait(self._store.read([seen.key]).revision, NEWS_S)

    def _put(self, place: Place, ticket: Ticket) -> int:
        with self._lock:
            lease = self._lease
        if lease is None or lease.lost.is_set():
            raise Unavailable("this agent is not the active one of its host now")
        revision = self._commit([Put(self._keyspace.turn(*place, self._host), ticket_text(ticket), lease.id)])
        with self._lock:
            if self._lease is lease:
                self._tickets[place] = revision
        return revision

    def _forget(self, place: Place) -> bool:
        with self._lock:
            self._waiting.discard(place)
            return self._tickets.pop(place, None) is not None

    def _commit(self, operations: list[Operation], *more: Any) -> int:
        return self._store.commit(operations, [*([self._fence] if self._fence else []), *more])
