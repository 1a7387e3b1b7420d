"""Large changes: whole or not there, and what a staged one leaves when it comes to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from confd.errors import StoreFull, TooLarge
from confd.keys import App, Env, Host
from confd.ports import Area, Delete, Operation, Put
from confd.services import changes, history, settings, staging
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)
ON_H1 = Scope(DEV, WEB, Host("h1"))
EVERYWHERE = Scope(Env("_default"), App("_default"))
MANY = 1500


def many(text: str) -> dict[str, str]:
    """A change whose record, before and after, does not fit into one request beside its values."""
    return {f"key/{number}": text * 600 for number in range(MANY)}


def parts(context: Context) -> list[str]:
    return list(context.store.snapshot([Area(context.keyspace.parts(DEV))]).entries)


def texts(context: Context) -> set[str]:
    return {entry.text[1] for entry in context.fresh().layers.get(HERE.layer, {}).values()}


# --- large changes ----------------------------------------------------------------------------------------


def test_a_large_change_is_one_revision_and_its_record_is_whole(context: Context) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    written = settings.edit(context, HERE, Edit(dict(many("b")), message="all of them", author="ann"))
    assert len(parts(context)) > 1
    record = changes.record(context, HERE.layer, written.change)
    assert (record.number, record.author, record.message, record.revision) == (
        2,
        "ann",
        "all of them",
        written.revision,
    )
    assert len(record.before) == len(record.after) == MANY
    assert (set(record.before.values()), set(record.after.values())) == (
        {f'"{"a" * 600}"'},
        {f'"{"b" * 600}"'},
    )
    assert {entry.mod_revision for entry in context.fresh().layers[HERE.layer].values()} == {written.revision}


def test_what_is_staged_is_seen_by_nobody(context: Context, other: Context, store: FailingStore) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    seen: list[tuple[set[str], int, int]] = []

    def look(operations: Sequence[Operation]) -> bool:
        head = other.fresh().heads[HERE.layer].number
        seen.append((texts(other), head, len(history.page(other, HERE.place, Wanted()).changes)))
        return False

    store.before_commit = look
    settings.edit(context, HERE, Edit(dict(many("b"))))
    assert len(seen) > 2
    assert all(one == ({"a"}, 1, 1) for one in seen)


def test_a_large_change_is_rolled_back_whole(context: Context) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    settings.edit(context, HERE, Edit(dict(many("b"))))
    settings.edit(context, HERE, Edit({}, unset=tuple(many("b")), force=True))
    settings.rollback(context, HERE, 1, Edit())
    assert texts(context) == {"a"}
    assert len(context.fresh().layers[HERE.layer]) == MANY


def test_long_keys_that_go_away_count_too(context: Context) -> None:
    """A deletion's key stands in the request and twice in its record."""
    keys = [f"{number:04d}/" + "k" * 400 for number in range(1400)]
    settings.edit(context, HERE, Edit(dict.fromkeys(keys, "v")))
    sizes: list[int] = []

    def weigh(operations: Sequence[Operation]) -> bool:
        sizes.append(sum(len(one.key) + len(getattr(one, "text", "")) for one in operations))
        return False

    assert isinstance(context.store, FailingStore)
    context.store.before_commit = weigh
    settings.edit(context, HERE, Edit({}, unset=tuple(keys), force=True))
    assert max(sizes) < 1_500_000


def test_characters_of_many_bytes_count_as_such(context: Context) -> None:
    smile = "\U0001f600" * 150
    wide = {f"key/{number}": smile for number in range(1600)}
    settings.edit(context, HERE, Edit(dict(wide)))
    settings.edit(context, HERE, Edit({key: text + "!" for key, text in wide.items()}))
    assert changes.record(context, HERE.layer, 2).before["key/0"] == f'"{smile}"'


def test_a_change_that_is_too_large_names_its_size_and_stages_nothing(context: Context) -> None:
    with pytest.raises(TooLarge, match=r"10\d{5} bytes"):
        settings.edit(context, HERE, Edit({f"key/{number}": "x" * 1000 for number in range(1060)}))
    assert parts(context) == []


def test_a_store_that_fills_up_while_staging_leaves_the_old_state(context: Context, store: FailingStore) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    before, left = parts(context), [3]

    def fill(operations: Sequence[Operation]) -> bool:
        left[0] -= 1
        store.write_error = None if left[0] else StoreFull("etcd is full")
        return not left[0]

    store.before_commit = fill
    with pytest.raises(StoreFull):
        settings.edit(context, HERE, Edit(dict(many("b"))))
    assert parts(context) == before
    assert (texts(context), context.fresh().heads[HERE.layer].number) == ({"a"}, 1)
    store.write_error = None
    settings.edit(context, HERE, Edit(dict(many("c"))))
    assert (texts(context), context.fresh().heads[HERE.layer].number) == ({"c"}, 2)


# --- what a staged change leaves ---------------------------------------------------------------------------


def leave(context: Context, count: int = 3) -> str:
    """What a process leaves that ended while it staged; the change's id."""
    prefix = context.keyspace.parts(DEV) + "f00d/"
    context.store.commit([Put(f"{prefix}{index:04d}", "x") for index in range(count)])
    return prefix


def test_unnamed_parts_are_collected_and_named_ones_are_kept(context: Context) -> None:
    for text in "ab":
        settings.edit(context, HERE, Edit(dict(many(text))))
    kept = parts(context)
    leave(context)
    assert staging.collect_parts(context, context.fresh().revision + 1) == 3
    assert parts(context) == kept
    assert len(changes.record(context, HERE.layer, 2).after) == MANY


def test_younger_parts_are_left_to_their_writer(context: Context) -> None:
    leave(context)
    assert staging.collect_parts(context, context.fresh().revision) == 0
    assert len(parts(context)) == 3


def test_the_next_large_change_takes_away_what_an_earlier_one_left(context: Context) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    left = leave(context)
    settings.edit(context, HERE, Edit(dict(many("b"))))
    assert not [key for key in parts(context) if key.startswith(left)]
    assert len(changes.record(context, HERE.layer, 2).before) == MANY


def test_a_writer_whose_parts_were_collected_begins_anew(
    context: Context, other: Context, store: FailingStore
) -> None:
    settings.edit(context, HERE, Edit(dict(many("a"))))
    collected: list[int] = []

    def collect(operations: Sequence[Operation]) -> bool:
        if any(isinstance(one, Put) and one.key == context.keyspace.head(HERE.layer) for one in operations):
            collected.append(staging.collect_parts(other, other.fresh().revision + 1))
        return bool(collected)

    store.before_commit = collect
    settings.edit(context, HERE, Edit(dict(many("b"))))
    assert collected[0] > 1
    assert texts(context) == {"b"}
    assert len(changes.record(context, HERE.layer, 2).before) == MANY


def test_a_change_that_is_named_while_it_is_collected_keeps_its_parts(
    context: Context, store: FailingStore
) -> None:
    left = leave(context)

    def name(operations: Sequence[Operation]) -> bool:
        assert isinstance(operations[0], Delete)
        return store.inner.commit([Put(f"{left}named", "")]) > 0

    store.before_commit = name
    assert staging.collect_parts(context, context.fresh().revision + 1) == 0
    assert parts(context) == [f"{left}{name}" for name in ("0000", "0001", "0002", "named")]


def test_parts_of_records_without_a_mark_are_kept(context: Context) -> None:
    """Records as an earlier release staged them."""
    for text in "ab":
        settings.edit(context, HERE, Edit(dict(many(text))))
    marks = [key for key in parts(context) if not key[-4:].isdigit()]
    context.store.commit([Delete(key) for key in marks])
    assert staging.collect_parts(context, context.fresh().revision + 1) == 0
    assert len(changes.record(context, HERE.layer, 2).after) == MANY
