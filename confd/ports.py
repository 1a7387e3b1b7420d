"""The only Protocols an adapter satisfies: `Store`, `Target` and its capabilities, `Clock`.

Each has a real adapter and an in-memory one that ship together; one contract suite (tests/contract) runs on
both. Errors that cross a port are `ConfdError` subclasses only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from confd.keys import Container
from confd.model import Entry

__all__ = [
    "Area",
    "Batch",
    "Clock",
    "Delete",
    "Engine",
    "Event",
    "Execs",
    "Expect",
    "Heard",
    "Inspect",
    "Lease",
    "Listing",
    "Lost",
    "Measures",
    "Operation",
    "Put",
    "Replacement",
    "Replaces",
    "Restarts",
    "Resync",
    "Signals",
    "Store",
    "Target",
    "TargetEvent",
    "Updates",
    "Watched",
]

# --- the store ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Area:
    """What a reader follows below one prefix.

    Only keys whose rest behind the prefix starts with one of `parts` are listed or told of. With
    `each_child` the prefix is a folder of folders: `parts` count from behind the child's name, so
    `Area("/confd/envs/", ("heads/", "settings/"), each_child=True)` follows the settings and heads of every
    env, and never reads the rest of an env, however large that is.
    """

    prefix: str
    parts: tuple[str, ...] = ("",)
    each_child: bool = False

    def holds(self, key: str) -> bool:
        """Whether the key is one that a reader of this area sees."""
        if not key.startswith(self.prefix):
            return False
        rest = key[len(self.prefix) :]
        if self.each_child:
            child, slash, rest = rest.partition("/")
            if not child or not slash:
                return False
        return rest.startswith(self.parts)


@dataclass(frozen=True, slots=True)
class Listing:
    """All entries of some areas at one revision, by key in ascending order."""

    revision: int
    entries: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Event:
    """A key was written (`entry`) or deleted (`entry` is None)."""

    key: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Batch:
    """All events of one revision under one area's prefix; may be empty when only other keys changed.

    `alive_at`: the store's revision when it gave this sign of life, 0 where it did not tell; never to go on from.
    """

    revision: int
    events: tuple[Event, ...]
    alive_at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Resync:
    """History up to here is gone (compaction): the full state, to take the place of what was known.

    `restored`: the store is no longer on the line of history that was followed, as after a restored backup.
    """

    listing: Listing
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The stream ended and is being opened again; nothing is known to have changed, nothing is current."""

    reason: str


Watched: TypeAlias = Batch | Resync | Lost


@dataclass(frozen=True, slots=True)
class Put:
    key: str
    text: str
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


Operation: TypeAlias = Put | Delete


@dataclass(frozen=True, slots=True)
class Expect:
    """A commit happens only when the key's mod revision is this one; 0 means that the key is absent."""

    key: str
    mod_revision: int


class Lease(Protocol):
    """A lease that is kept alive in the background until it is closed or lost."""

    @property
    def id(self) -> int: ...

    @property
    def lost(self) -> threading.Event:
        """Set once the store no longer grants the lease."""

    def close(self) -> None:
        """Revoke the lease; its keys are deleted. Never raises when the store is out of reach."""


class Store(Protocol):
    """Entries under a revision that only grows. Every call has a deadline."""

    def snapshot(self, areas: Sequence[Area], *, keys_only: bool = False) -> Listing:
        """Every entry of the areas at one revision, a linearizable read. Raises `Unavailable`.

        With `keys_only` the entries' texts are empty.
        """

    def read(self, keys: Sequence[str]) -> Listing:
        """These single keys at one revision, a linearizable read; absent ones are left out."""

    def watch(self, areas: Sequence[Area], after_revision: int, stop: threading.Event) -> Iterator[Watched]:
        """What happens after a revision, in order of revision, until `stop` is set; blocks in between.

        Any end of the stream is told as `Lost` and followed by a stream that goes on at the last revision
        delivered + 1. The first item after a (re)connection is a `Batch` (maybe empty), so that a consumer
        knows it is current again. A store that went back to an older state is told as a `Resync` that says so.
        Never raises.
        """

    def commit(self, operations: Sequence[Operation], expected: Sequence[Expect] = ()) -> int:
        """Do all operations at one revision, or none. Returns that revision.

        Raises `Conflict` when an expectation does not hold, `TooLarge`, `StoreFull`, `Unavailable`. After
        `Unavailable` it is not known whether it happened: read before doing it again.
        """

    def lease(self, ttl_s: float) -> Lease:
        """A new lease, kept alive until closed. Raises `Unavailable`."""

    def version(self) -> str:
        """What the store says that it is, for people: `etcd 3.4.23`. Raises `Unavailable`."""

    def close(self) -> None:
        """Let go of all connections; watches end."""


# --- the target -----------------------------------------------------------------------------------------

Inspect: TypeAlias = Mapping[str, Any]
"""A container as the engine's inspect call gives it (API 1.41 and later), or what stands in for it."""


@dataclass(frozen=True, slots=True)
class TargetEvent:
    """A container appeared, changed or went; `action` is the engine's word (`start`, `die`, `destroy` ...).

    `Lost`-like gaps are told as action `resync`: list everything again. `away` is told, once or over and over,
    while the engine does not answer.
    """

    container: Container
    action: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replacement:
    """What a container is to be created from: the name, and the bodies of the engine's create and connect.

    `networks` are connected after create and before start: network name -> endpoint settings. Made by pure
    code from an inspect (`confd.actions.fidelity`); a target only sends it.
    """

    name: str
    config: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, Any]]


Heard: TypeAlias = Callable[[str, str], None]
"""Told of each call of an engine: what it was about (`containers`, `images` ...), and `ok` or the error's code."""


class Target(Protocol):
    """Where containers live. Raises `EngineUnavailable`, `EngineRefused`, `ContainerGone`."""

    def engine(self) -> Mapping[str, Any]:
        """The engine's facts: `id`, `name`, `version`, `api_version`, `cpus`, `memory_bytes`, `swap_limit` ..."""

    def containers(self, label: str) -> Sequence[Inspect]:
        """Every container, running or not, that carries the label, inspected; one gone meanwhile is left out.

        An empty label stands for all containers.
        """

    def ids(self, since: str = "") -> Sequence[str]:
        """Of every container, running or not, in one call; of those made after this one where it is named.

        Raises `ContainerGone` where that one is not there.
        """

    def inspect(self, container: str) -> Inspect:
        """One container by id or name. Raises `ContainerGone`."""

    def events(self, stop: threading.Event) -> Iterator[TargetEvent]:
        """Events until `stop` is set; `resync` once there is an engine, and again after each gap. Never raises."""

    def close(self) -> None: ...


class Signals(Protocol):
    """It can send a signal."""

    def signal(self, container: str, signal: str) -> None:
        """Ask the engine to send the signal to the container's main process."""


class Restarts(Protocol):
    """It can stop a container and start it again."""

    def restart(self, container: str, timeout_s: float | None) -> None: ...

    def stop(self, container: str, timeout_s: float | None) -> None: ...

    def start(self, container: str) -> None: ...


class Updates(Protocol):
    """It can change limits of a running container."""

    def update(self, container: str, fields: Mapping[str, Any]) -> Sequence[str]:
        """Change limits in place; `fields` are HostConfig fields. Returns the engine's warnings."""


class Replaces(Protocol):
    """It can create, rename and remove containers."""

    def create(self, replacement: Replacement) -> Container: ...

    def rename(self, container: str, name: str) -> None: ...

    def remove(self, container: str) -> None:
        """Remove a stopped container and never its volumes; one that is gone is fine."""

    def logs(self, container: str, lines: int) -> str:
        """The last lines of its output, as text."""

    def listening(self, container: str) -> AbstractContextManager[Callable[[], str]]:
        """Hear one that the engine removes at its end, from before its start: afterwards it has no logs.

        What is called gives the end of what it said; of any other container, which keeps its logs, nothing.
        """

    def changes(self, container: str) -> Sequence[str]:
        """The paths that it has changed, added or taken away in its own file system, mounts left out."""

    def image_id(self, image: str) -> str | None:
        """The id an image name stands for now, or None."""

    def image_config(self, image: str) -> Mapping[str, Any]:
        """What an image gives to its containers, as the `Config` of its inspect; empty where it is not there."""


class Execs(Protocol):
    """It can run a command inside a container."""

    def execute(self, container: str, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        """Run a command inside and wait for it: its exit code (126, 127: there is no such program) and output.

        Of a long output the end. Raises `CommandFailed` with what it said when it takes longer than `timeout_s`
        seconds; it is killed then where the target can.
        """


class Measures(Protocol):
    """It can tell what a container uses."""

    def stats(self, container: str) -> Mapping[str, Any]:
        """What it uses now, as the engine's statistics call gives it; empty for one that does not run."""


class Engine(Target, Signals, Restarts, Updates, Replaces, Execs, Measures, Protocol):
    """A target that can do all of it, as Docker can."""


class Clock(Protocol):
    """Time, so that tests need none."""

    def now(self) -> float:
        """Seconds of a monotonic clock."""

    def utc(self) -> str:
        """Now as RFC 3339 UTC with milliseconds."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        """Wait for the event; True when it is set."""
