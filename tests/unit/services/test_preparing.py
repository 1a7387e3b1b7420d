from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from confd.errors import Configuration, Unavailable
from confd.keyfile import KeyFile
from confd.keys import Env
from confd.ports import Put
from confd.services.context import Context
from confd.services.preparing import Preparing
from confd.services.sealing import provide
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.secrets import FIRST, KEYS, SECOND
from tests.support.stores import FailingStore
from tests.support.wait import until


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield made


def test_a_store_out_of_reach_holds_nobody_up_and_is_prepared_once_it_is_there_b87(context: Context) -> None:
    store = FailingStore(read_error=Unavailable("away"))
    preparing = Preparing(replace(context, store=store))
    preparing.start(threading.Event())
    store.read_error = None
    until(lambda: store.inner.read([context.keyspace.meta]).entries, 10)
    preparing.stop()


def test_a_store_of_another_format_is_refused_at_once(context: Context) -> None:
    context.store.commit([Put(context.keyspace.meta, '{"format": 99, "digest_key": ""}')])
    with pytest.raises(Configuration, match="format 99"):
        Preparing(context).start(threading.Event())


def test_who_is_stopped_does_not_wait_for_the_first_try_b87(context: Context) -> None:
    asked, answer = threading.Event(), threading.Event()

    class Silent(MemoryStore):
        def read(self, keys):  # type: ignore[no-untyped-def]  # as the port's
            asked.set()
            answer.wait(10)
            return super().read(keys)

    stop = threading.Event()
    preparing = Preparing(replace(context, store=Silent()))
    starting = threading.Thread(target=preparing.start, args=(stop,))
    starting.start()
    assert asked.wait(5)
    stop.set()
    starting.join(2)
    assert not starting.is_alive()
    answer.set()
    preparing.stop()


def test_a_store_whose_secrets_do_not_open_is_refused_with_the_ids_that_are_missing(context: Context) -> None:
    provide(replace(context, keys=KEYS), Env("dev"))
    for keys in (KeyFile(), KeyFile((SECOND,))):
        preparing = Preparing(replace(context, keys=keys))
        with pytest.raises(Configuration, match=f"env dev are under master key {FIRST.id}, which is not"):
            preparing.start(threading.Event())
    preparing = Preparing(replace(context, keys=KEYS))
    preparing.start(threading.Event())
    preparing.stop()
