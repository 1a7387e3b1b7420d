"""A mirror on a store for one test, and what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from confd.keys import App, Env, Keyspace, Layer
from confd.mirror import Mirror
from confd.model import Snapshot
from confd.ports import Area, Store
from confd.snapshot import Touched, all_areas

__all__ = ["SPACE", "WEB", "A", "Seen", "follow", "text_of"]

SPACE = Keyspace()
WEB = Layer(Env("prod"), App("web"))
A = "/confd/envs/prod/settings/web/A"


@dataclass
class Seen:
    """A running mirror with every snapshot it told, in order."""

    mirror: Mirror
    told: list[tuple[Snapshot, Touched | None]] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        return text_of(self.mirror.snapshot)


def text_of(snapshot: Snapshot, key: str = "A") -> str | None:
    entry = snapshot.layers.get(WEB, {}).get(key)
    return entry.text if entry else None


@pytest.fixture
def follow() -> Iterator[Callable[..., Seen]]:
    """Start a mirror of everything the API follows (or of these areas)."""
    mirrors: list[Mirror] = []

    def start(store: Store, areas: tuple[Area, ...] = all_areas(SPACE), resync_s: float = 300.0) -> Seen:
        mirror = Mirror(store, SPACE, areas, resync_s=resync_s)
        seen = Seen(mirror)
        mirror.subscribe(lambda snapshot, touched: seen.told.append((snapshot, touched)))
        mirrors.append(mirror)
        mirror.start()
        return seen

    yield start
    for mirror in mirrors:
        mirror.stop()
