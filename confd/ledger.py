"""What an agent did to each container, in the store and without a lease: it outlives the agent.

The agent is the only writer of its host's ledger; it reads all of it once, keeps it, and every write is fenced:
it fails when the agent is no longer the one active on its host. An intent is written before and a done or a
failure after each action.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from confd.keys import App, Container, Env, Host, Key, Keyspace
from confd.model import EMPTY, Applied, Outcome, frozen
from confd.ports import Area, Delete, Expect, Operation, Put, Store
from confd.secret import Digest

__all__ = ["KEPT_OUTCOMES", "Base", "Ledger", "LedgerEntry", "Successor"]

KEPT_OUTCOMES = 20


@dataclass(frozen=True, slots=True)
class Base:
    """A container's own spec: what it was created with before any setting reached it."""

    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    options: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of one container. `arguments` is the digest of the rendered arguments it was created with.

    `intent` is what was begun and not ended: the action and what its heal needs.
    """

    name: str
    app: App
    env: Env
    base: Base
    applied: Applied = field(default_factory=Applied)
    arguments: Digest | None = None
    intent: Mapping[str, Any] | None = None
    outcomes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Successor:
    """The container that replaced another, and its first status: no reader finds neither of the two."""

    container: Container
    status: str = ""


class Ledger:
    """See the module. All methods but `entry` and `entries` raise `Unavailable`, and `Conflict` when fenced off."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, fence: Expect | None = None) -> None:
        self._store = store
        self._keyspace = keyspace
        self._host = host
        self._fence = fence
        self._lock = threading.Lock()
        self._entries: dict[Container, LedgerEntry] = {}

    def refence(self, fence: Expect) -> None:
        """Write under another claim from now on, after the host was claimed again."""
        self._fence = fence

    def read_all(self) -> None:
        """Take over what stands in the store; a document that is none of ours is passed over."""
        prefix = self._keyspace.ledger(self._host, Container(""))
        listing = self._store.snapshot([Area(prefix)])
        found = {Container(key.removeprefix(prefix)): _parse(e.text) for key, e in listing.entries.items()}
        with self._lock:
            self._entries = {container: entry for container, entry in found.items() if entry is not None}

    def entry(self, container: Container) -> LedgerEntry | None:
        with self._lock:
            return self._entries.get(container)

    def entries(self) -> Mapping[Container, LedgerEntry]:
        with self._lock:
            return dict(self._entries)

    def record_base(self, container: Container, entry: LedgerEntry) -> None:
        """Remember a container's own spec before anything is done to it."""
        self._write({container: entry})

    def intent(self, container: Container, intent: Mapping[str, Any]) -> None:
        """Say what is about to be done."""
        self._write({container: replace(self._known(container), intent=intent)})

    def done(
        self,
        container: Container,
        applied: Applied,
        outcomes: Sequence[Outcome] = (),
        *,
        arguments: Digest | None = None,
        successor: Successor | None = None,
    ) -> None:
        """What was begun has ended; with a successor, entry and status go over to that container."""
        old = self._known(container)
        entry = replace(
            old, applied=applied, arguments=arguments, intent=None, outcomes=_kept(old.outcomes, outcomes)
        )
        if successor is None or successor.container == container:
            self._write({container: entry})
            return
        told: list[Operation] = [Delete(self._keyspace.status(self._host, container))]
        if successor.status:
            told.append(Put(self._keyspace.status(self._host, successor.container), successor.status))
        self._commit(told, {successor.container: entry, container: None})

    def failed(self, container: Container, spec: Digest | None, outcome: Outcome) -> None:
        """The action failed; with `spec`, that spec is not tried again until it changes."""
        old = self._known(container)
        applied = old.applied if spec is None else replace(old.applied, failed=spec, failed_detail=outcome.detail)
        self._write(
            {container: replace(old, applied=applied, intent=None, outcomes=_kept(old.outcomes, [outcome]))}
        )

    def forget(self, container: Container) -> None:
        """The container is gone: so are its ledger entry and its status."""
        self._commit([Delete(self._keyspace.status(self._host, container))], {container: None})

    def _known(self, container: Container) -> LedgerEntry:
        with self._lock:
            return self._entries[container]

    def _write(self, entries: Mapping[Container, LedgerEntry | None]) -> None:
        self._commit([], entries)

    def _commit(self, more: Sequence[Operation], entries: Mapping[Container, LedgerEntry | None]) -> None:
        operations: list[Operation] = list(more)
        for container, entry in entries.items():
            key = self._keyspace.ledger(self._host, container)
            operations.append(Delete(key) if entry is None else Put(key, _dump(entry)))
        self._store.commit(operations, [self._fence] if self._fence else [])
        with self._lock:
            for container, entry in entries.items():
                if entry is None:
                    self._entries.pop(container, None)
                else:
                    self._entries[container] = entry


def _kept(old: Sequence[Mapping[str, Any]], new: Sequence[Outcome]) -> tuple[Mapping[str, Any], ...]:
    return (*old, *(asdict(outcome) for outcome in new))[-KEPT_OUTCOMES:]


def _dump(entry: LedgerEntry) -> str:
    base, applied = entry.base, entry.applied
    return json.dumps(
        {
            "name": entry.name,
            "app": entry.app,
            "env": entry.env,
            "base": {
                "variables": dict(base.variables),
                "options": dict(base.options),
                "command": list(base.command) if base.command is not None else None,
            },
            "applied": {
                "revision": applied.revision,
                "spec": applied.spec,
                "keys": dict(applied.keys),
                "arguments": entry.arguments,
            },
            "failed": {"spec": applied.failed, "detail": applied.failed_detail} if applied.failed else None,
            "intent": entry.intent,
            "outcomes": list(entry.outcomes),
        },
        ensure_ascii=False,
    )


def _parse(text: str) -> LedgerEntry | None:
    try:
        document = json.loads(text)
        base, applied, failed = document["base"], document["applied"], document["failed"] or {}
        command = base["command"]
        keys = {Key(key): Digest(digest) for key, digest in applied["keys"].items()}
        return LedgerEntry(
            name=document["name"],
            app=App(document["app"]),
            env=Env(document["env"]),
            base=Base(
                frozen(dict(base["variables"])),
                frozen(dict(base["options"])),
                None if command is None else tuple(command),
            ),
            applied=Applied(
                int(applied["revision"]),
                applied["spec"],
                frozen(keys),
                failed.get("spec"),
                failed.get("detail", ""),
            ),
            arguments=applied["arguments"],
            intent=document["intent"],
            outcomes=tuple(document["outcomes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
