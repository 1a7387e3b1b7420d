"""Whether the store is still the one that this agent has acted upon.

The agent remembers the store's identity and how far it had come, on its own host. A store with another identity or
without one, that is older than it was, or that has lost what the agent wrote, is in doubt: nothing is done to any
container until somebody has looked at the plan and said so with `confctl resume`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from confd.backups import origin_of
from confd.durable import Folder
from confd.model import Entry
from confd.ports import Clock

__all__ = ["Doubt", "Memory", "Sighting", "Trust", "is_resumed", "judge"]

log = logging.getLogger(__name__)

NAME = "store"
SAVE_S = 10.0
"""How often at most a revision alone is written down."""
RESUME = "`confctl resume` shows what would be done, and goes on"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the store is in doubt, since when, and at which of its revisions that began."""

    why: str
    since: str
    revision: int


@dataclass(frozen=True, slots=True)
class Memory:
    """The store's identity as it was trusted last, and the highest revision known of it. No identity: none yet."""

    cluster: str = ""
    revision: int = 0
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the store shows now. `cluster` None: it has no identity. `lost`: containers whose entries it has lost.

    `restored`: the stream was told that the store has left the line of history that was followed.
    """

    revision: int
    cluster: str | None
    resumed: Entry | None = None
    restored: bool = False
    lost: Sequence[str] = ()


def judge(memory: Memory, seen: Sighting, now: str) -> Memory:
    """What to remember after a look at the store. Pure."""
    if not memory.cluster:
        return Memory(seen.cluster, seen.revision) if seen.cluster else memory
    doubt = memory.doubt
    if doubt is not None and seen.revision >= doubt.revision and not seen.restored:
        if is_resumed(seen.resumed, seen.cluster, doubt.revision):
            return Memory(seen.cluster or "", seen.revision)
        return replace(memory, doubt=replace(doubt, why=_why(memory, seen) or doubt.why))
    why = _why(memory, seen)
    if why or doubt is not None:
        since = doubt.since if doubt else now
        return replace(memory, doubt=Doubt(why or "the store went back once more", since, seen.revision))
    return replace(memory, revision=max(memory.revision, seen.revision))


def is_resumed(resumed: Entry | None, cluster: str | None, since: int) -> bool:
    """Whether somebody has taken this very store for the right one after a revision.

    A record that came with a restored backup is older than the doubt, and one of another store names that.
    """
    if resumed is None or cluster is None or resumed.mod_revision <= since:
        return False
    try:
        return bool(json.loads(resumed.text)["cluster"] == cluster)
    except (ValueError, KeyError, TypeError):
        return False


def _why(memory: Memory, seen: Sighting) -> str:
    if seen.cluster is None:
        return "the store is suddenly empty: it has lost its meta"
    if seen.cluster != memory.cluster:
        restored = origin_of(seen.cluster) == origin_of(memory.cluster)
        other = "this is another store than before: its cluster id has changed"
        return "the store was restored from a backup" if restored else other
    if seen.revision < memory.revision:
        return (
            f"the store went back from revision {memory.revision} to {seen.revision}, as a restored backup does"
            if memory.doubt is None
            else memory.doubt.why
        )
    if seen.restored:
        return "the store is no longer what it was, as after a restored backup"
    if seen.lost:
        some = ", ".join(sorted(seen.lost)[:3])
        return f"the store has lost what this agent wrote of {some}, as after a restored backup"
    return ""


@dataclass(slots=True)
class Trust:
    """The memory, kept in a folder of this host."""

    clock: Clock
    folder: Folder = field(default_factory=Folder)
    memory: Memory = field(init=False)
    _saved_s: float = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.memory = _read(self.folder)
        self._saved_s = self.clock.now()
        if self.memory.doubt is not None:
            log.warning("the store was in doubt when this agent ended: %s", self.memory.doubt.why)

    @property
    def doubt(self) -> Doubt | None:
        return self.memory.doubt

    def keep(self, memory: Memory) -> None:
        """Remember this from now on; a doubt that begins or ends is told once."""
        with self._lock:
            before, self.memory = self.memory, memory
            plain = (before.cluster, before.doubt) == (memory.cluster, memory.doubt)
            if before == memory or (plain and self.clock.now() < self._saved_s + SAVE_S):
                return
            self._saved_s = self.clock.now()
            self.folder.write(NAME, asdict(memory))
        if memory.doubt is not None and (before.doubt is None or before.doubt.why != memory.doubt.why):
            log.warning("%s. Nothing is done any more; %s", memory.doubt.why, RESUME)
        elif before.doubt is not None and memory.doubt is None:
            log.warning("the store was taken for the right one; going on")


def _read(folder: Folder) -> Memory:
    document: Any = folder.read_all().get(NAME)
    try:
        doubt = document["doubt"]
        return Memory(
            str(document["cluster"]),
            int(document["revision"]),
            Doubt(str(doubt["why"]), str(doubt["since"]), int(doubt["revision"])) if doubt else None,
        )
    except (KeyError, TypeError, ValueError):
        return Memory()
