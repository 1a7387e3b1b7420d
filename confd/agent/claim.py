"""One active agent a host: the claim is a key that lives as long as its holder's lease.

An agent that follows one that was killed on the same machine sees that its process has ended, and does not wait for
the lease: a recreate that was cut off is finished at once.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from pathlib import Path
from typing import Any

from confd.errors import ConfdError, Configuration
from confd.keys import Host, Keyspace
from confd.model import Entry
from confd.ports import Clock, Expect, Lease, Put, Store
from confd.stores.locks import acquire

__all__ = ["TTL_S", "Claim", "has_ended", "process_of"]

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
        claim = {
            "instance": self._instance,
            "engine_id": engine_id,
            "since": since,
            "process": process_of(os.getpid()),
        }
        text = json.dumps(claim)
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
        if entry is not None and has_ended(_member(entry.text, "process")):
            return self._take_over(entry, text)
        self._tell(f"another agent of host {self._host} is active; standing by")
        return None

    def _take_over(self, entry: Entry, text: str) -> tuple[Lease, Expect]:
        """Raises `Conflict` when somebody else was quicker."""
        lease = self._store.lease(TTL_S)
        try:
            revision = self._store.commit([Put(self._key, text, lease.id)], [Expect(self._key, entry.mod_revision)])
        except ConfdError:
            lease.close()
            raise
        log.info("the agent before has ended; going on in its place")
        return lease, Expect(self._key, revision)

    def _tell(self, text: str) -> None:
        """Log a state once, not each time it is found again."""
        if text and text != self._told:
            log.warning("%s", text)
        self._told = text


def process_of(pid: int) -> dict[str, Any] | None:
    """What tells a process of this machine from all others, also after a reboot; None where it is not known."""
    try:
        return {
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(),
            "namespace": os.readlink("/proc/self/ns/pid"),
            "pid": pid,
            "started": int(Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[19]),
        }
    except (OSError, ValueError, IndexError):
        return None


def has_ended(process: object) -> bool:
    """Whether a process that was told of ran here and has ended; False where that cannot be known."""
    own = process_of(os.getpid())
    if not isinstance(process, dict) or own is None:
        return False
    if any(process.get(name) != own[name] for name in ("boot", "namespace")) or not isinstance(
        process.get("pid"), int
    ):
        return False
    now = process_of(process["pid"])
    return now is None or now["started"] != process.get("started")


def _engine_of(text: str) -> object:
    return _member(text, "engine_id")


def _member(text: str, name: str) -> object:
    try:
        return json.loads(text)[name]
    except (ValueError, KeyError, TypeError):
        return None
