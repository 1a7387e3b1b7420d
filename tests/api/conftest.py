"""The use-cases over the in-memory store, for every test of the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from confd.services.context import Context
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield made
