"""Two processes on one store in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from confd.services.context import Context
from tests.support.contexts import context_on
from tests.support.stores import FailingStore


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def context(store: FailingStore) -> Iterator[Context]:
    with context_on(store) as made:
        yield made


@pytest.fixture
def other(store: FailingStore, context: Context) -> Iterator[Context]:
    """Another process's view of the same store, whose commits meet no fault."""
    with context_on(store.inner) as made:
        yield made
