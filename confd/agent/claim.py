"""One active agent a host: the claim is a key that lives as long as its holder's lease."""

from __future__ import annotations

import json
import logging
import threading
import uuid

from confd.errors import ConfdError, Configuration
from confd.keys import Host, Keyspace
from confd.ports import Clock, Expect, Lease, Store
from confd.stores.locks import acquire

__all__ = ["TTL_S", "Claim"]

log = logging.getLogger(__name__)

TTL_S = 10.0
AGAIN_S = 1.0


class Claim:
    """The claim of this process on its host."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, clock: Clock) -> None:
        self._store = store
        self._key = keyspace.alive(host)
        self._host = host
        self._clock = clock
        self._instance = uuid.uuid4().hex
        self._told = ""

    def take(self, engine_id: str, stop: threading.Event) -> tuple[Lease, Expect] | None:
        """Wait until this agent is the active one, standing by for another of the same engine; None when stopped.

        Raises `Configuration` when a live agent of another engine goes by this host's name.
        """
        while not stop.is_set():
            try:
                taken = self._try(engine_id)
            except Configuration:
                raise
            except ConfdError as error:
                self._tell(f"cannot claim host {self._host}: {error.detail}")
                taken = None
            if taken is not None:
                self._tell("")
                return taken
            self._clock.wait(stop, AGAIN_S)
        return None

    def _try(self, engine_id: str) -> tuple[Lease, Expect] | None:
        since = self._clock.utc()
        text = json.dumps({"instance": self._instance, "engine_id": engine_id, "since": since})
        lease = acquire(self._store, self._key, text, TTL_S)
        entry = self._store.read([self._key]).entries.get(self._key)
        if lease is not None:
            if entry is not None and self._instance in entry.text:
                return lease, Expect(self._key, entry.mod_revision)
            lease.close()
            return None
        if entry is not None and _engine_of(entry.text) != engine_id:
            raise Configuration(
                f"another live agent with another engine goes by the name {self._host!r}; "
                "give this one a name of its own with --host-name"
            )
        self._tell(f"another agent of host {self._host} is active; standing by")
        return None

    def _tell(self, text: str) -> None:
        """Log a state once, not each time it is found again."""
        if text and text != self._told:
            log.warning("%s", text)
        self._told = text


def _engine_of(text: str) -> str | None:
    try:
        document = json.loads(text)
        return str(document["engine_id"])
    except (ValueError, KeyError, TypeError):
        return None
