"""Changes: history in order, states of the past, and writes whose outcome was in doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from confd.errors import Conflict, Malformed, NotFound, Unavailable
from confd.keys import App, Env, Host
from confd.model import Change
from confd.ports import Operation, Put
from confd.services import bindings, changes, history, settings
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.places import Place
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)
ON_H1 = Scope(DEV, WEB, Host("h1"))
EVERYWHERE = Scope(Env("_default"), App("_default"))
# --- outcomes in doubt -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Unavailable("the connection broke"), Conflict("it was sent twice")])
def test_a_commit_whose_answer_was_lost_counts_once(
    context: Context, store: FailingStore, error: Unavailable | Conflict
) -> None:
    store.lose_answer = error
    written = settings.edit(context, HERE, Edit({"a": 1}))
    assert (written.change, written.revision) == (1, context.fresh().heads[HERE.layer].revision)
    assert len(history.page(context, HERE.place, Wanted()).changes) == 1


def test_a_doubt_that_cannot_be_cleared_is_told(context: Context, store: FailingStore) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    store.lose_answer = Unavailable("the connection broke")

    def gone(operations: Sequence[Operation]) -> bool:
        store.read_error = Unavailable("the store is out of reach")
        return True

    store.before_commit = gone
    with pytest.raises(Unavailable, match="connection broke"):
        settings.edit(context, HERE, Edit({"a": 2}))
    store.read_error = None
    assert len(history.page(context, HERE.place, Wanted()).changes) == 2


# --- history ----------------------------------------------------------------------------------------------


@pytest.fixture
def written(context: Context) -> Context:
    for index, scope in enumerate(
        [HERE, EVERYWHERE, ON_H1, HERE, Scope(Env("qa"), WEB), Scope(DEV, App("_default"))]
    ):
        settings.edit(context, scope, Edit({f"k{index}": index}, yes=True))
    return context


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (HERE.place, ["dev/_default 1", "dev/web 2", "_default/_default 1", "dev/web 1"]),
        (
            ON_H1.place,
            ["dev/_default 1", "dev/web 2", "dev/web@h1 1", "_default/_default 1", "dev/web 1"],
        ),
        (Place(Env("qa"), WEB), ["qa/web 1", "_default/_default 1"]),
        (EVERYWHERE.place, ["_default/_default 1"]),
        (Place(Env("prod"), App("db")), ["_default/_default 1"]),
    ],
)
def test_the_history_is_of_every_layer_that_reaches_a_place_newest_first(
    written: Context, place: Place, expected: Sequence[str]
) -> None:
    assert [f"{one.layer} {one.number}" for one in history.page(written, place, Wanted()).changes] == expected


@pytest.mark.parametrize(("limit", "pages"), [(1, [1, 1, 1, 1]), (2, [2, 2]), (3, [3, 1]), (100, [4])])
def test_pages_of_history_hold_each_change_once(written: Context, limit: int, pages: Sequence[int]) -> None:
    found: list[Change] = []
    before, sizes = 0, []
    while page := history.page(written, HERE.place, Wanted(limit, before)).changes:
        found += page
        sizes.append(len(page))
        before = page[-1].revision
    assert sizes == pages
    assert found == history.page(written, HERE.place, Wanted()).changes


def test_no_changes_are_an_empty_history(context: Context) -> None:
    assert history.page(context, HERE.place, Wanted()).changes == []


@pytest.mark.parametrize("number", [0, 7])
def test_a_change_that_is_not_there_is_not_found(written: Context, number: int) -> None:
    with pytest.raises(NotFound, match=f"no change {number}"):
        changes.record(written, HERE.layer, number)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"parts": 3, "id": "gone"}', "nonsense"])
def test_a_damaged_record_is_told_by_its_key(context: Context, text: str) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    key = context.keyspace.change(HERE.layer, 1)
    context.store.commit([Put(key, text)])
    with pytest.raises(Malformed, match=key):
        changes.record(context, HERE.layer, 1)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, {}), (1, {"a": "1"}), (2, {"a": "2", "b": "1"}), (3, {"b": "1"}), (4, {"b": "1"})]
)
def test_the_state_after_each_change_is_known(context: Context, number: int, expected: Mapping[str, str]) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    settings.edit(context, HERE, Edit({"a": 2, "b": 1}))
    settings.edit(context, HERE, Edit(unset=("a",)))
    bindings.put(context, HERE, {"on_change": [{"keys": "**", "action": "none"}]}, Edit())
    assert changes.state_after(context, context.fresh(), HERE.layer, number) == expected


def test_a_rollback_without_a_number_passes_over_changes_of_the_binding(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    settings.edit(context, HERE, Edit({"a": 2}))
    bindings.put(context, HERE, {"on_change": [{"keys": "**", "action": "none"}]}, Edit())
    written = settings.rollback(context, HERE, None, Edit())
    assert [(one.key, one.after) for one in written.differences] == [("a", "1")]


def test_a_layer_whose_only_changes_are_of_its_binding_has_nothing_to_roll_back(context: Context) -> None:
    bindings.put(context, HERE, {}, Edit())
    with pytest.raises(NotFound, match="nothing to roll back"):
        settings.rollback(context, HERE, None, Edit())
