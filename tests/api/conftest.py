"""The use-cases over the in-memory store, for every test of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from confd.clock import SystemClock
from confd.keys import Keyspace
from confd.mirror import Mirror
from confd.services.context import Context
from confd.services.meta import ensure_meta
from confd.snapshot import all_areas
from confd.stores.memory import MemoryStore


@pytest.fixture
def context() -> Iterator[Context]:
    store, keyspace = MemoryStore(), Keyspace()
    ensure_meta(store, keyspace)
    mirror = Mirror(store, keyspace, all_areas(keyspace))
    mirror.start()
    mirror.wait_current(5)
    yield Context(store, keyspace, mirror, SystemClock())
    mirror.stop()
    store.close()
