"""Edits past the API: recorded once, held where the env says so, adopted and undone."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from confd.errors import Conflict, Invalid, NotFound, Shrinks
from confd.holds import holds_of
from confd.keys import App, Env, Host, Key
from confd.model import Change
from confd.outofband import HELD_NOTE, OUT_OF_BAND
from confd.ports import Delete, Put
from confd.secret import MASK
from confd.services import changes, delivery, envrules, outofband, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)
LAYER = HERE.layer
HOLD = {"out_of_band": "hold"}


def put(context: Context, **texts: str | None) -> None:
    """As `etcdctl` does it."""
    for name, text in texts.items():
        key = context.keyspace.setting(LAYER, Key(name))
        context.wrote(context.store.commit([Delete(key) if text is None else Put(key, text)]))


def hold(context: Context) -> None:
    envrules.put(context, DEV, HOLD, Edit())


def record(context: Context) -> int:
    return outofband.record(context, LAYER)


def newest(context: Context) -> Change:
    return changes.record(context, LAYER, context.snapshot().heads[LAYER].number)


def held(context: Context) -> list[str]:
    return [hold.why for hold in holds_of(context.snapshot(), DEV, WEB)]


def differences(context: Context) -> dict[str, tuple[object, object]]:
    found = outofband.read(context, context.snapshot(), HERE)["diff"]
    return {one["key"]: (_plain(one["before"]), _plain(one["after"])) for one in found}


def _plain(value: object) -> object:
    return value if value is None else str(value)


@pytest.fixture
def written(context: Context) -> Context:
    settings.edit(context, HERE, Edit({"A": "1", "B": "1", "C": "1", "D": "1"}))
    return context


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        ({"A": '"2"'}, {"A": '"1"'}, {"A": '"2"'}),
        ({"E": "plain text"}, {"E": None}, {"E": "plain text"}),
        ({"D": None}, {"D": '"1"'}, {"D": None}),
        ({"A": '"2"', "E": "3"}, {"A": '"1"', "E": None}, {"A": '"2"', "E": "3"}),
        ({"not a key": "1"}, {"not a key": None}, {"not a key": "1"}),
    ],
)
def test_an_edit_is_recorded_as_a_change_by_out_of_band(
    written: Context, edit: Mapping[str, str | None], before: object, after: object
) -> None:
    put(written, **edit)
    assert record(written) == 1
    found = newest(written)
    assert (found.author, dict(found.before), dict(found.after)) == (OUT_OF_BAND, before, after)
    assert not outofband.waits(written.snapshot(), LAYER)
    assert record(written) == 0


def test_what_is_written_again_as_it_was_is_no_change_but_vouched_for_b83(written: Context) -> None:
    put(written, A='"1"')
    assert outofband.waits(written.snapshot(), LAYER)
    assert record(written) == 0
    assert not outofband.waits(written.snapshot(), LAYER)
    assert newest(written).number == 1


def test_a_record_leaves_the_settings_as_they_stand_and_is_known_as_their_change(written: Context) -> None:
    put(written, A='"2"')
    before = written.snapshot().layers[LAYER]
    record(written)
    assert written.snapshot().layers[LAYER] == before
    listed = settings.read(written, written.snapshot(), HERE)["settings"]
    assert {key: one["change"] for key, one in listed.items()} == {"A": 2, "B": 1, "C": 1, "D": 1}


def test_a_value_that_was_written_again_in_place_keeps_its_change(written: Context) -> None:
    put(written, A='"1"')
    record(written)
    assert changes.number_of(written, written.snapshot(), LAYER, "A") == 1


def test_a_text_that_no_record_has_came_from_no_change(written: Context) -> None:
    put(written, A='"2"')
    head = Put(written.keyspace.head(LAYER), '{"number": 1, "id": "i"}')  # as the release before has left it
    written.wrote(written.store.commit([head]))
    assert changes.number_of(written, written.snapshot(), LAYER, "A") is None


def test_a_layer_that_no_change_has_made_begins_with_what_was_put_there(context: Context) -> None:
    put(context, A="1")
    assert record(context) == 1
    assert (newest(context).number, dict(newest(context).before)) == (1, {"A": None})


def test_an_edit_that_a_change_follows_before_it_is_recorded_is_not_forgotten(written: Context) -> None:
    put(written, A='"2"')
    settings.edit(written, HERE, Edit({"B": "2"}))
    assert differences(written) == {"A": ("1", "2")}
    assert record(written) == 1
    assert (dict(newest(written).before), dict(newest(written).after)) == ({"A": '"1"'}, {"A": '"2"'})


def test_an_edit_that_comes_while_a_change_is_decided_is_not_forgotten(
    written: Context, store: FailingStore
) -> None:
    def meanwhile(operations: Sequence[object]) -> bool:
        store.inner.commit([Put(written.keyspace.setting(LAYER, Key("A")), '"2"')])
        return True

    store.before_commit = meanwhile
    settings.edit(written, HERE, Edit({"B": "2"}))
    assert record(written) == 1
    assert dict(newest(written).after) == {"A": '"2"'}


def test_a_write_through_the_api_takes_an_edits_place(written: Context) -> None:
    put(written, A='"2"')
    settings.edit(written, HERE, Edit({"A": "3"}))
    assert (record(written), differences(written)) == (0, {})


def test_many_edits_take_several_changes_of_which_each_compares_all_its_keys(context: Context) -> None:
    put(context, **{f"K{number}": "1" for number in range(outofband.AT_ONCE + 5)})
    assert record(context) == 2
    assert len(newest(context).after) == 5
    assert not outofband.waits(context.snapshot(), LAYER)


def test_of_several_processes_one_records(written: Context, other: Context) -> None:
    put(written, A='"2"', E="1")
    other.wrote(written.snapshot().revision)
    counts: list[int] = []

    def run(context: Context) -> None:
        try:
            counts.append(record(context))
        except Conflict:
            counts.append(0)

    threads = [threading.Thread(target=run, args=(one,)) for one in (written, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(counts), newest(written).number) == ([0, 1], 2)


def test_what_takes_much_away_is_not_recorded_since_agents_hold_that(written: Context) -> None:
    put(written, A=None, B=None)
    assert record(written) == 0
    assert differences(written) == {"A": ("1", None), "B": ("1", None)}


def test_a_head_that_is_gone_overwrites_no_record(written: Context) -> None:
    written.wrote(written.store.commit([Delete(written.keyspace.head(LAYER))]))
    settings.edit(written, HERE, Edit({"A": "2"}))
    assert (newest(written).number, changes.record(written, LAYER, 1).after["B"]) == (2, '"1"')


# --- held -------------------------------------------------------------------------------------------------


def test_an_env_that_holds_edits_holds_the_app_from_the_first_moment(written: Context) -> None:
    hold(written)
    assert held(written) == []
    put(written, A='"2"')
    (why,) = held(written)
    assert "A of dev/web was written straight into etcd" in why
    assert "confctl outofband web -e dev" in why
    assert record(written) == 1
    assert (newest(written).note, held(written)) == (HELD_NOTE, [why])
    assert differences(written) == {"A": ("1", "2")}


def test_a_key_that_went_is_held_before_and_after_it_is_recorded(written: Context) -> None:
    hold(written)
    put(written, D=None)
    assert "taken away straight in etcd" in held(written)[0]
    assert record(written) == 1
    assert "D of dev/web" in held(written)[0]
    outofband.undo(written, HERE, Edit())
    assert (written.snapshot().layers[LAYER]["D"].text, held(written)) == ('"1"', [])


def test_a_host_without_the_edit_is_not_held(written: Context) -> None:
    hold(written)
    key = written.keyspace.setting(Scope(DEV, WEB, Host("h1")).layer, Key("A"))
    written.wrote(written.store.commit([Put(key, "1")]))
    assert len(list(holds_of(written.snapshot(), DEV, WEB, Host("h1")))) == 1
    assert held(written) == []


def test_the_envs_that_apply_edits_are_not_held_by_one_of_all_envs(written: Context) -> None:
    envrules.put(written, Env("prod"), HOLD, Edit())
    every = Scope(Env("_default"), WEB)
    written.wrote(written.store.commit([Put(written.keyspace.setting(every.layer, Key("A")), "1")]))
    assert outofband.record(written, every.layer) == 1
    assert held(written) == []
    assert len(list(holds_of(written.snapshot(), Env("prod"), WEB))) == 1


def test_a_program_under_the_shim_gets_what_was_vouched_for(written: Context) -> None:
    def variables() -> dict[str, str]:
        found: dict[str, str] = delivery.config(written, written.snapshot(), HERE)["variables"]
        return found

    put(written, A='"2"', D=None, E="1")
    assert variables() == {"A": "2", "B": "1", "C": "1", "E": "1"}
    put(written, A='"1"', D='"1"', E=None)
    hold(written)
    record(written)
    put(written, A='"2"', D=None, E="1")
    assert variables() == dict.fromkeys("ABCD", "1")
    record(written)
    assert variables() == dict.fromkeys("ABCD", "1")
    outofband.adopt(written, HERE, Edit())
    assert variables() == {"A": "2", "B": "1", "C": "1", "E": "1"}


def test_an_adopted_edit_is_a_change_by_whoever_adopted_it(written: Context) -> None:
    hold(written)
    put(written, A='"2"')
    record(written)
    done = outofband.adopt(written, HERE, Edit(message="it was urgent", author="anna"))
    assert [(one.key, one.before, one.after) for one in done.differences] == [("A", '"1"', '"2"')]
    assert (newest(written).author, newest(written).message) == ("anna", "it was urgent")
    assert (held(written), differences(written), record(written)) == ([], {}, 0)


@pytest.mark.parametrize("recorded", [True, False])
def test_an_undone_edit_brings_back_what_was_vouched_for(written: Context, recorded: bool) -> None:
    hold(written)
    put(written, A='"2"', E="1")
    if recorded:
        record(written)
        put(written, A='"3"')
        record(written)
    outofband.undo(written, HERE, Edit(author="anna"))
    texts = {key: entry.text for key, entry in written.snapshot().layers[LAYER].items()}
    assert texts == dict.fromkeys("ABCD", '"1"')
    assert (held(written), record(written)) == ([], 0)


def test_an_edit_that_was_taken_back_in_the_same_way_is_held_no_more(written: Context) -> None:
    hold(written)
    put(written, A='"2"')
    record(written)
    put(written, A='"1"')
    record(written)
    assert (held(written), differences(written)) == ([], {})


def test_a_dry_run_stores_nothing(written: Context) -> None:
    hold(written)
    put(written, A='"2"')
    before = written.snapshot().heads[LAYER]
    for do in (outofband.adopt, outofband.undo):
        done = do(written, HERE, Edit(dry_run=True))
        assert [one.key for one in done.differences] == ["A"]
    assert written.snapshot().heads[LAYER] == before


def test_an_adoption_is_checked_like_any_write(written: Context) -> None:
    hold(written)
    put(written, **{"run/memory": '"much"'})
    record(written)
    with pytest.raises(Invalid, match="run/memory"):
        outofband.adopt(written, HERE, Edit())


def test_an_adoption_that_takes_much_away_needs_force(written: Context) -> None:
    put(written, A=None, B=None)
    with pytest.raises(Shrinks):
        outofband.adopt(written, HERE, Edit())
    outofband.adopt(written, HERE, Edit(force=True))
    assert sorted(written.snapshot().layers[LAYER]) == ["C", "D"]
    assert not outofband.waits(written.snapshot(), LAYER)


def test_where_nothing_waits_there_is_nothing_to_adopt_or_undo(written: Context) -> None:
    for do in (outofband.adopt, outofband.undo):
        with pytest.raises(NotFound, match="no edit past the API"):
            do(written, HERE, Edit())


def test_what_is_held_is_let_go_when_the_env_applies_edits_again(written: Context) -> None:
    hold(written)
    put(written, A='"2"')
    record(written)
    envrules.put(written, DEV, {}, Edit())
    assert held(written) == []
    record(written)
    hold(written)
    assert held(written) == []


def test_a_secrets_ciphertext_is_masked(written: Context) -> None:
    put(written, A='{"$secret": {"c": "x"}}')
    assert differences(written) == {"A": ("1", MASK)}
