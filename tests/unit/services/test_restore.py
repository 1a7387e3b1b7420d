"""Backup and restore: all reads are the same afterwards, and a store is whole, or says that it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as how_often
from hypothesis import strategies as st

from confd.backups import Backup, Record, parse
from confd.errors import ConfdError, Configuration, Conflict, Invalid, NeedsYes, NotFound, Refused, Unavailable
from confd.keys import App, Env, Host, Keyspace, Layer
from confd.model import Change, Snapshot
from confd.outofband import unvouched
from confd.ports import Delete, Put, Store
from confd.rollout import Stop, settings_id, stop_in, stop_text
from confd.services import bindings, brakes, changes, envrules, history, outofband, settings
from confd.services.backup import backup
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.meta import ensure_meta, fresh_meta, read_meta, restoring_meta
from confd.services.restore import Asked, prepare, restore
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.hosts import HostStand
from tests.support.secrets import KEYS
from tests.support.stores import FailingStore

SPACE = Keyspace()
DEV, WEB, EVERY, H1 = Env("dev"), App("web"), Env("_default"), Host("h1")
HERE = Scope(DEV, WEB)
SCOPES = (HERE, Scope(EVERY, WEB), Scope(DEV, App("_default")), Scope(DEV, WEB, H1), Scope(DEV, App("db")))
YES = Asked(yes=True)
NONE: Any = {"on_change": [{"keys": "**", "action": "none"}]}


def taken(context: Context) -> Backup:
    _, lines = backup(context)
    return parse(line.encode() for line in lines)


def put_back(context: Context, whole: Backup, asked: Asked = YES) -> dict[str, Any]:
    *_, last = restore(context, prepare(context, whole, asked))
    return last


@contextmanager
def restored(whole: Backup, store: Store | None = None) -> Iterator[Context]:
    with context_on(store or MemoryStore()) as fresh:
        put_back(fresh, whole)
        yield fresh


def reads(context: Context) -> dict[str, Any]:
    """All that can be read, but revisions, which are others in another store."""
    seen = context.fresh()
    found: dict[str, Any] = {}
    for at, one in seen.heads.items():
        found[f"head {at}"] = {"id": one.id, "at": one.at, "told": (one.number, one.held, unvouched(seen, at))}
    for scope in SCOPES:
        own, due = (settings.read(context, seen, scope, own=one) for one in (True, False))
        told = [settings.change_document(one) for one in _history(context, scope)]
        states = [changes.state_after(context, seen, scope.layer, number) for number in range(own["change"] + 1)]
        found[str(scope)] = _bare([own, due, told, states, bindings.get(seen, scope)])
    return found | {"brakes": _bare(brakes.read_all(seen))}


def _history(context: Context, scope: Scope) -> Sequence[Change]:
    return history.page(context, scope.place, history.Wanted(1000)).changes


def _bare(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _bare(one) for name, one in document.items() if name not in ("revision", "at_revision")}
    return [_bare(one) for one in document] if isinstance(document, list) else document


def _change(scope: Scope, edit: dict[str, Any], unset: tuple[str, ...] = ()) -> Callable[[Context], object]:
    return lambda context: settings.edit(
        context, scope, Edit(edit, unset=unset, message="why", yes=True, force=True)
    )


NAMES = st.sampled_from(["A", "B", "db/pool"])
EDITS = st.dictionaries(NAMES, st.one_of(st.integers(), st.text(max_size=3), st.none()), min_size=1)
STEPS = st.one_of(
    st.builds(_change, st.sampled_from(SCOPES), EDITS),
    st.builds(lambda scope, key: _change(scope, {}, (key,)), st.sampled_from(SCOPES), NAMES),
    st.builds(
        lambda scope, to: lambda context: settings.rollback(context, scope, to, Edit(yes=True, force=True)),
        st.sampled_from(SCOPES),
        st.one_of(st.none(), st.integers(0, 3)),
    ),
    st.builds(
        lambda scope: lambda context: bindings.put(context, scope, NONE, Edit(yes=True)),
        st.sampled_from([HERE, Scope(EVERY, WEB)]),
    ),
    st.builds(
        lambda app: lambda context: brakes.freeze(context, Frozen(DEV, app), Wanted("anna", "why", yes=True)),
        st.sampled_from([None, WEB]),
    ),
    st.builds(
        lambda key: lambda context: context.store.commit([Put(SPACE.settings(HERE.layer) + key, '"oob"')]), NAMES
    ),
    st.builds(lambda layer: lambda context: outofband.record(context, layer), st.sampled_from([HERE.layer])),
    st.builds(
        lambda word: lambda context: envrules.put(context, DEV, {"out_of_band": word}, Edit()),
        st.sampled_from(["hold", "apply"]),
    ),
    st.builds(lambda key: lambda context: _take_away(context, SPACE.settings(HERE.layer) + key), NAMES),
)


def _take_away(context: Context, key: str) -> None:
    if key in context.store.read([key]).entries:
        context.store.commit([Delete(key)])


@given(st.lists(STEPS, max_size=12), st.lists(STEPS, max_size=4))
@how_often(max_examples=40, deadline=None)
def test_all_reads_are_the_same_after_any_history(
    steps: list[Callable[[Context], object]], later: list[Callable[[Context], object]]
) -> None:
    """And what comes later comes to the same in both."""
    with context_on(MemoryStore()) as context:
        _do(context, steps)
        with restored(taken(context)) as other:
            assert reads(other) == reads(context)
            assert _do(other, later) == _do(context, later)
            assert _undated(reads(other)) == _undated(reads(context))


def _do(context: Context, steps: list[Callable[[Context], object]]) -> list[str]:
    """What each step came to: nothing, or its error. Each has a moment of its own: the same brake twice is one."""
    errors = []
    for step in steps:
        before = context.clock.utc()
        while context.clock.utc() == before:
            continue
        try:
            step(context)
            errors.append("")
        except ConfdError as error:
            errors.append(error.code)
        context.mirror.wait(context.fresh().revision, 5)
    return errors


def _undated(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _undated(one) for name, one in document.items() if name not in ("at", "id", "what")}
    return [_undated(one) for one in document] if isinstance(document, list) else document


def test_a_staged_record_is_whole_afterwards(context: Context) -> None:
    large = {f"k{number}": "x" * 100_000 for number in range(9)}
    settings.edit(context, HERE, Edit(large))
    settings.edit(context, HERE, Edit({name: "y" * 100_000 for name in large}, force=True))
    with restored(taken(context)) as other:
        assert changes.record(other, HERE.layer, 2).before == changes.record(context, HERE.layer, 2).before


def test_what_hosts_know_is_kept_and_what_is_of_the_moment_is_not(context: Context) -> None:
    HostStand(context.store, "h1").up().runs("web-1")
    context.store.commit([Put(SPACE.resumed, "{}"), Put("/confd/hosts/h1/ledger/c1", "{}")])
    with restored(taken(context)) as other:
        found = other.fresh()
        assert (found.hosts[H1].alive, found.hosts[H1].status, found.resumed) == (None, {}, None)
        assert found.hosts[H1].about == context.fresh().hosts[H1].about
        assert "/confd/hosts/h1/ledger/c1" in other.store.read(["/confd/hosts/h1/ledger/c1"]).entries


def test_what_a_host_tells_by_now_stays(context: Context) -> None:
    HostStand(context.store, "h1").up()
    whole, store = taken(context), MemoryStore()
    store.commit([Put(SPACE.about(H1), '{"env": "now"}')])
    with restored(whole, store) as other:
        assert other.fresh().hosts[H1].about == '{"env": "now"}'


def test_another_identity_with_the_same_digest_key(context: Context) -> None:
    before = _meta(context.fresh())
    with restored(taken(context)) as other:
        after = _meta(other.fresh())
        assert (after.digest_key, after.format) == (before.digest_key, before.format)
        assert after.cluster.startswith(before.cluster + "+")


def _meta(snapshot: Snapshot) -> Any:
    assert snapshot.meta is not None
    return read_meta(snapshot.meta)


def test_what_stops_an_app_stops_it_afterwards(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": 1}))
    settings.edit(context, Scope(DEV, App("db")), Edit({"A": 1}))
    seen = context.fresh()
    for app, state in ((WEB, settings_id(seen, DEV, WEB)), (App("db"), "past")):
        text = stop_text(Stop("h1", "c", "recreate", "it ended", "", state))
        context.store.commit([Put(SPACE.stop(DEV, app), text)])
    context.store.commit([Put("/confd/unused/x", "")])
    with restored(taken(context)) as other:
        now = other.fresh()
        assert stop_in(now, DEV, WEB) is not None
        assert stop_in(now, DEV, App("db")) is None


def test_below_another_prefix(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": 1}))
    elsewhere = Context(context.store, Keyspace("/other"), context.mirror, context.clock)
    put_back(elsewhere, taken(context))
    assert elsewhere.fresh().layers[HERE.layer]["A"].text == "1"
    assert elsewhere.fresh().heads[HERE.layer].number == context.fresh().heads[HERE.layer].number


# --- what is refused ----------------------------------------------------------------------------------------


def untouched(context: Context, whole: Backup, asked: Asked = YES) -> ConfdError:
    """The error of a restore that writes nothing."""
    before = context.store.read([]).revision
    with pytest.raises(ConfdError) as caught:
        put_back(context, whole, asked)
    assert context.store.read([]).revision == before
    return caught.value


def test_a_dry_run_tells_what_becomes_other_and_needs_no_empty_store(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": 1, "B": 1}))
    whole = taken(context)
    settings.edit(context, HERE, Edit({"A": 2, "C": 2}, unset=["B"]))
    told = prepare(context, whole, Asked(dry_run=True)).document
    assert [(one["layer"], one["key"], one["action"]) for one in told["differences"]] == [
        ("dev/web", "A", "change"),
        ("dev/web", "B", "add"),
        ("dev/web", "C", "remove"),
    ]
    assert (told["settings"], told["differ"], told["unfinished"]) == (2, 3, False)
    assert told["replaces"] > 0


def test_a_store_that_is_not_empty_is_not_written_to(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": 1}))
    error = untouched(context, taken(context))
    assert isinstance(error, Refused)
    assert "rollback" in error.detail


def test_secrets_that_this_server_has_no_key_for_are_not_restored(context: Context) -> None:
    """It would not start again on such a store."""
    settings.edit(replace(context, keys=KEYS), HERE, Edit({"s": "x"}, secret=("s",)))
    whole = taken(context)
    assert "need master key" in untouched(context, whole).detail
    with context_on(MemoryStore()) as fresh:
        put_back(replace(fresh, keys=KEYS), whole)
        assert settings.read(fresh, fresh.fresh(), HERE)["settings"]["s"]["secret"] is True


def test_it_needs_a_yes(context: Context) -> None:
    assert isinstance(untouched(context, taken(context), Asked()), NeedsYes)


def test_what_is_there_is_replaced_once_it_is_saved(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": 1}))
    whole = taken(context)
    settings.edit(context, HERE, Edit({"A": 2, "B": 2}))
    saved = taken(context)
    settings.edit(context, Scope(DEV, App("db")), Edit({"C": 2}))
    assert isinstance(untouched(context, whole, Asked(yes=True, replaced=saved.head.revision)), Conflict)
    put_back(context, whole, Asked(yes=True, replaced=taken(context).head.revision))
    context.mirror.wait(context.fresh().revision, 5)
    assert list(context.fresh().layers) == [HERE.layer]
    assert [one.number for one in _history(context, HERE)] == [1]
    found = settings.read(context, context.snapshot(), HERE)["settings"]["A"]
    assert (str(found["value"]), found["change"]) == ("1", 1)


@pytest.mark.parametrize("meta", [None, restoring_meta("now")])
def test_a_backup_without_a_meta_that_can_be_served_is_refused(context: Context, meta: str | None) -> None:
    whole = taken(context)
    others = [one for one in whole.records if one.key != "meta"]
    told = [] if meta is None else [Record("meta", 1, meta)]
    assert isinstance(untouched(context, Backup(whole.head, [*others, *told])), Invalid)


def test_a_backup_of_another_store_format_is_refused(context: Context) -> None:
    whole = taken(context)
    newer = json.dumps({**json.loads(fresh_meta()), "format": 99})
    assert isinstance(untouched(context, Backup(whole.head, [Record("meta", 1, newer)])), Configuration)


def test_an_empty_store_has_no_backup(context: Context) -> None:
    context.store.commit([Delete(SPACE.meta)])
    with pytest.raises(NotFound, match="nothing to back up"):
        backup(context)


# --- what goes wrong on the way -----------------------------------------------------------------------------


def many(context: Context) -> Backup:
    for number in range(5):
        settings.edit(context, HERE, Edit({"A": number, f"k{number}": 1}))
    return taken(context)


@pytest.mark.parametrize("at", range(7))
def test_a_restore_that_is_cut_off_leaves_a_store_that_nobody_serves_and_is_done_again(
    context: Context, at: int
) -> None:
    whole, store = many(context), FailingStore()
    with context_on(store) as fresh:
        steps = restore(fresh, prepare(fresh, whole, YES))
        for _ in range(at):
            next(steps)
        if at:
            store.write_error = Unavailable("away")
            with pytest.raises((Unavailable, StopIteration)):
                next(steps)
            store.write_error = None
        if 0 < at < 6:
            for read in (fresh.fresh, fresh.snapshot, lambda: backup(fresh), lambda: ensure_meta(store, SPACE)):
                with pytest.raises(Unavailable, match="confctl restore"):
                    _settled(fresh, read)
            assert prepare(fresh, whole, Asked(dry_run=True)).document["unfinished"]
            put_back(fresh, whole)
        elif at == 0:
            put_back(fresh, whole)
        assert reads(fresh) == reads(context)


def _settled(context: Context, read: Callable[[], object]) -> object:
    context.mirror.wait(context.store.read([]).revision, 5)
    return read()


def test_another_backup_may_end_what_one_began(context: Context) -> None:
    first = many(context)
    settings.edit(context, HERE, Edit({"Z": 1}))
    with context_on(MemoryStore()) as fresh:
        next(restore(fresh, prepare(fresh, taken(context), YES)))
        put_back(fresh, first)
        assert "Z" not in fresh.fresh().layers[HERE.layer]


def test_of_two_at_once_one_is_done(context: Context) -> None:
    whole = many(context)
    with context_on(MemoryStore()) as fresh:
        slow = restore(fresh, prepare(fresh, whole, YES))
        next(slow)
        put_back(fresh, whole)
        with pytest.raises(Conflict):
            next(slow)
        assert reads(fresh) == reads(context)


def test_what_was_written_at_that_moment_is_not_lost(context: Context) -> None:
    whole, store = many(context), FailingStore()
    with context_on(store) as fresh:
        prepared = prepare(fresh, whole, YES)
        store.inner.commit([Put(SPACE.settings(Layer(DEV, App("db"))) + "A", "1")])
        with pytest.raises(Conflict, match="at this moment"):
            next(restore(fresh, prepared))
        assert fresh.fresh().layers[Layer(DEV, App("db"))]["A"].text == "1"


def test_what_is_written_meanwhile_keeps_the_store_from_being_served(context: Context) -> None:
    whole, store = many(context), MemoryStore()
    with context_on(store) as fresh:
        steps = restore(fresh, prepare(fresh, whole, YES))
        next(steps)
        store.commit([Put(SPACE.settings(HERE.layer) + "A", '"mine"')])
        store.commit([Put(SPACE.settings(HERE.layer) + "of-mine", '"mine"')])
        with pytest.raises(Conflict, match="of-mine"):
            list(steps)
        with pytest.raises(Unavailable):
            fresh.fresh()


def test_a_damaged_meta_is_no_hindrance(context: Context) -> None:
    whole, store = many(context), MemoryStore()
    with context_on(store) as fresh:
        store.commit([Put(SPACE.meta, "{")])
        put_back(fresh, whole)
        assert reads(fresh) == reads(context)


def test_a_store_without_a_meta_takes_it_too(context: Context) -> None:
    whole, store = many(context), MemoryStore()
    with context_on(store) as fresh:
        store.commit([Delete(SPACE.meta)])
        put_back(fresh, whole)
        assert reads(fresh) == reads(context)
