"""What an API process does by itself: edits are recorded as they come, records pruned when the rules change."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from confd.errors import Unavailable
from confd.keys import App, Env, Key
from confd.ports import Area, Delete, Operation, Put
from confd.services import changes, envrules, settings
from confd.services.context import Context
from confd.services.keeping import Keeping
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore
from tests.support.wait import until

HERE = Scope(Env("dev"), App("web"))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that failed is asked again at once."""
    monkeypatch.setattr("confd.services.keeping.AGAIN_S", 0.1)


@pytest.fixture
def kept(context: Context, other: Context) -> Iterator[Context]:
    """Two processes that keep the same store."""
    settings.edit(context, HERE, Edit({"A": "1"}))
    keepings = [Keeping(one) for one in (context, other)]
    for one in keepings:
        one.start()
    yield context
    for one in keepings:
        one.stop()


def put(context: Context, key: str, text: str) -> None:
    context.wrote(context.store.commit([Put(context.keyspace.setting(HERE.layer, Key(key)), text)]))


def number(context: Context) -> int:
    return context.snapshot().heads[HERE.layer].number


def reached(context: Context, count: int) -> bool:
    return number(context) == count


def test_several_processes_record_each_edit_once(kept: Context) -> None:
    for count in range(2, 5):
        put(kept, "A", f'"{count}"')
        until(partial(reached, kept, count), 20)
    assert [changes.record(kept, HERE.layer, count).after for count in (2, 3, 4)] == [
        {"A": '"2"'},
        {"A": '"3"'},
        {"A": '"4"'},
    ]


def test_edits_of_one_go_are_one_change_b111(kept: Context) -> None:
    for key in "BCD":
        put(kept, key, "1")
    until(lambda: number(kept) == 2, 20)
    assert sorted(changes.record(kept, HERE.layer, 2).after) == ["B", "C", "D"]


def test_what_was_there_before_the_process_is_recorded_when_it_starts(context: Context) -> None:
    put(context, "A", "1")
    keeping = Keeping(context)
    keeping.start()
    until(lambda: HERE.layer in context.snapshot().heads, 20)
    keeping.stop()


def test_a_store_without_meta_is_left_alone_until_it_has_one(context: Context) -> None:
    meta = context.snapshot().meta
    assert meta is not None
    context.wrote(context.store.commit([Delete(context.keyspace.meta)]))
    put(context, "A", "1")
    keeping = Keeping(context)
    keeping.start()
    context.wrote(context.store.commit([Put(context.keyspace.meta, meta)]))
    put(context, "B", "1")
    until(lambda: HERE.layer in context.snapshot().heads, 20)
    keeping.stop()


def test_records_go_when_an_env_keeps_fewer(kept: Context) -> None:
    for count in range(5):
        settings.edit(kept, HERE, Edit({"A": f"new {count}"}))
    envrules.put(kept, HERE.env, {"records": {"changes": 1}}, Edit())
    area = Area(kept.keyspace.changes(HERE.layer))
    until(lambda: len(kept.store.snapshot([area], keys_only=True).entries) == 2, 20)


def test_a_store_that_refuses_for_a_while_is_tried_again(context: Context, store: FailingStore) -> None:
    tried = threading.Event()

    def refuse(operations: Sequence[Operation]) -> bool:
        tried.set()
        return True

    put(context, "A", "1")
    store.before_commit, store.write_error = refuse, Unavailable("away")
    keeping = Keeping(context)
    keeping.start()
    assert tried.wait(20)
    store.write_error = None
    until(lambda: HERE.layer in context.snapshot().heads, 20)
    keeping.stop()
