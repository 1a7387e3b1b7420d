"""References between apps: what a write is checked against, whom it reaches, and what is told of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from confd.errors import Invalid, NeedsYes
from confd.keys import App, Env, Host, Layer, parse_key
from confd.ports import Delete, Put
from confd.rollout import settings_id
from confd.services import delivery, fleet, settings
from confd.services.context import Context
from confd.services.dependents import dependents_of, reached_places
from confd.services.places import Place
from confd.services.scope import Scope
from confd.services.settings import Edit, Written
from tests.support.hosts import HostStand

DEV, QA, EVERY_ENV = Env("dev"), Env("qa"), Env("_default")
WEB, DB, CACHE, EVERY_APP = App("web"), App("db"), App("cache"), App("_default")
H1 = Host("h1")
PREFIX = "/confd/envs/dev/settings"


def write(context: Context, app: str, host: str | None = None, env: str = "dev", **values: Any) -> Written:
    scope = Scope(Env(env), App(app), Host(host) if host else None)
    unset = tuple(name for name, value in values.items() if value is ...)
    return settings.edit(
        context, scope, Edit({k: v for k, v in values.items() if v is not ...}, unset=unset, yes=True)
    )


def straight(context: Context, app: str, **values: Any) -> None:
    """Past all checks."""
    context.store.commit([Put(f"{PREFIX}/{app}/{key}", json.dumps(value)) for key, value in values.items()])
    context.mirror.wait(context.fresh().revision, 5)


def variables(context: Context, app: str = "web", host: str | None = None) -> dict[str, str]:
    scope = Scope(DEV, App(app), Host(host) if host else None)
    return dict(delivery.config(context, context.fresh(), scope)["variables"])


def names(places: Sequence[Place] | set[Place]) -> list[str]:
    return sorted(f"{one.env}/{one.app}" + (f"@{one.host}" if one.host else "") for one in places)


@pytest.fixture
def linked(context: Context) -> Context:
    """web's URL comes to db's dsn, and that to db's host and to cache's name; aside refers to nothing."""
    write(context, "cache", name="c")
    write(context, "db", host_name="h", dsn="${host_name}.${cache:name}", size=1)
    write(context, "web", URL="pg://${db:dsn}/x")
    write(context, "aside", A="1")
    return context


# --- what a write is checked against ----------------------------------------------------------------------


def test_a_container_is_due_what_is_referred_to(linked: Context) -> None:
    assert variables(linked) == {"URL": "pg://h.c/x"}
    write(linked, "cache", name="d")
    assert variables(linked) == {"URL": "pg://h.d/x"}


@pytest.mark.parametrize(
    ("app", "values", "words"),
    [
        ("web", {"A": "${nope}"}, "A refers to nope, which is not set"),
        (
            "web",
            {"A": "${db:nope}"},
            "A refers to db:nope, which is not set; set it, change what refers",
        ),
        ("web", {"A": "${HOME}/x"}, "write $${ for a plain ${"),
        ("web", {"a": "${b}", "b": "${c}", "c": "${a}"}, "a: a -> b -> c -> a goes round in a circle"),
        ("cache", {"name": "${web:URL}"}, "name -> web:URL -> db:dsn -> name goes round in a circle"),
        ("db", {"dsn": "${web:URL}"}, "dsn -> web:URL -> dsn goes round in a circle"),
        ("db", {"dsn": ...}, "another app refers to this: URL refers to db:dsn, which is not set"),
        ("cache", {"name": ...}, "another app refers to this: dsn refers to cache:name, which is not set"),
        ("cache", {"name": None}, "(in dev/db)"),
        ("db", {"host_name": ...}, "dsn refers to host_name, which is not set"),
        ("web", {"A": "x${@db:adress}"}, "is no reference to a container"),
    ],
)
def test_what_cannot_be_resolved_is_refused_and_nothing_is_stored(
    linked: Context, app: str, values: dict[str, Any], words: str
) -> None:
    before = linked.fresh().revision
    with pytest.raises(Invalid) as refused:
        write(linked, app, **values)
    assert words in refused.value.detail
    assert linked.fresh().revision == before


def test_the_pointer_is_into_what_was_asked_alone(linked: Context) -> None:
    with pytest.raises(Invalid) as own:
        write(linked, "web", A="${nope}")
    with pytest.raises(Invalid) as others:
        write(linked, "db", dsn=...)
    assert (own.value.pointer, others.value.pointer) == ("/set/A", None)


def test_a_rollback_is_checked_like_any_write(context: Context) -> None:
    write(context, "db", a="1")
    write(context, "db", at="h")
    write(context, "web", URL="${db:at}")
    with pytest.raises(Invalid, match="URL refers to db:at"):
        settings.rollback(context, Scope(DEV, DB), 1, Edit(yes=True))


def test_what_all_envs_share_is_filled_where_the_app_is(context: Context) -> None:
    write(context, "web", env="_default", URL="${db:at}")
    with pytest.raises(Invalid, match="URL refers to db:at"):
        write(context, "web", A="1")
    write(context, "db", at="h")
    write(context, "web", A="1")
    assert variables(context)["URL"] == "h"
    with pytest.raises(Invalid, match=r"\(in dev/web\)"):
        write(context, "db", at=...)


def test_a_host_with_settings_of_its_own_is_checked_for_itself(linked: Context) -> None:
    write(linked, "db", host="h1", dsn="other")
    assert (variables(linked, host="h1"), variables(linked, host="h2")["URL"]) == (
        {"URL": "pg://other/x"},
        "pg://h.c/x",
    )
    with pytest.raises(Invalid, match="another app refers to this: URL refers to db:dsn"):
        write(linked, "db", host="h1", dsn=None)
    write(linked, "db", host="h2", size=None)
    with pytest.raises(Invalid, match=r"SIZE refers to db:size, which is not set.*\(in dev/web\)"):
        write(linked, "web", SIZE="${db:size}")


def test_what_stands_there_already_is_not_this_writers_and_the_rest_is_delivered(linked: Context) -> None:
    straight(linked, "web", OLD="${HOME}/x", FINE="1")
    write(linked, "web", NEW="2")
    assert variables(linked) == {"URL": "pg://h.c/x", "FINE": "1", "NEW": "2"}
    (problem,) = delivery.config(linked, linked.fresh(), Scope(DEV, WEB))["problems"]
    assert problem.startswith("OLD refers to HOME, which is not set")


def test_what_only_looks_like_a_reference_is_warned_of(context: Context) -> None:
    written = write(context, "web", A="${VAR:-x}", B="$${VAR:-x}", C="${mt:W,1}")
    assert [words.partition(" is no reference")[0] for words in written.warnings] == [
        "A: '${VAR:-x'",
        "C: '${mt:W,1'",
    ]


def test_a_value_that_would_be_too_long_is_refused(context: Context) -> None:
    write(context, "db", big="x" * 400_000)
    with pytest.raises(Invalid, match="would be more than 524288 bytes as JSON"):
        write(context, "web", TWICE="${db:big}${db:big}")


def test_run_options_may_refer_and_be_referred_to(context: Context) -> None:
    context_scope = Scope(DEV, WEB)
    settings.edit(context, context_scope, Edit({"run/memory": "256m", "HEAP": "-Xmx${run/memory}", "size": "1g"}))
    settings.edit(context, context_scope, Edit({"run/memory-swap": "${size}"}))
    assert variables(context)["HEAP"] == "-Xmx256m"
    with pytest.raises(Invalid, match="run/memory-swap"):
        settings.edit(context, context_scope, Edit({"size": "much"}))


# --- whom a write reaches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "keys", "places"),
    [
        (Layer(DEV, CACHE), {"name"}, ["dev/db", "dev/web"]),
        (Layer(DEV, DB), {"dsn"}, ["dev/web"]),
        (Layer(DEV, DB), {"host_name", "size"}, ["dev/web"]),
        (Layer(DEV, DB), {"size"}, []),
        (Layer(DEV, WEB), {"URL"}, []),
        (Layer(QA, DB), {"dsn"}, []),
        (Layer(EVERY_ENV, DB), {"dsn"}, ["dev/web"]),
        (Layer(DEV, CACHE, H1), {"name"}, ["dev/db@h1", "dev/web@h1"]),
        (Layer(DEV, EVERY_APP), {"name"}, []),
    ],
)
def test_a_key_reaches_exactly_the_apps_that_come_to_it(
    linked: Context, layer: Layer, keys: set[str], places: list[str]
) -> None:
    assert names(dependents_of(linked.fresh(), layer, keys)) == places


def test_hosts_on_which_the_other_app_differs_are_places_too(linked: Context) -> None:
    write(linked, "cache", host="h1", name="c1")
    write(linked, "web", host="h2", OWN="${cache:name}")
    snapshot = linked.fresh()
    found = names(reached_places(snapshot, snapshot, Layer(DEV, WEB), {"URL"}))
    assert found == ["dev/web", "dev/web@h1", "dev/web@h2"]
    write(linked, "web", URL="x")
    snapshot = linked.fresh()
    assert names(dependents_of(snapshot, Layer(DEV, CACHE), {"name"})) == ["dev/db", "dev/db@h1", "dev/web@h2"]


def test_the_containers_of_the_dependents_count(linked: Context) -> None:
    HostStand(linked.store, "h1").up().runs("web-1")
    HostStand(linked.store, "h1").runs("db-1", app="db")
    HostStand(linked.store, "h2").up().runs("web-2")
    linked.mirror.wait(linked.fresh().revision, 5)
    reaches = settings.edit(linked, Scope(DEV, DB), Edit({"dsn": "new"}, dry_run=True)).reaches
    assert (reaches["apps"], reaches["hosts"], reaches["needs_yes"]) == (2, 2, True)
    assert sorted(one["name"] for one in reaches["which"]) == ["db-1", "web-1", "web-2"]
    with pytest.raises(NeedsYes):
        settings.edit(linked, Scope(DEV, DB), Edit({"dsn": "new"}))
    reaches = settings.edit(linked, Scope(DEV, DB), Edit({"size": 2})).reaches
    assert (reaches["apps"], [one["name"] for one in reaches["which"]]) == (1, ["db-1"])
    reaches = settings.edit(linked, Scope(DEV, DB, H1), Edit({"dsn": "new"}, dry_run=True)).reaches
    assert sorted(one["name"] for one in reaches["which"]) == ["db-1", "web-1"]


def test_a_setting_of_one_host_that_refers_counts_the_containers_there_alone(linked: Context) -> None:
    HostStand(linked.store, "h1").up().runs("aside-1", app="aside")
    HostStand(linked.store, "h2").up().runs("aside-2", app="aside")
    write(linked, "aside", host="h1", SIZE="${db:size}")
    reaches = settings.edit(linked, Scope(DEV, DB), Edit({"size": 2}, dry_run=True)).reaches
    assert [one["name"] for one in reaches["which"]] == ["aside-1"]


def test_a_change_of_what_is_referred_to_is_one_that_the_app_is_published(linked: Context) -> None:
    HostStand(linked.store, "h1").up().runs("web-1")

    def published() -> int:
        linked.mirror.wait(linked.fresh().revision, 5)
        (one,) = fleet.status(linked, linked.snapshot(), Scope(DEV, WEB))["containers"]
        return int(one["published"])

    before = published()
    write(linked, "db", size=2)
    assert published() == before
    assert published() < write(linked, "cache", name="d").revision == published()


def test_a_failure_stops_others_until_what_they_refer_to_is_changed(linked: Context) -> None:
    before = settings_id(linked.fresh(), DEV, WEB)
    write(linked, "db", size=2)
    assert settings_id(linked.fresh(), DEV, WEB) == before
    write(linked, "cache", name="d")
    changed = settings_id(linked.fresh(), DEV, WEB)
    assert changed != before
    linked.store.commit([Delete(f"{PREFIX}/cache/name")])
    assert settings_id(linked.fresh(), DEV, WEB) not in (before, changed)


# --- what is told -----------------------------------------------------------------------------------------


def test_a_read_shows_what_is_due_and_what_was_written(linked: Context) -> None:
    snapshot = linked.fresh()
    due = settings.read_one(linked, snapshot, Scope(DEV, WEB), parse_key("URL"))
    assert (due["value"], due["written"]) == ("pg://h.c/x", "pg://${db:dsn}/x")
    own = settings.read_one(linked, snapshot, Scope(DEV, WEB), parse_key("URL"), own=True)
    assert own["value"] == "pg://${db:dsn}/x"
    assert "written" not in own
    assert "written" not in settings.read_one(linked, snapshot, Scope(DEV, App("aside")), parse_key("A"))


def test_a_read_shows_what_cannot_be_resolved_as_it_is_written(linked: Context) -> None:
    straight(linked, "web", BROKEN="${nope}", AT="${@db:address}")
    found = settings.read(linked, linked.fresh(), Scope(DEV, WEB))["settings"]
    assert {key: one["value"] for key, one in found.items()} == {
        "AT": "${@db:address}",
        "BROKEN": "${nope}",
        "URL": "pg://h.c/x",
    }


def test_explain_tells_what_a_key_comes_to_and_what_comes_to_it(linked: Context) -> None:
    snapshot = linked.fresh()
    url = fleet.explain(linked, snapshot, Scope(DEV, WEB), parse_key("URL"))
    assert (url["winner"]["value"], url["value"]) == ("pg://${db:dsn}/x", "pg://h.c/x")
    assert url["refers_to"] == [
        {"app": "db", "key": "dsn", "layer": "dev/db", "value": "h.c"},
        {"app": "db", "key": "host_name", "layer": "dev/db", "value": "h"},
        {"app": "cache", "key": "name", "layer": "dev/cache", "value": "c"},
    ]
    assert url["referred_by"] == []
    name = fleet.explain(linked, snapshot, Scope(DEV, CACHE), parse_key("name"))
    assert (name["value"], name["refers_to"]) == ("c", [])
    assert name["referred_by"] == [{"app": "db", "key": "dsn"}, {"app": "web", "key": "URL"}]


def test_explain_tells_what_is_missing(linked: Context) -> None:
    straight(linked, "web", BROKEN="${db:nope}")
    found = fleet.explain(linked, linked.fresh(), Scope(DEV, WEB), parse_key("BROKEN"))
    assert found["value"] is None
    assert found["refers_to"] == [{"app": "db", "key": "nope", "layer": None, "value": None}]
    assert found["problems"] == [
        "BROKEN refers to db:nope, which is not set; set it, change what refers to it, or write $${ for a plain ${"
    ]
