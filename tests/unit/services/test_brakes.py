"""Brakes: what they are put on, that they are found again, and what taking one off sets off."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import Malformed, NeedsYes, NotFound, Refused
from confd.holds import holds_of
from confd.jsontext import Number
from confd.keys import App, Container, Env, Host, Key
from confd.ports import Put
from confd.services import brakes, fleet, history, settings
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.history import Wanted as Page
from confd.services.meta import fresh_meta
from confd.services.places import Place
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from tests.support.hosts import HostStand
from tests.support.stores import FailingStore

DEV, EVERY, WEB, H1, H2 = Env("dev"), Env("_default"), App("web"), Host("h1"), Host("h2")
WHY = Wanted("anna", "the disk is full")


def run(context: Context, host: str, name: str, app: str = "web", *, alive: bool = True) -> None:
    """A container of which an agent has told, and the API knows."""
    HostStand(context.store, host).up(alive=alive).runs(name, app)
    context.mirror.wait(context.fresh().revision, 5)


def on(context: Context) -> list[tuple[Any, Any, Any]]:
    return [(one["env"], one["app"], one["host"]) for one in brakes.read_all(context.fresh())["brakes"]]


@pytest.mark.parametrize(
    "what", [Frozen(EVERY), Frozen(DEV), Frozen(DEV, WEB), Frozen(DEV, None, H1), Frozen(DEV, WEB, H1)]
)
def test_a_brake_holds_until_it_is_taken_off(context: Context, what: Frozen) -> None:
    brakes.freeze(context, what, WHY)
    (hold,) = holds_of(context.fresh(), DEV, WEB, H1)
    assert ("anna" in hold.why, "the disk is full" in hold.why) == (True, True)
    assert on(context) == [(what.env, what.app, what.host)]
    brakes.unfreeze(context, what, Wanted("ben"))
    assert (holds_of(context.fresh(), DEV, WEB, H1), on(context)) == ((), [])


def test_brakes_stand_side_by_side_and_each_is_taken_off_alone(context: Context) -> None:
    for what in (Frozen(DEV), Frozen(DEV, WEB), Frozen(EVERY, None, H1)):
        brakes.freeze(context, what, WHY)
    brakes.unfreeze(context, Frozen(DEV), WHY)
    assert on(context) == [("_default", None, "h1"), ("dev", "web", None)]
    assert len(holds_of(context.fresh(), DEV, WEB, H1)) == 2
    assert holds_of(context.fresh(), DEV, App("other"), H2) == ()


def test_a_second_freeze_of_the_same_says_who_wants_it_now(context: Context) -> None:
    brakes.freeze(context, Frozen(DEV, WEB), WHY)
    document = brakes.freeze(context, Frozen(DEV, WEB), Wanted("ben", "still full"))
    assert [(one["author"], one["message"]) for one in document["brakes"]] == [("ben", "still full")]


def test_who_froze_what_and_why_stays_in_the_history(context: Context) -> None:
    brakes.freeze(context, Frozen(DEV, WEB), WHY)
    brakes.unfreeze(context, Frozen(DEV, WEB), Wanted("ben", "space again"))
    found = [(one.kind, one.author, one.message) for one in history.page(context, Place(DEV, WEB), Page()).changes]
    assert found == [("freeze", "ben", "space again"), ("freeze", "anna", "the disk is full")]


def test_a_rollback_passes_over_brakes(context: Context) -> None:
    scope = Scope(DEV, WEB)
    settings.edit(context, scope, Edit({"a": 1, "b": 1, "c": 1}))
    settings.edit(context, scope, Edit({"a": 2}))
    brakes.freeze(context, Frozen(DEV, WEB), WHY)
    settings.rollback(context, scope, None, Edit())
    assert settings.read_one(context, context.fresh(), scope, Key("a"))["value"] == Number("1")
    assert on(context) == [("dev", "web", None)]


@pytest.mark.parametrize("message", ["", "  \n"])
def test_a_freeze_without_a_reason_is_refused(context: Context, message: str) -> None:
    with pytest.raises(Malformed, match="say why"):
        brakes.freeze(context, Frozen(DEV), Wanted("anna", message))
    assert on(context) == []


def test_what_is_not_frozen_is_told_with_what_is(context: Context) -> None:
    with pytest.raises(NotFound, match="web in env dev is not frozen; no brake is on"):
        brakes.unfreeze(context, Frozen(DEV, WEB), WHY)
    brakes.freeze(context, Frozen(DEV), WHY)
    with pytest.raises(NotFound, match="env dev is frozen by anna"):
        brakes.unfreeze(context, Frozen(DEV, WEB), WHY)


def test_a_dry_run_leaves_all_as_it_is(context: Context) -> None:
    brakes.freeze(context, Frozen(DEV), WHY)
    before = context.fresh().revision
    assert brakes.unfreeze(context, Frozen(DEV), Wanted("anna", dry_run=True))["brakes"] == []
    assert brakes.freeze(context, Frozen(DEV, WEB), Wanted("anna", "x", dry_run=True))["reaches"]["containers"] == 0
    assert (context.fresh().revision, len(on(context))) == (before, 1)


def test_it_tells_whom_it_reaches_and_what_it_sets_off(context: Context) -> None:
    run(context, "h1", "web-1")
    run(context, "h2", "web-2")
    run(context, "h2", "db", "db")
    document = brakes.freeze(context, Frozen(DEV, WEB), WHY)
    assert document["reaches"] == {"apps": 1, "hosts": 2, "containers": 2}
    settings.edit(context, Scope(DEV, WEB), Edit({"A": "1"}))
    held = fleet.plan(context, context.fresh(), Scope(DEV, WEB))["containers"]
    assert [step["cause"] for one in held for step in one["steps"]] == ["held", "held"]
    off = brakes.unfreeze(context, Frozen(DEV, WEB), Wanted("anna", dry_run=True))["sets_off"]
    assert [(one["name"], one["host"], one["actions"]) for one in off] == [
        ("web-1", "h1", ["recreate"]),
        ("web-2", "h2", ["recreate"]),
    ]


def test_what_another_brake_still_holds_is_not_set_off(context: Context) -> None:
    run(context, "h1", "web-1")
    for what in (Frozen(DEV, WEB), Frozen(EVERY)):
        brakes.freeze(context, what, WHY)
    settings.edit(context, Scope(DEV, WEB), Edit({"A": "1"}))
    assert brakes.unfreeze(context, Frozen(DEV, WEB), WHY)["sets_off"] == []
    assert len(brakes.unfreeze(context, Frozen(EVERY), WHY)["sets_off"]) == 1


def test_setting_off_two_apps_wants_a_yes(context: Context) -> None:
    for app in ("one", "two"):
        run(context, "h1", app, app)
        brakes.freeze(context, Frozen(DEV), WHY)
        settings.edit(context, Scope(DEV, App(app)), Edit({"A": "1"}))
    with pytest.raises(NeedsYes, match="2 containers of 2 apps"):
        brakes.unfreeze(context, Frozen(DEV), WHY)
    assert len(on(context)) == 1
    brakes.unfreeze(context, Frozen(DEV), Wanted("anna", yes=True))
    assert on(context) == []


def test_the_status_tells_of_the_brake_where_nothing_is_due_too(context: Context) -> None:
    run(context, "h1", "web-1", alive=False)
    brakes.freeze(context, Frozen(DEV, WEB), WHY)
    (one,) = fleet.status(context, context.fresh(), Scope(DEV, WEB))["containers"]
    assert ("anna" in one["detail"], one["brakes"], one["state"]) == (True, [one["detail"]], "in-sync")


def test_a_damaged_document_is_mended_by_an_unfreeze_of_the_env(context: Context) -> None:
    context.store.commit([Put(context.keyspace.freeze(DEV), "nonsense")])
    assert "cannot be read" in holds_of(context.fresh(), DEV, WEB, H1)[0].why
    context.mirror.wait(context.fresh().revision, 5)
    brakes.unfreeze(context, Frozen(DEV), WHY)
    assert holds_of(context.fresh(), DEV, WEB, H1) == ()


def test_a_brake_on_a_store_whose_agents_would_not_heed_it_is_refused(
    store: FailingStore, context: Context
) -> None:
    revision = store.commit([Put(context.keyspace.meta, fresh_meta(1))])
    context.mirror.wait(revision, 5)
    with pytest.raises(Refused, match="format"):
        brakes.freeze(context, Frozen(DEV), WHY)


def test_a_status_that_nobody_can_read_does_not_keep_a_brake_from_being_put_on(context: Context) -> None:
    context.store.commit([Put(context.keyspace.status(H1, Container("c")), "{}")])
    context.mirror.wait(context.fresh().revision, 5)
    assert brakes.freeze(context, Frozen(EVERY), WHY)["reaches"]["containers"] == 1
    assert brakes.unfreeze(context, Frozen(EVERY), WHY)["sets_off"] == []


def test_a_lost_race_is_decided_again(context: Context, other: Context, store: FailingStore) -> None:
    def meanwhile(operations: object) -> bool:
        return bool(brakes.freeze(other, Frozen(DEV, App("other")), WHY))

    store.before_commit = meanwhile
    brakes.freeze(context, Frozen(DEV, WEB), WHY)
    assert on(context) == [("dev", "other", None), ("dev", "web", None)]
