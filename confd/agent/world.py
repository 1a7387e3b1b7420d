"""What a pass may conclude and do: nothing without meta, without the store, or when settings are suddenly gone."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confd.agent.inventory import Place
from confd.agent.observe import Labels, Sight
from confd.agent.trust import RESUME, Doubt, Memory, Sighting, Trust, is_resumed, judge
from confd.binding import binding_of
from confd.clock import SystemClock
from confd.errors import ConfdError, Held, Unavailable
from confd.holds import holds_of
from confd.keyfile import KeyFile
from confd.keyring import Keyring, keyring
from confd.keys import Container, Host, layers_of
from confd.ledger import Ledger
from confd.mirror import Mirror
from confd.model import Cause, Hold, Reach, Snapshot
from confd.ports import Inspect
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.secretfiles import HOST_FOLDER
from confd.services.meta import Meta
from confd.shrink import is_shrink, is_vouched, shows_all
from confd.windows import closed

__all__ = ["World"]

log = logging.getLogger(__name__)


WHY_CHARACTERS = 500


def _why(freeze: Path) -> str:
    """What whoever put the file there wrote into it."""
    try:
        said = " ".join(freeze.read_text("utf-8", "replace")[:WHY_CHARACTERS].split())
    except OSError:
        return ""
    return f": {said}" if said else ""


def _no_heal(place: Place, inspects: Sequence[Inspect]) -> bool:
    return False


def _no_obstacles(inspect: Inspect, others: Sequence[Inspect]) -> tuple[str, ...]:
    return ()


@dataclass(slots=True)
class World:
    """See `confd.agent.reconcile.Pass`. `active` is set while this agent holds the claim on its host.

    `here` gives the containers that there are on this host.
    """

    host: Host
    mirror: Mirror
    ledger: Ledger
    read_meta: Callable[[str], Meta]
    labels: Labels
    facts: Mapping[str, Any]
    observe_only: bool = False
    freeze: Path | None = None
    active: bool = False
    healer: Callable[[Place, Sequence[Inspect]], bool] = _no_heal
    obstructer: Callable[[Inspect, Sequence[Inspect]], tuple[str, ...]] = _no_obstacles
    trust: Trust = field(default_factory=lambda: Trust(SystemClock()))
    here: Callable[[], Set[Container]] = frozenset
    secrets_root: Path = Path(HOST_FOLDER)
    keys: KeyFile = field(default_factory=KeyFile)
    _held: dict[Place, str] = field(default_factory=dict)
    _shrunk: dict[Place, Doubt] = field(default_factory=dict)
    _froze: bool = False
    _looking: threading.Lock = field(default_factory=threading.Lock)
    _compared: tuple[object, ...] = ()
    _era: int = 0
    _meta: Meta | None = None
    """The store's newest meta that could be read."""
    _opened: tuple[Meta | None, Keyring] = (None, Keyring())
    _no_key: DigestKey = field(default_factory=lambda: DigestKey(secrets.token_bytes(32)))

    @property
    def doubt(self) -> Doubt | None:
        """Why the whole store is in doubt, by the newest state that is known; None: it is trusted."""
        if self.trust.doubt is not None or not self.mirror.listed:
            return self.trust.doubt
        try:
            return judge(self.trust.memory, self._sighting(self.mirror.snapshot), self.trust.clock.utc()).doubt
        except ConfdError:
            return None  # a meta that cannot be read: no pass comes this far with it

    def doubts(self) -> list[dict[str, Any]]:
        """What waits for `confctl resume`, to be told: the store, or places whose settings are suddenly gone."""
        doubt = self.doubt
        if doubt is not None:
            return [{"env": None, "app": None, "why": doubt.why, "since": doubt.since}]
        waiting = [(place, self._waits(place)) for place in sorted(self._shrunk)]
        return [{"env": env, "app": app, "why": one.why, "since": one.since} for (env, app), one in waiting if one]

    def held(self, place: Place) -> str:
        """Why this agent does nothing to the place's containers now, whatever the store says; empty: it may."""
        still = self.stands_still()
        self._froze = self._froze or bool(still and not self.observe_only)
        doubt = None if still else self.doubt or self._waits(place)
        return f"{doubt.why}; {RESUME}" if doubt is not None else still

    def stands_still(self) -> str:
        """Why this agent does nothing to any container of its host, by its own file and flags; empty: it may."""
        if self.observe_only:
            return "this agent only looks, since it was started with --observe; start it without that"
        if self.freeze is not None and self.has_freeze_file():
            return f"this host is frozen by the file {self.freeze}{_why(self.freeze)}; remove that to go on"
        return ""

    def has_freeze_file(self) -> bool:
        return self.freeze is not None and self.freeze.exists()

    def freeze_file_changed(self) -> bool:
        """Whether the file came or went since this was asked, or went after a pass had met it."""
        before, self._froze = self._froze, self.has_freeze_file()
        return before != self._froze

    def holds(self, place: Place) -> tuple[Hold, ...]:
        """All that holds the place's containers at this moment, by the newest state that is known."""
        env, app = place
        held = self.held(place)
        own = (Hold(Cause.HELD, held),) if held else ()
        snapshot = self.mirror.snapshot
        maintenance = binding_of(snapshot, env, app)[0].maintenance
        new = [one.name for one in self.ledger.entries().values() if one.is_newcomer] if maintenance else []
        return (
            *own,
            *holds_of(snapshot, env, app, self.host),
            *closed(maintenance, self.trust.clock.utc(), new),
        )

    def check(self, place: Place, reach: Reach, name: str) -> None:
        """Raises `Held` where a step that reaches so far may not be done now to the container of this name."""
        for hold in self.holds(place):
            if hold.reach <= reach and name not in hold.spares:
                raise Held(hold.why)

    def heal(self, place: Place, inspects: Sequence[Inspect]) -> bool:
        return self.healer(place, inspects)

    def obstacles(self, inspect: Inspect, others: Sequence[Inspect]) -> tuple[str, ...]:
        return self.obstructer(inspect, others)

    def settings(self, place: Place) -> tuple[Snapshot, Sight] | None:
        """The snapshot and what to look with; None while nothing may be concluded. Raises `Unavailable`."""
        if not self.active:
            raise Unavailable("this agent is not the active one of its host now")
        if not self.mirror.current:
            raise Unavailable("the store is out of reach; nothing is changed until it is back")
        era, snapshot = self.mirror.era, self.mirror.snapshot  # in this order: the mirror sets them in it
        try:
            sighting = self._sighting(snapshot)
        except ConfdError as error:
            self._tell(place, f"{error.detail}. Nothing is changed")
            return None
        if sighting.cluster is None and not self.trust.memory.cluster:
            self._tell(place, "the store has no meta; is a server running on it? Nothing is changed")
            return None
        with self._looking:
            self._look(sighting)
            self._era = era
        waits = self._waits(place)
        self._tell(place, f"{waits.why}; nothing is done until they are back, or {RESUME}" if waits else "")
        return snapshot, Sight(self._key, self.labels, self.facts, self._open(), self.secrets_root)

    @property
    def _key(self) -> DigestKey:
        return self._meta.digest_key if self._meta is not None else self._no_key

    def _open(self) -> Keyring:
        """The data keys of the store's meta that this agent's keys unwrap, until the meta is another."""
        meta, ring = self._opened
        if meta is not self._meta:
            meta = self._meta
            ring = keyring(meta.data_keys, self.keys) if meta is not None else Keyring()
            self._opened = meta, ring
        return ring

    def _tell(self, place: Place, held: str) -> None:
        if held != self._held.get(place, ""):
            log.warning("%s@%s: %s", place[1], place[0], held or "there are settings again; going on")
            self._held[place] = held

    # --- whether the store is to be trusted -----------------------------------------------------------------

    def _sighting(self, snapshot: Snapshot) -> Sighting:
        """Raises `Configuration` for a meta that cannot be read."""
        meta = self.read_meta(snapshot.meta) if snapshot.meta is not None else None
        self._meta = meta or self._meta
        restored = self.mirror.era != self._era
        return Sighting(snapshot.revision, meta.cluster if meta else None, snapshot.resumed, restored)

    def _look(self, sighting: Sighting) -> None:
        """Whether this is the store that was acted upon; its ledger is compared whenever that may differ.

        Raises `Unavailable` where the store cannot be asked.
        """
        memory = self.trust.memory
        after = judge(memory, sighting, self.trust.clock.utc())
        if self._compared != self._standing(after):
            after = self._compare(memory, sighting)
        self.trust.keep(after)

    def _standing(self, memory: Memory) -> tuple[object, ...]:
        """Where any of these is new, the ledger is compared with the store's."""
        cluster = self._meta.cluster if self._meta else ""
        return self.mirror.openings, self.ledger.claims, cluster, memory.doubt is not None

    def _compare(self, memory: Memory, sighting: Sighting) -> Memory:
        """Raises `Unavailable`, and `Conflict` when fenced off."""
        cluster = self._meta.cluster if self._meta else ""
        opened = self._standing(memory)
        standing, here = self.ledger.compare(), self.here()
        lost = tuple(name for container, name in standing.lost.items() if container in here)
        after = judge(memory, replace(sighting, lost=lost), self.trust.clock.utc())
        if memory.doubt is None or after.doubt is not None:
            self.ledger.settle(standing, here, cluster, doubtful=after.doubt is not None)
        if after.doubt is None and (memory.doubt is not None or not standing.stored):
            resumed = sighting.resumed.mod_revision if memory.doubt is not None and sighting.resumed else None
            self.ledger.write_back(standing, cluster, None if resumed is None else resumed - 1)
        self._compared = (*opened[:3], after.doubt is not None)
        return after

    # --- whether an app's settings are to be trusted --------------------------------------------------------

    def _waits(self, place: Place) -> Doubt | None:
        """Why the place is kept as it is: much of what its containers run with has gone, and no change did that."""
        snapshot = self.mirror.snapshot
        why = self._suddenly_gone(snapshot, place)
        if not why:
            self._shrunk.pop(place, None)
            return None
        if place not in self._shrunk:
            self._shrunk[place] = Doubt(why, self.trust.clock.utc(), snapshot.revision)
        self._shrunk[place] = replace(self._shrunk[place], why=why)
        return self._shrunk[place]

    def _suddenly_gone(self, snapshot: Snapshot, place: Place) -> str:
        entries = [one for one in self.ledger.entries().values() if (one.env, one.app) == place]
        held = [one.applied for one in entries if one.applied.keys]
        if not held or self._vouched(snapshot, place, max(one.revision for one in held)):
            return ""
        now = set(resolve(snapshot, *place, self.host).settings)
        for applied in held:
            was = set(applied.keys)
            everything = not was & now
            if (everything or is_shrink(was, now)) and not self._vouched(snapshot, place, applied.revision):
                return f"{len(was - now)} of {len(was)} of its settings are suddenly gone, without any change"
        return ""

    def _vouched(self, snapshot: Snapshot, place: Place, since: int) -> bool:
        """Whether a change of a layer is why they went, or somebody has taken the whole store for right since."""
        layers = layers_of(*place, self.host)
        if is_vouched(snapshot, layers, since):
            return True
        resumed = is_resumed(snapshot.resumed, self._meta.cluster if self._meta else None, since)
        return resumed and all(shows_all(snapshot, layer) for layer in layers)
