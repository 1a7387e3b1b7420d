"""Old records go by what the env says, never what stands there or what a state needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from confd.clock import ManualClock
from confd.errors import NotFound
from confd.keys import App, Env, Host, Key
from confd.model import Entry
from confd.ports import Area, Delete, Put
from confd.services import bindings, changes, envrules, history, outofband, pruning, settings
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.locks import acquire

DEV = Env("dev")
HERE = Scope(DEV, App("web"))
LAYER = HERE.layer


def keep(context: Context, changes: int = 0, days: int = 0) -> None:
    envrules.put(context, DEV, {"records": {"changes": changes, "days": days}}, Edit())


def write(context: Context, times: int, key: str = "A", scope: Scope = HERE) -> None:
    for number in range(times):
        settings.edit(context, scope, Edit({key: f"{key}{number}"}))


def numbers(context: Context, scope: Scope = HERE) -> list[int]:
    listing = context.store.snapshot([Area(context.keyspace.changes(scope.layer))], keys_only=True)
    return [int(key[-12:]) for key in listing.entries]


def test_the_newest_the_first_and_what_a_live_value_came_from_are_kept(context: Context) -> None:
    write(context, 2)
    write(context, 1, "LIVE")
    write(context, 6)
    keep(context, changes=2)
    assert pruning.prune(context) == 5
    assert numbers(context) == [1, 3, 8, 9]
    assert pruning.prune(context) == 0
    assert {one.key: str(one.text) for one in context.snapshot().layers[LAYER].values()} == {
        context.keyspace.setting(LAYER, Key("A")): '"A5"',
        context.keyspace.setting(LAYER, Key("LIVE")): '"LIVE0"',
    }


@pytest.mark.parametrize(("limit", "kept"), [({}, 9), ({"changes": 0, "days": 0}, 9), ({"changes": 1}, 2)])
def test_without_a_limit_nothing_goes(context: Context, limit: dict[str, int], kept: int) -> None:
    write(context, 9)
    envrules.put(context, DEV, {"records": limit}, Edit())
    pruning.prune(context)
    assert len(numbers(context)) == kept


def test_what_is_older_than_the_days_that_the_env_keeps_goes(context: Context) -> None:
    clock = ManualClock()
    then = replace(context, clock=clock)
    write(then, 3)
    clock.advance(5 * 86400)
    write(then, 3)
    keep(then, days=4)
    assert pruning.prune(then) == 2
    assert numbers(then) == [1, 4, 5, 6]
    clock.advance(5 * 86400)
    assert pruning.prune(then) == 2
    assert numbers(then) == [1, 6]


def test_a_record_of_a_clock_that_is_ahead_has_no_age_b102(context: Context) -> None:
    clock = ManualClock()
    ahead = ManualClock()
    ahead.advance(30 * 86400)
    write(replace(context, clock=ahead), 3)
    keep(context, days=4)
    assert pruning.prune(replace(context, clock=clock)) == 0


def test_the_change_that_a_binding_came_from_is_kept(context: Context) -> None:
    write(context, 1)
    bindings.put(context, HERE, {"on_change": [{"keys": "**", "action": "none"}]}, Edit())
    write(context, 4)
    keep(context, changes=1)
    pruning.prune(context)
    assert numbers(context) == [1, 2, 5]


def test_each_layer_counts_its_own(context: Context) -> None:
    on_host = Scope(DEV, App("web"), Host("h1"))
    write(context, 4)
    write(context, 4, scope=on_host)
    keep(context, changes=2)
    pruning.prune(context)
    assert (numbers(context), numbers(context, on_host)) == ([1, 3, 4], [1, 3, 4])


def test_a_pass_does_only_so_much_and_the_next_goes_on(context: Context) -> None:
    write(context, 9)
    keep(context, changes=1)
    assert [pruning.prune(context, most=3) for _ in range(4)] == [3, 3, 1, 0]
    assert numbers(context) == [1, 9]


def test_a_layer_with_edits_that_are_not_recorded_keeps_all_its_records(context: Context) -> None:
    write(context, 5)
    keep(context, changes=1)
    context.wrote(context.store.commit([Put(context.keyspace.setting(LAYER, Key("A")), '"x"')]))
    assert pruning.prune(context) == 0
    outofband.record(context, LAYER)
    assert changes.record(context, LAYER, 6).before == {"A": '"A4"'}
    assert pruning.prune(context) == 4


def test_of_a_value_that_was_written_again_in_place_the_change_is_kept(context: Context) -> None:
    write(context, 1)
    write(context, 1, "LIVE")
    write(context, 3)
    keep(context, changes=1)
    context.wrote(context.store.commit([Put(context.keyspace.setting(LAYER, Key("LIVE")), '"LIVE0"')]))
    outofband.record(context, LAYER)
    pruning.prune(context)
    assert numbers(context) == [1, 2, 4]


def test_the_parts_of_a_staged_record_go_with_it(context: Context) -> None:
    write(context, 1)
    settings.edit(context, HERE, Edit({f"L{number}": "x" * 400_000 for number in range(2)}))
    settings.edit(context, HERE, Edit({f"L{number}": "y" for number in range(2)}, force=True))
    parts = Area(context.keyspace.parts(DEV))
    assert context.store.snapshot([parts], keys_only=True).entries
    write(context, 2)
    keep(context, changes=1)
    pruning.prune(context)
    assert 2 not in numbers(context)
    left = {key.split("/")[-2] for key in context.store.snapshot([parts], keys_only=True).entries}
    kept = {json.loads(one.text).get("id") for one in _records(context)}
    assert left <= kept


def _records(context: Context) -> Sequence[Entry]:
    return list(context.store.snapshot([Area(context.keyspace.changes(LAYER))]).entries.values())


def test_damaged_records_and_keys_of_others_are_left_alone_by_age(context: Context) -> None:
    write(context, 4)
    keep(context, days=1)
    folder = context.keyspace.changes(LAYER)
    for key, text in ((f"{folder}000000000002", "{"), (f"{folder}000000000003", "[]"), (f"{folder}mine", "x")):
        context.store.commit([Put(key, text)])
    assert pruning.prune(context) == 0


def test_who_holds_the_lock_prunes_alone(context: Context) -> None:
    write(context, 5)
    keep(context, changes=1)
    lease = acquire(context.store, f"{context.keyspace.locks}pruning", "", 30)
    assert lease is not None
    assert pruning.prune_in_turn(context) == 0
    lease.close()
    assert pruning.prune_in_turn(context) == 3


# --- what is left of history ------------------------------------------------------------------------------


@pytest.fixture
def pruned(context: Context) -> Context:
    write(context, 9)
    keep(context, changes=3)
    pruning.prune(context)
    assert numbers(context) == [1, 7, 8, 9]
    return context


def test_history_says_from_where_on_it_is_whole(pruned: Context) -> None:
    assert history.page(pruned, HERE.place, Wanted()).pruned == {LAYER: 7}


@pytest.mark.parametrize(("number", "value"), [(9, "A8"), (8, "A7"), (6, "A5"), (1, "A0")])
def test_states_that_records_still_tell_can_be_had(pruned: Context, number: int, value: str) -> None:
    assert changes.state_after(pruned, pruned.snapshot(), LAYER, number) == {"A": f'"{value}"'}


def test_the_empty_state_can_always_be_had(pruned: Context) -> None:
    assert changes.state_after(pruned, pruned.snapshot(), LAYER, 0) == {}
    settings.rollback(pruned, HERE, 0, Edit(force=True))
    assert LAYER not in pruned.snapshot().layers


@pytest.mark.parametrize("number", [2, 5])
def test_a_state_that_takes_pruned_records_is_refused_with_the_oldest_that_can_be_had(
    pruned: Context, number: int
) -> None:
    with pytest.raises(NotFound, match="the oldest that can be had is that after change 6"):
        settings.rollback(pruned, HERE, number, Edit())


def test_a_rollback_without_a_number_needs_the_newest_record_alone(context: Context) -> None:
    write(context, 5)
    keep(context, changes=1)
    pruning.prune(context)
    settings.rollback(context, HERE, None, Edit())
    assert context.snapshot().layers[LAYER]["A"].text == '"A3"'


def test_numbers_go_on_where_a_head_was_lost_after_a_pruning(pruned: Context) -> None:
    pruned.wrote(pruned.store.commit([Delete(pruned.keyspace.head(LAYER))]))
    assert settings.edit(pruned, HERE, Edit({"A": "new"})).change == 10
