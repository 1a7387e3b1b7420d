"""Places: which effective sets a layer has a part in, and how far a write reaches."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from confd.errors import NeedsYes
from confd.keys import App, Env, Host, Layer
from confd.ports import Put
from confd.services import bindings, settings
from confd.services.context import Context
from confd.services.places import Place, places_of, told_of
from confd.services.reach import check_reach, reached
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import HostStand

DEV, QA, DEFAULT = Env("dev"), Env("qa"), Env("_default")
WEB, DB, EVERY = App("web"), App("db"), App("_default")
H1 = Host("h1")


def names(places: Sequence[Place]) -> list[str]:
    return [f"{place.env}/{place.app}" + (f"@{place.host}" if place.host else "") for place in places]


@pytest.fixture
def known(context: Context) -> Context:
    for env, app in ((DEV, WEB), (QA, WEB), (DEV, DB)):
        settings.edit(context, Scope(env, app), Edit({"x": 1}))
    settings.edit(context, Scope(DEV, WEB, H1), Edit({"x": 2}))
    return context


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Layer(DEV, WEB), ["dev/web", "dev/web@h1"]),
        (Layer(DEV, WEB, H1), ["dev/web@h1"]),
        (Layer(DEV, WEB, Host("h9")), ["dev/web@h9"]),
        (Layer(QA, WEB), ["qa/web"]),
        (Layer(DEFAULT, WEB), ["_default/web", "dev/web", "dev/web@h1", "qa/web"]),
        (Layer(DEV, EVERY), ["dev/_default", "dev/db", "dev/web", "dev/web@h1"]),
        (
            Layer(DEFAULT, EVERY),
            ["_default/_default", "dev/db", "dev/web", "dev/web@h1", "qa/web"],
        ),
        (Layer(Env("new"), App("new")), ["new/new"]),
    ],
)
def test_a_layer_has_a_part_in_every_set_that_it_covers(
    known: Context, layer: Layer, expected: Sequence[str]
) -> None:
    assert names(places_of(known.fresh(), layer)) == expected


def test_an_app_of_every_env_has_a_set_in_each_env_that_is_known(known: Context) -> None:
    settings.edit(known, Scope(DEFAULT, App("log")), Edit({"x": 1}))
    assert names(places_of(known.fresh(), Layer(QA, EVERY))) == ["qa/_default", "qa/log", "qa/web"]


def test_a_binding_or_a_container_makes_an_app_known(context: Context) -> None:
    bindings.put(context, Scope(DEV, App("bound")), {}, Edit())
    HostStand(context.store, "h1").up().runs("c", app="seen")
    assert names(places_of(context.fresh(), Layer(DEV, EVERY))) == ["dev/_default", "dev/bound", "dev/seen"]


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Layer(DEV, WEB), (1, 2, 3)),
        (Layer(DEV, WEB, H1), (1, 1, 2)),
        (Layer(DEV, EVERY), (2, 2, 4)),
        (Layer(QA, EVERY), (1, 1, 1)),
        (Layer(Env("prod"), WEB), (1, 0, 0)),
    ],
)
def test_a_write_tells_how_many_apps_hosts_and_containers_it_reaches(
    known: Context, layer: Layer, expected: tuple[int, int, int]
) -> None:
    first, second = HostStand(known.store, "h1").up(), HostStand(known.store, "h2").up(alive=False)
    for stand, name, app, env in (
        (first, "web-1", "web", "dev"),
        (first, "web-2", "web", "dev"),
        (second, "web-3", "web", "dev"),
        (second, "db-1", "db", "dev"),
        (second, "web-qa", "web", "qa"),
    ):
        stand.runs(name, app, env)
    snapshot = known.fresh()
    reaches = reached(known, snapshot, places_of(snapshot, layer))
    assert (reaches["apps"], reaches["hosts"], reaches["containers"]) == expected


@pytest.mark.parametrize(
    ("apps", "containers", "yes", "refused"),
    [
        (1, 10, False, ""),
        (1, 11, False, "this reaches 1 app with 11 containers on 1 host;"),
        (2, 0, False, "this reaches 2 apps with 0 containers on 1 host;"),
        (1, 11, True, ""),
        (9, 99, True, ""),
    ],
)
def test_more_than_ten_containers_or_one_app_want_a_yes(
    apps: int, containers: int, yes: bool, refused: str
) -> None:
    reaches = {"apps": apps, "hosts": 1, "containers": containers, "actions": {}}
    reaches["needs_yes"] = apps > 1 or containers > 10
    if refused:
        with pytest.raises(NeedsYes, match=refused):
            check_reach(reaches, yes)
    else:
        check_reach(reaches, yes)


@pytest.mark.parametrize("text", ["", "[]", "nonsense", "{}", '{"app": "web", "env": "dev"}', '{"observed": 3}'])
def test_a_status_of_another_release_is_no_container_of_ours_and_no_crash(context: Context, text: str) -> None:
    HostStand(context.store, "h1").up()
    context.store.commit([Put(f"{context.keyspace.host(H1)}status/c", text)])
    (told,) = told_of(context.fresh())
    assert told.observed is None
    settings.edit(context, Scope(DEV, WEB), Edit({"a": 1}))


def test_the_eleventh_container_is_asked_about(context: Context) -> None:
    stand = HostStand(context.store, "h1").up()
    for number in range(11):
        stand.runs(f"web-{number}")
    context.mirror.wait(context.fresh().revision, 5)
    with pytest.raises(NeedsYes, match="11 containers"):
        settings.edit(context, Scope(DEV, WEB), Edit({"a": 1}))
    written = settings.edit(context, Scope(DEV, WEB), Edit({"a": 1}, yes=True))
    assert [written.reaches[name] for name in ("apps", "hosts", "containers")] == [1, 1, 11]
