"""Settings: what is stored, what is refused, and who wins when two processes write at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from confd.errors import (
    ConfdError,
    Conflict,
    Invalid,
    Malformed,
    NeedsYes,
    NotFound,
    Refused,
    Stale,
    StoreFull,
    TooLarge,
    Unavailable,
)
from confd.jsontext import Number
from confd.keys import App, Env, Host, parse_key
from confd.model import Snapshot
from confd.ports import Put
from confd.services import changes, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit, Written
from tests.support.stores import FailingStore
from tests.support.wait import until

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)
ON_H1 = Scope(DEV, WEB, Host("h1"))
EVERYWHERE = Scope(Env("_default"), App("_default"))


def values(context: Context, scope: Scope = HERE, *, own: bool = False) -> dict[str, Any]:
    document = settings.read(context, context.fresh(), scope, own=own)
    return {key: one["value"] for key, one in document["settings"].items()}


def number(context: Context, scope: Scope = HERE) -> int:
    head = context.fresh().heads.get(scope.layer)
    return head.number if head else 0


# --- writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "actions", "after"),
    [
        pytest.param(Edit({"c": 3}), {"c": "add"}, {"a": "1", "b": "2", "c": "3"}, id="add"),
        pytest.param(Edit({"a": 9}), {"a": "change"}, {"a": "9", "b": "2"}, id="change"),
        pytest.param(Edit(unset=("a",)), {"a": "remove"}, {"b": "2"}, id="remove"),
        pytest.param(
            Edit({"c": 3, "a": 9}, unset=("b",)),
            {"a": "change", "b": "remove", "c": "add"},
            {"a": "9", "c": "3"},
            id="all-in-one",
        ),
        pytest.param(Edit({"a": 1, "c": 3}), {"c": "add"}, {"a": "1", "b": "2", "c": "3"}, id="only-what-differs"),
        pytest.param(Edit({"a": Number("1.0")}), {"a": "change"}, {"a": "1.0", "b": "2"}, id="equal-by-text"),
    ],
)
def test_an_edit_is_one_change_of_what_differs(
    context: Context, edit: Edit, actions: Mapping[str, str], after: Mapping[str, str]
) -> None:
    settings.edit(context, HERE, Edit({"a": 1, "b": 2}))
    written = settings.edit(context, HERE, edit)
    assert {one.key: one.action for one in written.differences} == actions
    assert written.change == number(context) == 2
    assert {key: str(value) for key, value in values(context).items()} == after


@pytest.mark.parametrize("edit", [Edit({"a": 1, "b": "x"}), Edit({"b": "x"}), Edit({}), Edit(dry_run=True)])
def test_the_same_values_again_are_no_change(context: Context, edit: Edit) -> None:
    first = settings.edit(context, HERE, Edit({"a": 1, "b": "x"}))
    written = settings.edit(context, HERE, edit)
    assert (written.change, tuple(written.differences)) == (1, ())
    assert context.fresh().revision == first.revision


def test_a_dry_run_tells_what_would_be_and_stores_nothing(context: Context) -> None:
    before = settings.edit(context, HERE, Edit({"a": 1}))
    written = settings.edit(context, HERE, Edit({"a": 2}, dry_run=True))
    assert [(one.key, one.before, one.after) for one in written.differences] == [("a", "1", "2")]
    assert written.after.layers[HERE.layer]["a"].text == "2"
    assert context.fresh().revision == before.revision


REFUSED = [
    pytest.param(Edit({"a/../b": 1}), Malformed, "a/../b", id="segment"),
    pytest.param(Edit({"ok": 1, "": 1}), Malformed, "''", id="empty-key"),
    pytest.param(Edit({"k" * 513: 1}), Malformed, "512 bytes", id="long-key"),
    pytest.param(Edit({"/".join("abcdefghi"): 1}), Malformed, "9 segments", id="deep-key"),
    pytest.param(Edit({"run": 1}), Malformed, "run", id="run-alone"),
    pytest.param(Edit({"run/memroy": "1g"}), Invalid, "memroy", id="unknown-option"),
    pytest.param(Edit({"run/memory": "much"}), Invalid, "memory", id="bad-option"),
    pytest.param(Edit({"PATH": "/bin"}), Invalid, "PATH", id="reserved"),
    pytest.param(Edit({"PATH": None}), Invalid, "PATH", id="reserved-null"),
    pytest.param(Edit({"CONFD_TOKEN": "x"}), Invalid, "CONFD_TOKEN", id="ours"),
    pytest.param(Edit({"a-b": 1, "A_B": 2}), Invalid, "A_B", id="two-keys-one-name"),
    pytest.param(Edit({"k": {"$secret": "x"}}), Malformed, "k: an object", id="secret-look-alike"),
    pytest.param(Edit({"k": "a\x00b"}), Malformed, "k: ", id="nul"),
    pytest.param(Edit({"k": {"n": ["a\x00b"]}}), Malformed, "k: ", id="nul-inside"),
    pytest.param(Edit({"k": "x" * (512 * 1024)}), TooLarge, "k: the value is 524290 bytes", id="large-value"),
    pytest.param(Edit({f"k{i}": "x" * 500_000 for i in range(3)}), TooLarge, "1500012 bytes", id="large-change"),
    pytest.param(Edit({"k": 1}, unset=("k",)), Malformed, "k is both", id="set-and-unset"),
    pytest.param(Edit(unset=("gone",)), NotFound, "gone", id="unset-what-is-not-there"),
    pytest.param(Edit({"k": 1}, secret=("k",)), Refused, "k: secrets", id="secret"),
]


@pytest.mark.parametrize(("edit", "error", "words"), REFUSED)
def test_what_is_refused_names_the_key_and_stores_nothing(
    context: Context, edit: Edit, error: type[ConfdError], words: str
) -> None:
    before = settings.edit(context, HERE, Edit({"old": 1})).revision
    with pytest.raises(error) as caught:
        settings.edit(context, HERE, edit)
    assert words in caught.value.detail
    assert context.fresh().revision == before
    assert set(values(context)) == {"old"}


@pytest.mark.parametrize("value", ["hunter2\x00", {"$secret": "hunter2"}, ["hunter2", "\x00"]])
def test_no_message_holds_a_value(context: Context, value: Any) -> None:
    with pytest.raises(ConfdError) as caught:
        settings.edit(context, HERE, Edit({"k": value}))
    assert "hunter2" not in caught.value.detail


def test_what_was_wrong_before_is_not_this_writers(context: Context) -> None:
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}PATH", '"x"')])
    settings.edit(context, HERE, Edit({"a": 1}))
    assert values(context)["a"] == Number("1")


@pytest.mark.parametrize(("yes", "apps"), [(False, ["one"]), (True, ["one", "two"])])
def test_a_write_for_more_than_one_app_wants_a_yes(context: Context, yes: bool, apps: list[str]) -> None:
    for app in apps:
        settings.edit(context, Scope(DEV, App(app)), Edit({"x": 1}))
    assert settings.edit(context, EVERYWHERE, Edit({"a": 1}, yes=yes)).reaches["apps"] == len(apps)


def test_without_the_yes_nothing_is_stored(context: Context) -> None:
    for app in ("one", "two"):
        settings.edit(context, Scope(DEV, App(app)), Edit({"x": 1}))
    with pytest.raises(NeedsYes, match="2 apps"):
        settings.edit(context, EVERYWHERE, Edit({"a": 1}))
    assert number(context, EVERYWHERE) == 0


def test_a_shared_layer_is_refused_for_what_it_would_break_elsewhere(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a-b": 1}))
    with pytest.raises(Invalid, match=r"in dev/web"):
        settings.edit(context, EVERYWHERE, Edit({"A_B": 1}, yes=True))
    assert number(context, EVERYWHERE) == 0


# --- reading ----------------------------------------------------------------------------------------------


LAYERED = [
    (EVERYWHERE, {"a": "1", "b": "1", "c": "1", "d": "1", "e": "1"}),
    (Scope(DEV, App("_default")), {"b": "2", "c": "2", "d": "2", "e": "2"}),
    (Scope(Env("_default"), WEB), {"c": "3", "d": "3", "e": "3"}),
    (HERE, {"d": "4", "e": "4"}),
    (ON_H1, {"e": "5"}),
]


def lay(context: Context) -> None:
    for scope, members in LAYERED:
        settings.edit(context, scope, Edit(members, yes=True))


@pytest.mark.parametrize(
    ("scope", "own", "expected"),
    [
        (ON_H1, False, {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"}),
        (HERE, False, {"a": "1", "b": "2", "c": "3", "d": "4", "e": "4"}),
        (Scope(DEV, WEB, Host("h2")), False, {"a": "1", "b": "2", "c": "3", "d": "4", "e": "4"}),
        (Scope(Env("qa"), WEB), False, {"a": "1", "b": "1", "c": "3", "d": "3", "e": "3"}),
        (Scope(DEV, App("db")), False, {"a": "1", "b": "2", "c": "2", "d": "2", "e": "2"}),
        (ON_H1, True, {"e": "5"}),
        (HERE, True, {"d": "4", "e": "4"}),
        (Scope(Env("qa"), WEB), True, {}),
    ],
)
def test_the_highest_layer_wins_key_by_key(
    context: Context, scope: Scope, own: bool, expected: Mapping[str, str]
) -> None:
    lay(context)
    assert values(context, scope, own=own) == expected


def test_a_host_has_a_history_of_its_own(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    written = settings.edit(context, ON_H1, Edit({"a": 2}))
    assert (written.change, number(context), number(context, ON_H1)) == (1, 1, 1)
    shown = settings.read_one(context, context.fresh(), ON_H1, parse_key("a"))
    assert (shown["layer"], shown["change"]) == ("dev/web@h1", 1)


def test_what_a_layer_does_not_have_cannot_be_unset_there_and_one_is_told_where_it_is(context: Context) -> None:
    settings.edit(context, EVERYWHERE, Edit({"a": 1}, yes=True))
    for key, where in (("a", "it comes from _default/_default"), ("b", "nor in any other")):
        with pytest.raises(NotFound, match=f"{key} is not set in layer dev/web; {where}"):
            settings.edit(context, HERE, Edit(unset=(key,)))


def test_null_takes_a_lower_layers_key_away_and_stands_in_its_own(context: Context) -> None:
    settings.edit(context, EVERYWHERE, Edit({"a": 1, "b": 2}, yes=True))
    settings.edit(context, HERE, Edit({"a": None}))
    assert values(context) == {"b": Number("2")}
    assert values(context, own=True) == {"a": None}
    with pytest.raises(NotFound, match="a is not set"):
        settings.read_one(context, context.fresh(), HERE, parse_key("a"))
    settings.edit(context, HERE, Edit(unset=("a",)))
    assert values(context)["a"] == Number("1")


@pytest.mark.parametrize(
    ("pattern", "keys"), [("**", {"a", "b/c", "b/d/e"}), ("*", {"a"}), ("b/*", {"b/c"}), ("b/**", {"b/c", "b/d/e"})]
)
def test_keys_are_chosen_by_a_glob(context: Context, pattern: str, keys: set[str]) -> None:
    settings.edit(context, HERE, Edit({"a": 1, "b/c": 2, "b/d/e": 3}))
    assert set(settings.read(context, context.fresh(), HERE, keys=pattern)["settings"]) == keys


def test_text_put_straight_into_the_store_reads_as_a_string_without_a_change(context: Context) -> None:
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}a", "plain text")])
    shown = settings.read_one(context, context.fresh(), HERE, parse_key("a"))
    assert (shown["value"], shown["change"]) == ("plain text", None)


# --- races between two processes ---------------------------------------------------------------------------


def test_a_process_that_sees_an_older_state_decides_again(context: Context, other: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    other.mirror.wait(context.fresh().revision, 5)
    other.mirror.stop()  # from here on it sees what was
    settings.edit(context, HERE, Edit({"b": 2}))
    written = settings.edit(other, HERE, Edit({"c": 3}))
    assert written.change == 3
    assert set(values(context)) == {"a", "b", "c"}


def _meanwhile(store: FailingStore, other: Context, edit: Edit, scope: Scope = HERE) -> None:
    """Let another process write just before this one's next commit."""

    def hook(operations: object) -> bool:
        settings.edit(other, scope, edit)
        return True

    store.before_commit = hook


def test_a_lost_race_is_decided_again_on_the_new_state(
    context: Context, other: Context, store: FailingStore
) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    _meanwhile(store, other, Edit({"a": 2, "b": 2}))
    written = settings.edit(context, HERE, Edit({"a": 3}))
    assert written.change == 3
    assert [(one.before, one.after) for one in written.differences] == [("2", "3")]
    assert changes.record(context, HERE.layer, 3).before == {"a": "2"}


def test_a_race_lost_to_the_same_edit_is_no_second_change(
    context: Context, other: Context, store: FailingStore
) -> None:
    _meanwhile(store, other, Edit({"a": 1}))
    written = settings.edit(context, HERE, Edit({"a": 1}))
    assert (written.change, tuple(written.differences)) == (1, ())


def test_another_layers_change_is_no_race(context: Context, other: Context, store: FailingStore) -> None:
    _meanwhile(store, other, Edit({"a": 1}), ON_H1)
    assert settings.edit(context, HERE, Edit({"a": 2})).change == 1
    assert (values(context), values(context, ON_H1)) == ({"a": Number("2")}, {"a": Number("1")})


def test_an_edit_straight_in_the_store_is_not_overwritten_unseen(context: Context, store: FailingStore) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    key = f"{context.keyspace.settings(HERE.layer)}a"
    store.before_commit = lambda operations: store.inner.commit([Put(key, '"by hand"')]) > 0
    written = settings.edit(context, HERE, Edit({"a": 2}))
    assert [one.before for one in written.differences] == ['"by hand"']


def test_a_check_that_no_longer_holds_is_not_tried_again(
    context: Context, other: Context, store: FailingStore
) -> None:
    seen = settings.edit(context, HERE, Edit({"a": 1})).change

    def unmoved(snapshot: Snapshot) -> None:
        if snapshot.heads[HERE.layer].number != seen:
            raise Stale("it was changed")

    _meanwhile(store, other, Edit({"b": 2}))
    with pytest.raises(Stale):
        settings.edit(context, HERE, Edit({"a": 3}, check=unmoved))
    assert values(context) == {"a": Number("1"), "b": Number("2")}


def test_who_loses_every_race_is_told_to_try_again(context: Context, store: FailingStore) -> None:
    store.write_error = Conflict("somebody else was faster")
    with pytest.raises(Conflict):
        settings.edit(context, HERE, Edit({"a": 1}))
    assert number(context) == 0


@pytest.mark.parametrize("error", [StoreFull("etcd is full"), Unavailable("the store is out of reach")])
def test_a_store_that_fails_is_told_and_nothing_is_half_stored(
    context: Context, store: FailingStore, error: ConfdError
) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    store.write_error = error
    with pytest.raises(type(error)):
        settings.edit(context, HERE, Edit({"a": 2, "b": 2}))
    store.write_error = None
    assert (values(context), number(context)) == ({"a": Number("1")}, 1)
    assert settings.edit(context, HERE, Edit({"a": 2})).change == 2


# --- rollback ---------------------------------------------------------------------------------------------


@pytest.fixture
def three(context: Context) -> Context:
    """Three changes: `kept` stays, `changed` changes, `deleted` goes, `created` comes."""
    settings.edit(context, HERE, Edit({"kept": 1, "changed": 1, "deleted": 1}))
    settings.edit(context, HERE, Edit({"changed": 2}, unset=("deleted",)))
    settings.edit(context, HERE, Edit({"changed": 3, "created": 1}))
    return context


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (0, {}),
        (1, {"kept": "1", "changed": "1", "deleted": "1"}),
        (2, {"kept": "1", "changed": "2"}),
        (None, {"kept": "1", "changed": "2"}),
        (3, {"kept": "1", "changed": "3", "created": "1"}),
    ],
)
def test_a_rollback_brings_back_what_was(three: Context, to: int | None, expected: Mapping[str, str]) -> None:
    written = settings.rollback(three, HERE, to, Edit(author="ann", force=True))
    assert {key: str(value) for key, value in values(three).items()} == expected
    assert written.change == (3 if to == 3 else 4)
    if to != 3:
        record = changes.record(three, HERE.layer, 4)
        assert (record.author, record.note) == ("ann", f"rollback to {2 if to is None else to}")


def test_a_rollback_of_a_rollback_brings_it_back_again(three: Context) -> None:
    settings.rollback(three, HERE, 1, Edit())
    settings.rollback(three, HERE, 3, Edit())
    assert set(values(three)) == {"kept", "changed", "created"}


def test_a_rollback_keeps_null_and_the_text_of_numbers(context: Context) -> None:
    settings.edit(context, HERE, Edit({"n": Number("1.10"), "gone": None}))
    settings.edit(context, HERE, Edit({"n": 2, "gone": "back"}))
    settings.rollback(context, HERE, None, Edit())
    entries = context.fresh().layers[HERE.layer]
    assert {key: entry.text for key, entry in entries.items()} == {"n": "1.10", "gone": "null"}


@pytest.mark.parametrize("to", [4, 99, -1])
def test_a_rollback_to_no_change_is_refused(three: Context, to: int) -> None:
    with pytest.raises(NotFound, match="newest is 3"):
        settings.rollback(three, HERE, to, Edit())


def test_there_is_nothing_to_roll_back_before_the_first_change(context: Context) -> None:
    with pytest.raises(NotFound, match="no change of settings yet"):
        settings.rollback(context, HERE, None, Edit())


def test_a_rollback_of_what_moved_meanwhile_is_refused(three: Context, other: Context, store: FailingStore) -> None:
    _meanwhile(store, other, Edit({"late": 1}))
    with pytest.raises(Conflict, match="changed meanwhile"):
        settings.rollback(three, HERE, 1, Edit())
    assert set(values(three)) == {"kept", "changed", "created", "late"}


def test_a_rollback_is_of_its_own_layer_alone(three: Context) -> None:
    settings.edit(three, ON_H1, Edit({"kept": 9}))
    settings.rollback(three, HERE, 1, Edit())
    assert values(three, ON_H1)["kept"] == Number("9")


# --- documents --------------------------------------------------------------------------------------------


def test_a_secrets_ciphertext_is_masked_wherever_it_is_shown(context: Context) -> None:
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}k", '{"$secret":{"data":"abc"}}')])
    until(lambda: HERE.layer in context.snapshot().layers, 5)
    shown = settings.read(context, context.fresh(), HERE, own=True)["settings"]["k"]
    assert shown["secret"] is True
    assert "abc" not in str(shown)
    written: Written = settings.edit(context, HERE, Edit({"k": "now plain"}, plain=("k",), dry_run=True))
    assert "abc" not in str(settings.difference_document(written.differences))
