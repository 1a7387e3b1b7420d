"""Resuming: who doubts what is shown first, and the word is for this very store."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.errors import NeedsYes, NotFound, Refused
from confd.keys import App, Env, Host, Keyspace
from confd.ports import Delete, Put
from confd.services import bindings, changes, delivery, resume, settings
from confd.services.context import Context
from confd.services.meta import fresh_meta, read_meta
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from confd.shrink import shows_all
from tests.support.hosts import HostStand

SPACE = Keyspace()
WHOLE = {"env": None, "app": None, "why": "the store went back", "since": "2026"}
OF_APP = {"env": "dev", "app": "web", "why": "its settings are suddenly gone", "since": "2026"}


def doubt(context: Context, host: str, *doubts: dict[str, Any]) -> None:
    """A host whose agent doubts, with a container of web and one of db."""
    stand = HostStand(context.store, host).up()
    stand.runs("web-1", "web")
    stand.runs("db-1", "db")
    context.mirror.wait(
        context.store.commit([Put(SPACE.about(Host(host)), json.dumps({"env": "dev", "doubts": doubts}))]), 5
    )


def test_where_nobody_doubts_there_is_nothing_to_resume(context: Context) -> None:
    doubt(context, "h1")
    with pytest.raises(NotFound, match="no agent is in doubt"):
        resume.resume(context, Wanted("anna", yes=True))


def test_what_would_be_done_is_shown_and_needs_a_yes(context: Context) -> None:
    settings.edit(context, Scope(Env("dev"), App("web")), Edit({"A": "1"}))
    doubt(context, "h1", WHOLE)
    with pytest.raises(NeedsYes, match="in doubt on 1 host, and going on does something to 1 container there"):
        resume.resume(context, Wanted("anna"))
    shown = resume.resume(context, Wanted("anna", dry_run=True))
    assert shown["doubts"] == [{"host": "h1", **WHOLE}]
    assert {one["name"]: [s["action"] for s in one["steps"]] for one in shown["containers"]} == {
        "web-1": ["recreate"],
        "db-1": [],
    }
    assert context.fresh().resumed is None
    resume.resume(context, Wanted("anna", "it is right", yes=True))
    found = context.fresh()
    assert found.resumed is not None
    assert found.meta is not None
    said = json.loads(found.resumed.text)
    assert (said["cluster"], said["author"], said["message"]) == (
        read_meta(found.meta).cluster,
        "anna",
        "it is right",
    )


def test_the_doubt_of_one_app_shows_that_app_alone(context: Context) -> None:
    doubt(context, "h1", OF_APP)
    shown = resume.resume(context, Wanted("anna", dry_run=True))
    assert [one["name"] for one in shown["containers"]] == ["web-1"]


@pytest.mark.parametrize("about", ["{", "[]", "{}"])
def test_a_host_that_says_nothing_of_doubts_has_none(context: Context, about: str) -> None:
    HostStand(context.store, "h1").up()
    context.mirror.wait(context.store.commit([Put(SPACE.about(Host("h1")), about)]), 5)
    assert resume.doubts_of(context.fresh()) == []


def test_a_store_of_the_format_before_takes_no_resume(context: Context) -> None:
    context.mirror.wait(context.store.commit([Put(SPACE.meta, fresh_meta(1))]), 5)
    doubt(context, "h1", WHOLE)
    with pytest.raises(Refused, match="confctl upgrade"):
        resume.resume(context, Wanted("anna", yes=True))


# --- what has gone from an app without a change -----------------------------------------------------------------

HERE = Scope(Env("dev"), App("web"))


@pytest.fixture
def robbed(context: Context) -> Context:
    """Two of four keys of web have gone from the store, after some history; its agent on h1 doubts that."""
    settings.edit(context, HERE, Edit({"A": "1", "B": "1", "C": "1", "D": "1", "E": "1"}))
    settings.edit(context, HERE, Edit({"B": "2"}, unset=["E"]))
    doubt(context, "h1", OF_APP)
    folder = SPACE.settings(HERE.layer)
    context.mirror.wait(context.store.commit([Delete(f"{folder}A"), Delete(f"{folder}B")]), 5)
    return context


def shows(context: Context) -> tuple[dict[str, str], bool]:
    """The settings' texts, and whether the newest change vouches for them."""
    snapshot = context.fresh()
    entries = snapshot.layers.get(HERE.layer, {})
    return {key: entry.text for key, entry in entries.items()}, shows_all(snapshot, HERE.layer)


def test_what_has_gone_is_shown_by_its_records(robbed: Context) -> None:
    shown = resume.resume(robbed, Wanted("anna", dry_run=True))
    assert shown["lost"] == [{"layer": "dev/web", "keys": ["A", "B"]}]
    assert shows(robbed) == ({"C": '"1"', "D": '"1"'}, False)
    assert not delivery.config(robbed, robbed.fresh(), HERE)["allow_shrink"]


def test_taking_it_for_right_records_it_as_out_of_band(robbed: Context) -> None:
    resume.resume(robbed, Wanted("anna", "meant", yes=True))
    assert shows(robbed) == ({"C": '"1"', "D": '"1"'}, True)
    change = changes.record(robbed, HERE.layer, 3)
    assert (change.author, change.note, change.message) == ("out-of-band", "taken for right by anna", "meant")
    assert change.before == {"A": '"1"', "B": '"2"'}
    assert robbed.fresh().resumed is None, "the store itself was not in doubt"
    settings.rollback(robbed, HERE, 2, Edit())
    assert shows(robbed)[0]["B"] == '"2"'
    assert delivery.config(robbed, robbed.fresh(), HERE)["allow_shrink"]


def test_what_has_gone_can_be_set_again(robbed: Context) -> None:
    shown = resume.resume(robbed, Wanted("anna", dry_run=True), restore=True)
    assert [step["reasons"] for step in shown["containers"][0]["steps"]]
    resume.resume(robbed, Wanted("anna", yes=True), restore=True)
    assert shows(robbed) == ({"A": '"1"', "B": '"2"', "C": '"1"', "D": '"1"'}, True)
    assert changes.record(robbed, HERE.layer, 3).author == "anna"


def test_a_change_after_it_vouches_for_itself_alone(robbed: Context) -> None:
    settings.edit(robbed, HERE, Edit({"F": "1"}))
    assert shows(robbed) == ({"C": '"1"', "D": '"1"', "F": '"1"'}, False)
    settings.edit(robbed, HERE, Edit({"A": "9", "B": "9"}))
    assert shows(robbed)[1], "they are back"


def test_what_is_written_into_the_store_itself_is_vouched_for_by_the_next_change(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": "1"}))
    context.mirror.wait(context.store.commit([Put(f"{SPACE.settings(HERE.layer)}Z", '"1"')]), 5)
    assert not shows(context)[1]
    settings.edit(context, HERE, Edit({"A": "2"}))
    assert shows(context) == ({"A": '"2"', "Z": '"1"'}, True)


def test_a_binding_vouches_for_no_more_than_was_there(robbed: Context) -> None:
    bindings.put(robbed, HERE, {}, Edit())
    assert not shows(robbed)[1]


def test_where_the_records_are_gone_too_it_can_only_be_taken_as_it_is(context: Context) -> None:
    doubt(context, "h1", OF_APP)
    with pytest.raises(NotFound, match="no record tells what has gone"):
        resume.resume(context, Wanted("anna", dry_run=True), restore=True)
    resume.resume(context, Wanted("anna", yes=True))
    head = context.fresh().heads[HERE.layer]
    assert (head.number, changes.record(context, HERE.layer, 1).author) == (1, "out-of-band")


def test_records_of_more_than_one_page_are_looked_through(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": "1", "B": "1"}))
    for number in range(120):
        settings.edit(context, HERE, Edit({"C": number}))
    context.mirror.wait(context.store.commit([Delete(f"{SPACE.settings(HERE.layer)}A")]), 5)
    assert changes.lost(context, context.fresh(), HERE.layer) == {"A": '"1"'}


def test_a_damaged_record_keeps_nobody_from_writing(robbed: Context) -> None:
    """What it told of is not known any more; the others still tell."""
    robbed.mirror.wait(robbed.store.commit([Put(robbed.keyspace.change(HERE.layer, 2), "{")]), 5)
    assert changes.lost(robbed, robbed.fresh(), HERE.layer)["A"] == '"1"'
    settings.edit(robbed, HERE, Edit({"F": "1"}))
    assert "F" in shows(robbed)[0]
