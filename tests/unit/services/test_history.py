"""The history as it is asked for, who set a key, and what runs against what is set."""

from __future__ import annotations

import pytest

from confd.keys import App, Env, Key
from confd.ports import Delete, Put
from confd.services import bindings, fleet, history, live, outofband, settings
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import HostStand

HERE = Scope(Env("dev"), App("web"))
EVERY_APP = Scope(Env("dev"), App("_default"))


@pytest.fixture
def written(context: Context) -> Context:
    settings.edit(context, HERE, Edit({"A": "1"}, author="anna", message="first"))
    settings.edit(context, HERE, Edit({"db/host": "x"}, author="ben"))
    bindings.put(context, HERE, {"on_change": [{"keys": "**", "action": "none"}]}, Edit(author="anna"))
    settings.edit(context, EVERY_APP, Edit({"A": "0"}, author="ben", yes=True))
    settings.edit(context, HERE, Edit({"A": "2"}, author="ben", message="third"))
    return context


@pytest.mark.parametrize(
    ("wanted", "found", "more"),
    [
        (Wanted(), ["dev/web 4", "dev/_default 1", "dev/web 3", "dev/web 2", "dev/web 1"], False),
        (Wanted(author="anna"), ["dev/web 3", "dev/web 1"], False),
        (Wanted(kind="binding"), ["dev/web 3"], False),
        (Wanted(key="A"), ["dev/web 4", "dev/_default 1", "dev/web 1"], False),
        (Wanted(key="db/**"), ["dev/web 2"], False),
        (Wanted(key="A", author="ben"), ["dev/web 4", "dev/_default 1"], False),
        (Wanted(2, author="ben"), ["dev/web 4", "dev/_default 1"], True),
        (Wanted(3, author="ben"), ["dev/web 4", "dev/_default 1", "dev/web 2"], False),
        (Wanted(author="nobody"), [], False),
    ],
)
def test_what_is_asked_for_comes_newest_first(
    written: Context, wanted: Wanted, found: list[str], more: bool
) -> None:
    page = history.page(written, HERE.place, wanted)
    assert [f"{one.layer} {one.number}" for one in page.changes] == found
    assert (page.before is not None) is more


def test_explain_says_who_set_a_key_when_and_why_and_whom_it_hides(written: Context) -> None:
    document = fleet.explain(written, written.snapshot(), HERE, Key("A"))
    winner, (hidden,) = document["winner"], document["hidden"]
    assert (winner["author"], winner["message"], winner["change"], bool(winner["at"])) == ("ben", "third", 4, True)
    assert (hidden["layer"], hidden["author"], hidden["out_of_band"]) == ("dev/_default", "ben", False)


def test_explain_and_list_mark_what_was_put_straight_into_the_store_until_it_is_recorded(written: Context) -> None:
    written.wrote(written.store.commit([Put(written.keyspace.setting(HERE.layer, Key("A")), '"9"')]))
    snapshot = written.snapshot()
    winner = fleet.explain(written, snapshot, HERE, Key("A"))["winner"]
    assert (winner["value"], winner["change"], winner["author"], winner["out_of_band"]) == ("9", None, None, True)
    listed = settings.read(written, snapshot, HERE)["settings"]
    assert (listed["A"]["change"], listed["A"]["out_of_band"]) == (None, True)
    assert "out_of_band" not in listed["db/host"]
    assert outofband.waiting(snapshot, HERE.place) == [{"layer": "dev/web", "keys": ["A"]}]
    outofband.record(written, HERE.layer)
    winner = fleet.explain(written, written.snapshot(), HERE, Key("A"))["winner"]
    assert (winner["author"], winner["change"], winner["out_of_band"]) == ("out-of-band", 5, False)


def test_a_record_that_is_gone_leaves_what_is_set_to_be_explained(written: Context) -> None:
    snapshot = written.snapshot()
    fleet.explain(written, snapshot, HERE, Key("A"))
    written.store.commit([Delete(written.keyspace.change(HERE.layer, 4))])
    winner = fleet.explain(written, snapshot, HERE, Key("A"))["winner"]
    assert (winner["value"], winner["author"]) == ("2", None)


def test_containers_that_do_not_run_with_what_is_set_are_told_by_key_and_option(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": "1", "run/memory": "64m"}))
    HostStand(context.store, "h1").up().runs("web-1", "web")
    HostStand(context.store, "h2").up().runs("db-1", "db")
    context.wrote(context.store.commit([Put(f"{context.keyspace.meta}-probe", "")]))
    found = live.differences(context, context.fresh(), HERE)
    (one,) = found["containers"]
    assert (found["seen"], one["name"], one["host"]) == (1, "web-1", "h1")
    assert {key["key"]: key["state"] for key in one["keys"]} == {"A": "pending", "run/memory": "pending"}
    assert {field["field"] for field in one["fields"]} >= {"HostConfig.Memory"}
    assert live.differences(context, context.fresh(), Scope(Env("qa"), App("web")))["seen"] == 0
