"""What the use-cases work with, over any store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confd.clock import SystemClock
from confd.keys import Keyspace
from confd.mirror import Mirror
from confd.ports import Store
from confd.services.context import Context
from confd.services.meta import ensure_meta
from confd.snapshot import all_areas

__all__ = ["context_on"]


@contextmanager
def context_on(store: Store) -> Iterator[Context]:
    """A context with a current mirror; the store is closed in the end."""
    keyspace = Keyspace()
    ensure_meta(store, keyspace)
    mirror = Mirror(store, keyspace, all_areas(keyspace))
    mirror.start()
    mirror.wait_current(10)
    yield Context(store, keyspace, mirror, SystemClock())
    mirror.stop()
    store.close()
