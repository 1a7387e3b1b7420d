"""What a pass may conclude and do: nothing without meta, without the store, or when settings are suddenly gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confd.agent.inventory import Place
from confd.agent.observe import Labels, Sight
from confd.errors import ConfdError, Unavailable
from confd.keys import Host, layers_of
from confd.ledger import Ledger
from confd.mirror import Mirror
from confd.model import Snapshot
from confd.ports import Inspect
from confd.secret import DigestKey

__all__ = ["World"]

log = logging.getLogger(__name__)


def _no_heal(place: Place, inspects: Sequence[Inspect]) -> bool:
    return False


def _no_obstacles(inspect: Inspect, others: Sequence[Inspect]) -> tuple[str, ...]:
    return ()


@dataclass(slots=True)
class World:
    """See `confd.agent.reconcile.Pass`. `active` is set while this agent holds the claim on its host."""

    host: Host
    mirror: Mirror
    ledger: Ledger
    parse_meta: Callable[[str], DigestKey]
    labels: Labels
    facts: Mapping[str, Any]
    observe_only: bool = False
    freeze: Path | None = None
    active: bool = False
    healer: Callable[[Place, Sequence[Inspect]], bool] = _no_heal
    obstructer: Callable[[Inspect, Sequence[Inspect]], tuple[str, ...]] = _no_obstacles
    _held: dict[Place, str] = field(default_factory=dict)

    @property
    def acting(self) -> bool:
        return not self.observe_only and not (self.freeze is not None and self.freeze.exists())

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
        snapshot = self.mirror.snapshot
        held, key = self._judge(snapshot, place)
        if held != self._held.get(place, ""):
            log.warning("%s@%s: %s", place[1], place[0], held or "there are settings again; going on")
            self._held[place] = held
        return None if key is None else (snapshot, Sight(key, self.labels, self.facts))

    def _judge(self, snapshot: Snapshot, place: Place) -> tuple[str, DigestKey | None]:
        """Why nothing is done, or the cluster's key."""
        if snapshot.meta is None:
            return "the store has no meta; is a server running on it? Nothing is changed", None
        if self._suddenly_empty(snapshot, place):
            return "its settings are suddenly gone, without any change; nothing is done until they are back", None
        try:
            return "", self.parse_meta(snapshot.meta)
        except ConfdError as error:
            return f"the store's meta cannot be read: {error.detail}. Nothing is changed", None

    def _suddenly_empty(self, snapshot: Snapshot, place: Place) -> bool:
        """Whether settings were in effect and not even a layer's head is left: a change would leave that."""
        if any(layer in snapshot.layers or layer in snapshot.heads for layer in layers_of(*place, self.host)):
            return False
        entries = self.ledger.entries().values()
        return any(entry.applied.keys for entry in entries if (entry.env, entry.app) == place)
