"""What an agent did to each container, in the store and without a lease: it outlives the agent.

The agent is the only writer of its host's ledger; it reads all of it once, keeps it, and every write is fenced:
it fails when the agent is no longer the one active on its host. An intent is written before and a done or a
failure after each action. Of each entry the host has a copy of its own, so that nothing is forgotten with a store
that is emptied or put back from a backup; while the store is in doubt only copies are written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from confd.backups import origin_of
from confd.durable import Folder
from confd.entries import Base, LedgerEntry, dump, parse
from confd.keys import Container, Host, Keyspace
from confd.model import Applied, Outcome, frozen
from confd.outcomes import kept
from confd.ports import Area, Delete, Expect, Operation, Put, Store
from confd.secret import Digest, unknown

__all__ = ["Base", "Ended", "Ledger", "LedgerEntry", "Standing", "Successor"]

AT_ONCE = 50
"""How many entries are written back in one commit."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The container that replaced another, and its first status: no reader finds neither of the two."""

    container: Container
    status: str = ""


Ended: TypeAlias = Callable[[LedgerEntry, Applied, Sequence[Outcome]], None]
"""Told what became of actions, once that is written down: the entry before, what is applied now, the outcomes."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """An entry as this host keeps it: of which store it is, and the revision at which it was written there."""

    entry: LedgerEntry
    revision: int = 0
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the store's ledger compares with the copies. `lost`: whose entry is older than the copy, or gone.

    A ledger without any entry has lost none: its host was forgotten, and the copies are the whole of it.
    """

    stored: Mapping[Container, tuple[int, LedgerEntry]]
    before: Mapping[Container, _Copy]

    @property
    def lost(self) -> Mapping[Container, str]:
        found = self.before.items() if self.stored else ()
        return {one: copy.entry.name for one, copy in found if self.revision(one) < copy.revision}

    def revision(self, container: Container) -> int:
        return self.stored[container][0] if container in self.stored else 0


class Ledger:
    """See the module. All methods but `entry` and `entries` raise `Unavailable`, and `Conflict` when fenced off."""

    def __init__(
        self,
        store: Store,
        keyspace: Keyspace,
        host: Host,
        fence: Expect | None = None,
        copies: Folder | None = None,
    ) -> None:
        self._store = store
        self._keyspace = keyspace
        self._host = host
        self._fence = fence
        self._ended: Ended = lambda entry, applied, outcomes: None
        self._folder = copies or Folder()
        self._lock = threading.Lock()
        self._copies = _read_copies(self._folder)
        self._entries: dict[Container, LedgerEntry] = {one: copy.entry for one, copy in self._copies.items()}
        self._cluster = ""
        self._apart = False
        self.claims = 0
        """How often the host was claimed: another agent may have written in between."""

    def tell(self, ended: Ended) -> None:
        """Whom to tell from now on of what became of actions."""
        self._ended = ended

    def refence(self, fence: Expect) -> None:
        """Write under another claim from now on, after the host was claimed again."""
        self._fence = fence
        self.claims += 1

    def compare(self) -> Standing:
        """Read what stands in the store; a document that is none of ours is passed over."""
        with self._lock:
            before = dict(self._copies)
        prefix = self._keyspace.ledger(self._host, Container(""))
        listing = self._store.snapshot([Area(prefix)])
        parsed = {key.removeprefix(prefix): (e.mod_revision, parse(e.text)) for key, e in listing.entries.items()}
        return Standing({Container(one): (at, entry) for one, (at, entry) in parsed.items() if entry}, before)

    def settle(self, standing: Standing, here: Set[Container], cluster: str, *, doubtful: bool) -> None:
        """Take over the store's entries, or while it is in doubt the copies; write only copies while it is.

        What only a copy knows of a container that is not here any more is forgotten, unless the store is in doubt.
        `cluster` is the store whose digest key is used: digests of another one's are taken for unknown.
        """
        with self._lock:
            self._apart = doubtful
            chosen: dict[Container, _Copy] = {}
            for container, (revision, entry) in standing.stored.items():
                removed_since = container in standing.before and container not in self._copies
                if not removed_since and (not doubtful or container in here):
                    chosen[container] = _Copy(entry, revision, cluster)
            for container, copy in self._copies.items():
                same = copy.cluster == cluster
                newer = container not in chosen or (same and chosen[container].revision < copy.revision)
                wanted = doubtful or container in here or container not in standing.before
                if wanted and (newer or (doubtful and not same)):
                    chosen[container] = copy
            for container in self._copies.keys() - chosen.keys():
                self._folder.remove(container)
            self._copies, self._cluster = chosen, cluster
            self._entries = {one: _read_in(copy, cluster) for one, copy in chosen.items()}

    def write_back(self, standing: Standing, cluster: str, newest: int | None = None) -> None:
        """Make the store's entries what is known here; the store is no longer in doubt then.

        `newest`: a store that went back counts its revisions from there; nothing was applied after that one.
        """
        with self._lock:
            if newest is not None:
                self._entries = {one: _applied_by(entry, newest) for one, entry in self._entries.items()}
            entries: dict[Container, LedgerEntry | None] = dict(self._entries)
        entries |= dict.fromkeys(standing.stored.keys() - entries.keys())
        wrong = [one for one, entry in entries.items() if self._differs(standing, one, entry)]
        self._cluster, self._apart = cluster, False
        for start in range(0, len(wrong), AT_ONCE):
            some = {one: entries[one] for one in wrong[start : start + AT_ONCE]}
            ghosts = [one for one, entry in some.items() if entry is None]  # not here any more: nor is their status
            self._commit([Delete(self._keyspace.status(self._host, one)) for one in ghosts], some)

    def _differs(self, standing: Standing, container: Container, entry: LedgerEntry | None) -> bool:
        """Whether the store has it otherwise, or at an older revision than the copy, which is then told anew."""
        older = container in self._copies and standing.revision(container) < self._copies[container].revision
        return older or standing.stored.get(container, (0, None))[1] != entry

    def entry(self, container: Container) -> LedgerEntry | None:
        with self._lock:
            return self._entries.get(container)

    def entries(self) -> Mapping[Container, LedgerEntry]:
        with self._lock:
            return dict(self._entries)

    def record_base(self, container: Container, entry: LedgerEntry) -> None:
        """Remember a container's own spec before anything is done to it."""
        self._write({container: entry})

    def rebase(self, container: Container, base: Base) -> None:
        """Its own spec names another container now; all else that is known of it stays."""
        if self._known(container).base != base:
            self._write({container: replace(self._known(container), base=base)})

    def adopt(self, container: Container) -> None:
        """From now on settings are brought into the container."""
        self._write({container: replace(self._known(container), adopted=True)})

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
            old, applied=applied, arguments=arguments, intent=None, outcomes=kept(old.outcomes, outcomes)
        )
        self._hand_over(container, entry, successor)
        self._ended(old, applied, outcomes)

    def as_before(self, container: Container, successor: Container) -> Successor:
        """A successor with the status of the one before it, until it is looked at. Raises `Unavailable`."""
        key = self._keyspace.status(self._host, container)
        told = self._store.read([key]).entries.get(key)
        return Successor(successor, told.text.replace(container, successor) if told is not None else "")

    def failed(
        self,
        container: Container,
        applied: Applied,
        outcomes: Sequence[Outcome],
        successor: Successor | None = None,
    ) -> None:
        """The last of the outcomes failed; `applied` says what is in effect, and what is not tried again."""
        old = self._known(container)
        entry = replace(old, applied=applied, intent=None, outcomes=kept(old.outcomes, outcomes))
        self._hand_over(container, entry, successor)
        self._ended(old, applied, outcomes)

    def halted(self, container: Container, outcomes: Sequence[Outcome]) -> None:
        """A brake came on in the middle: what is left is planned anew once that is off."""
        old = self._known(container)
        self._write({container: replace(old, intent=None, outcomes=kept(old.outcomes, outcomes))})
        self._ended(old, old.applied, outcomes)

    def forget(self, container: Container) -> None:
        """The container is gone: so are its ledger entry and its status."""
        self._commit([Delete(self._keyspace.status(self._host, container))], {container: None})

    def _known(self, container: Container) -> LedgerEntry:
        with self._lock:
            return self._entries[container]

    def _hand_over(self, container: Container, entry: LedgerEntry, successor: Successor | None) -> None:
        """Write the entry, and with a successor under that, with its status in place of the one before."""
        if successor is None or successor.container == container:
            self._write({container: entry})
            return
        told: list[Operation] = [Delete(self._keyspace.status(self._host, container))]
        if successor.status:
            told.append(Put(self._keyspace.status(self._host, successor.container), successor.status))
        self._commit(told, {successor.container: entry, container: None})

    def _write(self, entries: Mapping[Container, LedgerEntry | None]) -> None:
        self._commit([], entries)

    def _commit(self, more: Sequence[Operation], entries: Mapping[Container, LedgerEntry | None]) -> None:
        operations: list[Operation] = list(more)
        for container, entry in entries.items():
            key = self._keyspace.ledger(self._host, container)
            operations.append(Delete(key) if entry is None else Put(key, dump(entry)))
        if not self._apart:
            revision = self._store.commit(operations, [self._fence] if self._fence else [])
        with self._lock:
            for container, entry in entries.items():
                if entry is None:
                    self._entries.pop(container, None)
                    self._copies.pop(container, None)
                    self._folder.remove(container)
                    continue
                self._entries[container] = entry
                old = self._copies.get(container, _Copy(entry))
                self._copies[container] = copy = _Copy(
                    entry, old.revision if self._apart else revision, self._cluster
                )
                document = {"revision": copy.revision, "cluster": copy.cluster, "entry": dump(entry)}
                self._folder.write(container, document)


def _read_copies(folder: Folder) -> dict[Container, _Copy]:
    found: dict[Container, _Copy] = {}
    for name, document in folder.read_all().items():
        with suppress(KeyError, TypeError, ValueError):
            entry = parse(document["entry"])
            if entry is not None:
                found[Container(name)] = _Copy(entry, int(document["revision"]), str(document["cluster"]))
    return found


def _read_in(copy: _Copy, cluster: str) -> LedgerEntry:
    """The entry as it reads in a store: what another store's key has made says nothing there."""
    if origin_of(copy.cluster) == origin_of(cluster):
        return copy.entry
    applied = copy.entry.applied
    there = replace(
        applied,
        spec=applied.spec and unknown(applied.spec),
        keys=frozen({key: unknown(digest) for key, digest in applied.keys.items()}),
        failed=applied.failed and unknown(applied.failed),
        refused=applied.refused and unknown(applied.refused),
        rejected=applied.rejected and unknown(applied.rejected),
    )
    arguments = copy.entry.arguments and unknown(copy.entry.arguments)
    return replace(copy.entry, applied=there, arguments=arguments)


def _applied_by(entry: LedgerEntry, newest: int) -> LedgerEntry:
    return replace(entry, applied=replace(entry.applied, revision=min(entry.applied.revision, newest)))
