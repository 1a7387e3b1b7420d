"""Promotion between envs: one change an app, all of them or none, and what is of one env stays there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd.errors import Conflict, Invalid, Malformed, NeedsYes, NotFound, Refused, Shrinks, TooLarge
from confd.keys import App, Env, Host, Key
from confd.model import Head
from confd.ports import Delete, Put
from confd.promotion import Choice
from confd.secret import MASK
from confd.services import bindings, changes, envrules, promoting, proposals, settings
from confd.services.context import Context
from confd.services.gate import Asked
from confd.services.meta import keyring_of
from confd.services.promoting import Course, Promoted
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import HostStand
from tests.support.secrets import KEYS
from tests.support.stores import FailingStore

QA, PROD, WEB, API = Env("qa"), Env("prod"), App("web"), App("api")
HERE, THERE = Scope(QA, WEB), Scope(PROD, WEB)
ALL = Course(QA, PROD)


def write(context: Context, env: Env, app: App = WEB, host: Host | None = None, **values: Any) -> None:
    """`db__url` is the key `db/url`."""
    named = {name.replace("__", "/"): value for name, value in values.items()}
    settings.edit(context, Scope(env, app, host), Edit(set=named, yes=True))


def promote(context: Context, course: Course, **members: Any) -> list[Promoted]:
    return promoting.promote(context, course, Edit(author="anna", asked=Asked("anna"), **members))


def one(context: Context, choice: Choice | None = None, **members: Any) -> Promoted:
    (found,) = promote(context, Course(QA, PROD, WEB, choice or Choice()), **members)
    return found


def values(context: Context, env: Env = PROD, app: App = WEB) -> dict[str, Any]:
    found = settings.read(context, context.fresh(), Scope(env, app), own=True)["settings"]
    return {key: its["value"] for key, its in found.items()}


def numbers(context: Context) -> dict[str, int]:
    return {str(at): head.number for at, head in context.fresh().heads.items() if at.env == PROD}


def test_what_differs_is_one_change_that_says_where_it_comes_from(context: Context) -> None:
    write(context, QA, A="1", B="1")
    write(context, QA, A="2")
    write(context, PROD, A="1", own="3")
    done = one(context)
    assert (done.written.change, dict(done.kept)) == (2, {"own": "only in prod"})
    assert values(context) == {"A": "2", "B": "1", "own": "3"}
    change = changes.record(context, THERE.layer, 2)
    assert (change.author, change.message) == ("anna", "promote from qa")
    assert change.note == "promoted from qa/web (change 2)"
    assert (one(context).written.differences, numbers(context)) == ((), {"prod/web": 2})


def test_keys_that_differ_by_intent_stay(context: Context) -> None:
    bindings.put(context, THERE, {"promote": {"exclude": ["db/**"]}}, Edit())
    write(context, QA, A="2", db__url="qa", log__level="debug", log__to="file")
    write(context, PROD, A="1", db__url="prod")
    looked = one(context, Choice(left_out=("log/*",)), dry_run=True)
    assert dict(looked.kept) == {
        "db/url": "kept by the binding's promote",
        "log/level": "not chosen",
        "log/to": "not chosen",
    }
    assert values(context) == {"A": "1", "db/url": "prod"}
    one(context, Choice(only=("log/level",)))
    assert values(context) == {"A": "1", "db/url": "prod", "log/level": "debug"}


def test_prune_takes_away_what_only_the_target_has_and_the_shrink_guard_holds(context: Context) -> None:
    write(context, QA, A="1")
    write(context, PROD, A="1", B="1", C="1")
    with pytest.raises(Shrinks):
        one(context, Choice(prune=True))
    one(context, Choice(prune=True), force=True)
    assert values(context) == {"A": "1"}


def test_what_a_host_has_and_what_all_apps_share_is_of_its_env(context: Context) -> None:
    write(context, QA, A="1")
    write(context, QA, App("_default"), shared="1")
    write(context, QA, WEB, Host("h1"), A="9")
    assert [its.app for its in promote(context, ALL)] == [WEB]
    assert (values(context), values(context, PROD, App("_default"))) == ({"A": "1"}, {})
    promote(context, Course(QA, PROD, App("_default")))
    assert values(context, PROD, App("_default")) == {"shared": "1"}


def test_all_apps_are_promoted_at_one_revision(context: Context) -> None:
    for number in range(5):
        write(context, QA, App(f"app{number}"), A=str(number))
    write(context, PROD, App("app3"), A="3")
    with pytest.raises(NeedsYes, match="4 apps"):
        promote(context, ALL)
    assert {its.app: len(its.written.differences) for its in promote(context, ALL, dry_run=True)}[App("app3")] == 0
    found = promote(context, ALL, yes=True)
    assert len({its.written.revision for its in found if its.written.differences}) == 1
    assert [values(context, PROD, App(f"app{number}"))["A"] for number in range(5)] == list("01234")
    assert set(numbers(context).values()) == {1}
    assert changes.record(context, Scope(PROD, App("app4")).layer, 1).note == "promoted from qa/app4 (change 1)"


def test_nothing_is_promoted_where_one_app_would_be_refused(context: Context) -> None:
    write(context, QA, API, A="1")
    write(context, QA, WEB, A="1")
    bindings.put(context, THERE, {"variables": {"rename": {"B": "A"}}}, Edit())
    write(context, PROD, WEB, B="1")
    with pytest.raises(Invalid, match="A"):
        promote(context, ALL, yes=True)
    assert values(context, PROD, API) == {}


def test_nothing_is_promoted_where_somebody_was_faster_and_it_is_decided_anew(
    context: Context, store: FailingStore, other: Context
) -> None:
    write(context, QA, API, A="1")
    write(context, QA, WEB, A="1")

    def overtake(_: object) -> bool:
        write(other, PROD, WEB, A="0", own="1")
        return True

    store.before_commit = overtake
    found = promote(context, ALL, yes=True)
    assert {str(its.app): its.written.change for its in found} == {"api": 1, "web": 2}
    assert values(context) == {"A": "1", "own": "1"}


def test_edits_straight_in_the_store_are_not_overwritten_unseen(context: Context, store: FailingStore) -> None:
    write(context, QA, API, A="1")
    write(context, QA, WEB, A="1")
    key = context.keyspace.settings(THERE.layer) + "A"
    seen = []

    def edited(_: object) -> bool:
        seen.append(store.inner.commit([Put(key, '"5"')]))
        return True

    store.before_commit = edited
    (api, web) = promote(context, ALL, yes=True)
    assert [diff.before for diff in web.written.differences] == ['"5"']
    assert (api.written.revision > seen[0], values(context)) == (True, {"A": "1"})


def test_more_than_one_transaction_holds_is_refused_whole(context: Context) -> None:
    for number in range(3):
        write(context, QA, App(f"app{number}"), A="x" * 400_000)
    with pytest.raises(TooLarge, match="in parts"):
        promote(context, ALL, yes=True)
    assert numbers(context) == {}


def test_only_the_heads_are_compared_where_all_keys_are_too_many(context: Context) -> None:
    for number in range(3):
        many: Any = {f"K{index}": "1" for index in range(60)}
        write(context, QA, App(f"app{number}"), **many)
    promote(context, ALL, yes=True)
    assert numbers(context) == {f"prod/app{number}": 1 for number in range(3)}


@pytest.mark.parametrize(
    ("course", "error"),
    [
        (Course(QA, QA, WEB), Malformed),
        (Course(QA, PROD, App("nobody")), NotFound),
        (Course(Env("nowhere"), PROD), NotFound),
    ],
)
def test_what_cannot_be_carried_over_is_refused(context: Context, course: Course, error: type[Exception]) -> None:
    write(context, QA, A="1")
    with pytest.raises(error):
        promote(context, course)


def test_a_secret_is_carried_over_sealed_for_the_other_env_and_once(context: Context) -> None:
    with_keys = replace(context, keys=KEYS)
    for app in (WEB, API):
        settings.edit(with_keys, Scope(QA, app), Edit({"A": "canary-3b", "B": "1"}, secret=("A",)))
    done = promote(with_keys, ALL, yes=True)
    assert [one.written.change for one in done] == [1, 1]
    assert values(with_keys) == values(with_keys, PROD, API) == {"A": MASK, "B": "1"}
    snapshot = with_keys.fresh()
    ring, there = keyring_of(snapshot.meta, KEYS), THERE.layer
    assert ring.open(snapshot.layers[there][Key("A")].text, there, "A") == '"canary-3b"'
    assert "canary" not in str(done)
    assert [one.written.differences for one in promote(with_keys, ALL, yes=True)] == [(), ()]


def test_where_the_env_asks_for_approval_each_app_has_a_proposal(context: Context) -> None:
    write(context, QA, API, A="1")
    write(context, QA, WEB, A="1")
    envrules.put(context, PROD, {"approval": True}, Edit())
    context.mirror.wait(context.fresh().revision, 5)
    found = promote(context, ALL, yes=True)
    assert (numbers(context).keys() - {"prod/_default"}, len({its.written.proposal for its in found})) == (set(), 2)
    web = found[1].written.proposal
    proposals.approve(context, THERE, web, Edit(asked=Asked("ben")))
    note = changes.record(context, THERE.layer, 1).note
    assert note == f"promoted from qa/web (change 1); approved by ben (proposal {web})"
    assert (values(context), values(context, PROD, API)) == ({"A": "1"}, {})


def test_the_check_of_its_writer_is_asked(context: Context) -> None:
    def refuse(_: object) -> None:
        raise Refused("not now")

    write(context, QA, A="1")
    with pytest.raises(Refused, match="not now"):
        one(context, check=refuse)


def test_containers_of_all_apps_are_counted_together(context: Context) -> None:
    host = HostStand(context.store, "h1").up()
    for app in (API, WEB):
        write(context, QA, app, A="1")
        host.runs(f"{app}-1", app, env="prod")
    context.mirror.wait(context.fresh().revision, 5)
    reaches = promoting.total(promote(context, ALL, dry_run=True))
    assert (reaches["apps"], reaches["containers"], reaches["hosts"], reaches["needs_yes"]) == (2, 2, 1, True)


def test_a_head_that_is_gone_counts_on(context: Context) -> None:
    write(context, QA, A="1")
    write(context, PROD, A="0")
    context.store.commit([Delete(context.keyspace.head(THERE.layer))])
    context.mirror.wait(context.fresh().revision, 5)
    assert one(context).written.change == 2
    assert context.fresh().heads.get(THERE.layer, Head()).number == 2


def test_a_store_that_fails_is_told(context: Context, store: FailingStore) -> None:
    write(context, QA, A="1")
    store.write_error = Conflict("somebody was faster")
    with pytest.raises(Conflict):
        one(context)
