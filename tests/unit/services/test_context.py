"""The process's one view of the store: never older than asked for, and what it does without a store."""

from __future__ import annotations

import threading

import pytest

from confd.errors import Configuration, Unavailable
from confd.keys import App, Env, Key, Keyspace, Layer
from confd.ports import Put
from confd.services import settings
from confd.services.context import Context
from confd.services.meta import ensure_meta, parse_meta
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.stores import FailingStore
from tests.support.wait import until

HERE, THERE = Scope(Env("dev"), App("web")), Scope(Env("dev"), App("db"))


def test_a_process_reads_what_it_wrote(context: Context) -> None:
    for number in range(20):
        written = settings.edit(context, HERE, Edit({"a": number}))
        assert context.snapshot().revision >= written.revision


def test_a_read_is_not_older_than_the_revision_it_asks_for(context: Context, other: Context) -> None:
    revision = settings.edit(other, HERE, Edit({"a": 1})).revision
    assert HERE.layer in context.snapshot(revision).layers


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a view does not have by now it is not waited for."""
    monkeypatch.setattr("confd.services.context.CATCH_UP_S", 0.1)


@pytest.mark.usefixtures("hurried")
def test_a_view_that_has_stopped_asks_the_store(context: Context, other: Context) -> None:
    other.mirror.stop()
    revision = settings.edit(context, HERE, Edit({"a": 1})).revision
    assert other.snapshot(revision).revision >= revision


@pytest.mark.usefixtures("hurried")
def test_a_revision_that_never_was_is_unavailable_not_an_older_answer(context: Context) -> None:
    with pytest.raises(Unavailable, match="has not reached revision 999999"):
        context.snapshot(999_999)


def test_a_store_out_of_reach_is_told_and_found_again() -> None:
    store = MemoryStore()
    with context_on(store) as context:
        settings.edit(context, HERE, Edit({"a": 1}))
        store.set_reachable(False)
        until(lambda: not context.mirror.current, 5)
        for read in (context.snapshot, context.fresh):
            with pytest.raises(Unavailable):
                read()
        store.set_reachable(True)
        until(lambda: context.mirror.current, 5)
        assert HERE.layer in context.snapshot().layers


def test_a_store_put_back_from_a_backup_is_served_from_there_on() -> None:
    store = MemoryStore()
    with context_on(store) as context:
        kept = settings.edit(context, HERE, Edit({"a": 1})).revision
        settings.edit(context, THERE, Edit({"b": 1}))
        settings.edit(context, HERE, Edit({"a": 2}))
        assert _told(context) == ("2", 2)
        store.restore(kept)
        until(lambda: context.mirror.era == 1 and context.mirror.current, 5)
        assert context.snapshot().revision == kept
        settings.edit(context, HERE, Edit({"a": 3}))
        settings.edit(context, HERE, Edit({"a": 4}))
        assert _told(context) == ("4", 3)


def _told(context: Context) -> tuple[str, object]:
    """The value of a, and the number of the change that set it."""
    told = settings.read_one(context, context.snapshot(), HERE, Key("a"))
    return str(told["value"].text), told["change"]


def test_writers_of_one_layer_take_turns_and_those_of_another_do_not(context: Context) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with context.writing(HERE.layer):
            inside.set()
            go_on.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(5)
    with context.writing(Layer(Env("qa"), App("web"))):
        pass
    assert context.state.locks[HERE.layer].locked()
    go_on.set()
    holder.join(5)
    assert not context.state.locks[HERE.layer].locked()


def test_a_turn_ends_with_an_error_too(context: Context) -> None:
    with pytest.raises(ValueError, match="x"), context.writing(HERE.layer):
        raise ValueError("x")
    assert not context.state.locks[HERE.layer].locked()


# --- meta -------------------------------------------------------------------------------------------------


def test_every_process_has_the_same_digest_key(context: Context, other: Context) -> None:
    digest = context.digest_key(context.fresh()).digest("x", "text")
    assert other.digest_key(other.fresh()).digest("x", "text") == digest


def test_of_two_processes_that_come_first_one_makes_the_meta() -> None:
    store, keyspace = FailingStore(), Keyspace()
    store.before_commit = lambda operations: ensure_meta(store.inner, keyspace) is not None
    key = ensure_meta(store, keyspace)
    stored = store.read([keyspace.meta]).entries[keyspace.meta].text
    assert key.digest("x", "t") == parse_meta(stored).digest("x", "t")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"format": 3, "digest_key": "", "cluster": "c"}',
        '{"format": 1, "digest_key": "AAAA"}',
        '{"format": 1, "digest_key": "?"}',
    ],
)
def test_a_store_of_another_format_or_with_a_damaged_meta_is_not_served(context: Context, text: str) -> None:
    context.store.commit([Put(context.keyspace.meta, text)])
    with pytest.raises(Configuration):
        context.digest_key(context.fresh())
