"""What agents have told: apps, hosts, status, the plan over it, and where a key's value comes from."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import Invalid, NotFound
from confd.keys import App, Container, Env, Host, Key, Keyspace
from confd.model import Observed, Reach, Reason, Step, frozen
from confd.ports import Put
from confd.published import Told, status_text
from confd.services import bindings, brakes, fleet, hosts, settings
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from tests.support.hosts import FACTS, HostStand

DEV, WEB = Env("dev"), App("web")
HERE, ON_H1 = Scope(DEV, WEB), Scope(DEV, WEB, Host("h1"))
LAYERS = [
    Scope(Env("_default"), App("_default")),
    Scope(DEV, App("_default")),
    Scope(Env("_default"), WEB),
    HERE,
    ON_H1,
]
K = Key("k")
SPACE = Keyspace()


def lay(context: Context, *values: Any) -> None:
    """One value a layer, lowest first; Ellipsis leaves a layer without."""
    for scope, value in zip(LAYERS, values, strict=False):
        if value is not ...:
            settings.edit(context, scope, Edit({"k": value}, yes=True))


def explained(context: Context, scope: Scope = ON_H1) -> dict[str, Any]:
    return fleet.explain(context, context.fresh(), scope, K)


# --- explain ----------------------------------------------------------------------------------------------


def test_all_five_layers_are_told_highest_first(context: Context) -> None:
    lay(context, "1", "2", "3", "4", "5")
    document = explained(context)
    assert [(one["layer"], one["value"], one["change"]) for one in [document["winner"], *document["hidden"]]] == [
        ("dev/web@h1", "5", 1),
        ("dev/web", "4", 1),
        ("_default/web", "3", 1),
        ("dev/_default", "2", 1),
        ("_default/_default", "1", 1),
    ]
    assert document["variable"] == "k"


@pytest.mark.parametrize(
    ("values", "scope", "winner", "hidden"),
    [
        (("1", ..., "3", ..., "5"), ON_H1, "dev/web@h1", ["_default/web", "_default/_default"]),
        (("1", ..., "3", ..., "5"), HERE, "_default/web", ["_default/_default"]),
        ((..., "2"), ON_H1, "dev/_default", []),
        (("1", "2", "3"), Scope(Env("qa"), WEB), "_default/web", ["_default/_default"]),
        (("1", "2", "3"), Scope(DEV, App("db")), "dev/_default", ["_default/_default"]),
    ],
)
def test_only_layers_that_have_the_key_and_reach_the_scope_are_told(
    context: Context, values: tuple[Any, ...], scope: Scope, winner: str, hidden: list[str]
) -> None:
    lay(context, *values)
    document = explained(context, scope)
    assert document["winner"]["layer"] == winner
    assert [one["layer"] for one in document["hidden"]] == hidden


def test_a_null_wins_and_is_told_as_removed(context: Context) -> None:
    lay(context, "1", ..., ..., None)
    document = explained(context, HERE)
    assert (document["removed"], document["winner"]["value"], document["variable"]) == (True, None, None)
    assert document["hidden"][0]["removed"] is False


def test_the_number_of_each_layers_own_change_is_told(context: Context) -> None:
    lay(context, "1")
    settings.edit(context, HERE, Edit({"other": 1}))
    lay(context, ..., ..., ..., "4")
    document = explained(context)
    assert [document["winner"]["change"], document["hidden"][0]["change"]] == [2, 1]


def test_a_key_in_no_layer_is_not_found(context: Context) -> None:
    lay(context, ..., ..., ..., ..., "5")
    with pytest.raises(NotFound, match="k is set in no layer that reaches web in dev; on h1 alone"):
        explained(context, HERE)
    with pytest.raises(NotFound, match=r"reaches db in dev$"):
        explained(context, Scope(DEV, App("db")))


def test_hosts_with_a_value_of_their_own_are_named(context: Context) -> None:
    lay(context, ..., ..., ..., "4", "5")
    assert [(one["host"], one["value"]) for one in explained(context, HERE)["on_hosts"]] == [("h1", "5")]
    assert explained(context, ON_H1)["on_hosts"] == []


def test_what_stands_there_against_the_rules_is_told_without_its_value(context: Context) -> None:
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}k", "a\x00b")])
    document = explained(context)
    assert document["winner"]["value"].startswith("(invalid: ")
    assert document["problems"]


def test_a_secret_is_masked(context: Context) -> None:
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}k", '{"$secret":{"data":"abc"}}')])
    document = explained(context)
    assert document["winner"]["secret"] is True
    assert "abc" not in str(document)


@pytest.fixture
def running(context: Context) -> Context:
    """Two containers of web on two hosts, one of another app."""
    lay(context, ..., ..., ..., "4", "5")
    HostStand(context.store, "h1").up().runs("web-1")
    second = HostStand(context.store, "h2").up(alive=False)
    second.runs("web-2")
    second.runs("db-1", app="db")
    return context


@pytest.mark.parametrize(
    ("scope", "container", "expected"),
    [
        (HERE, None, ["web-1", "web-2"]),
        (ON_H1, None, ["web-1"]),
        (HERE, "web-2", ["web-2"]),
        (HERE, "web-2-on-h2", ["web-2"]),
    ],
)
def test_what_a_change_would_do_is_told_of_each_container(
    running: Context, scope: Scope, container: str | None, expected: list[str]
) -> None:
    effects = fleet.explain(running, running.fresh(), scope, K, container)["effects"]
    assert [one["name"] for one in effects] == expected
    assert {(one["action"], one["reach"], one["blocked"]) for one in effects} == {
        ("recreate", "new-container", None)
    }


def test_a_container_that_is_asked_for_has_the_layer_of_its_host(running: Context) -> None:
    winners = [fleet.explain(running, running.fresh(), HERE, K, f"web-{n}")["winner"]["layer"] for n in (1, 2)]
    assert winners == ["dev/web@h1", "dev/web"]


def test_a_brake_is_told_where_it_keeps_the_change_from_being_done(running: Context) -> None:
    brakes.freeze(running, Frozen(DEV, WEB, Host("h1")), Wanted("anna", "sale"))
    effects = fleet.explain(running, running.fresh(), HERE, K)["effects"]
    assert [(one["name"], one["action"]) for one in effects] == [("web-1", "none"), ("web-2", "recreate")]
    assert "frozen by anna" in effects[0]["blocked"]


@pytest.mark.parametrize(("scope", "container"), [(HERE, "db-1"), (ON_H1, "web-2"), (HERE, "web-"), (HERE, "")])
def test_a_container_that_is_none_of_the_scopes_is_not_found(
    running: Context, scope: Scope, container: str
) -> None:
    with pytest.raises(NotFound, match="is no container of web in dev"):
        fleet.explain(running, running.fresh(), scope, K, container)


# --- plan and status --------------------------------------------------------------------------------------


def test_the_plan_is_that_of_each_hosts_own_settings(running: Context) -> None:
    document = fleet.plan(running, running.fresh(), HERE)
    assert [(one["name"], one["host"], [s["action"] for s in one["steps"]]) for one in document["containers"]] == [
        ("web-1", "h1", ["recreate"]),
        ("web-2", "h2", ["recreate"]),
    ]
    assert document["containers"][0]["unchecked"]
    assert document["containers"][0]["fields"]
    assert document["as_of"] == "2026-01-02T00:00:00Z"


def test_a_binding_that_does_nothing_gives_a_plan_without_a_recreate(running: Context) -> None:
    bindings.put(running, HERE, {"on_change": [{"keys": "**", "action": "none"}]}, Edit())
    steps = [one["steps"] for one in fleet.plan(running, running.fresh(), HERE)["containers"]]
    assert all(step["action"] != "recreate" for some in steps for step in some)


def test_the_status_shows_lost_hosts_containers_too(running: Context) -> None:
    document = fleet.status(running, running.fresh(), HERE)
    assert [(one["name"], one["host"], one["alive"]) for one in document["containers"]] == [
        ("web-1", "h1", True),
        ("web-2", "h2", False),
    ]


def test_a_blocked_step_is_told_with_its_reason(context: Context) -> None:
    step = Step("recreate", Reach.NEW_CONTAINER, (Reason(K, "variable k"),), frozen({}), "adoption")
    HostStand(context.store, "h1").up().runs("web-1", steps=[step])
    (one,) = fleet.status(context, context.fresh(), HERE)["containers"]
    assert (one["state"], one["steps"][0]["blocked"]) == ("blocked", "adoption")


def test_nothing_told_is_an_empty_plan_and_status(context: Context) -> None:
    assert fleet.plan(context, context.fresh(), HERE)["containers"] == []
    assert fleet.status(context, context.fresh(), HERE)["containers"] == []


# --- apps and hosts ---------------------------------------------------------------------------------------


def test_apps_are_known_by_settings_bindings_and_containers(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    settings.edit(context, Scope(Env("qa"), WEB), Edit({"a": 1}))
    bindings.put(context, Scope(DEV, App("bound")), {}, Edit())
    HostStand(context.store, "h1").up().runs("c", app="seen")
    assert fleet.apps(context.fresh())["apps"] == [
        {"app": "bound", "envs": ["dev"]},
        {"app": "seen", "envs": ["dev"]},
        {"app": "web", "envs": ["dev", "qa"]},
    ]


def test_a_lost_host_stays_visible_with_the_time_it_was_last_heard(running: Context) -> None:
    first, second = hosts.hosts(running.fresh())["hosts"]
    assert (first["host"], first["alive"], first["lost_since"], first["containers"]) == ("h1", True, None, 1)
    assert (second["host"], second["alive"], second["containers"]) == ("h2", False, 2)
    assert second["lost_since"] == "2026-01-02T00:00:00Z"
    assert second["engine_version"] == "20.10"


# --- what hosts can do ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "fits"),
    [((4, 8), True), ((1, 8), True), ((1, 1), False)],
)
def test_an_option_that_no_host_can_give_is_refused_b62(
    context: Context, cpus: tuple[int, int], fits: bool
) -> None:
    for index, count in enumerate(cpus):
        HostStand(context.store, f"h{index}", frozen({**FACTS, "cpus": count})).up().runs(f"web-{index}")
    context.mirror.wait(context.fresh().revision, 5)
    if not fits:
        with pytest.raises(Invalid, match="no host"):
            settings.edit(context, HERE, Edit({"run/cpus": "2"}))
        return
    written = settings.edit(context, HERE, Edit({"run/cpus": "2"}))
    assert [warning.partition(":")[0] for warning in written.warnings] == ["h0"] * (cpus[0] < 2)
    assert all(f"0.01 to {cpus[0]}" in warning for warning in written.warnings)


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [((["user"], ["user"]), True), (([], ["user"]), True), (([], []), False)],
)
def test_an_option_that_no_host_lets_the_store_set_is_refused(
    context: Context, allowed: tuple[list[str], list[str]], fits: bool
) -> None:
    for index, names in enumerate(allowed):
        HostStand(context.store, f"h{index}", frozen({**FACTS, "allow_run": names})).up().runs(f"web-{index}")
    context.mirror.wait(context.fresh().revision, 5)
    if not fits:
        with pytest.raises(Invalid, match="--allow-run user"):
            settings.edit(context, HERE, Edit({"run/user": "1000"}))
        return
    written = settings.edit(context, HERE, Edit({"run/user": "1000"}))
    assert [warning.partition(":")[0] for warning in written.warnings] == ["h0"] * (allowed[0] == [])


# --- comparing --------------------------------------------------------------------------------------------


def test_effective_settings_are_compared_by_text_with_secrets_masked(context: Context) -> None:
    lay(context, "1", ..., ..., None)
    settings.edit(context, HERE, Edit({"n": 1, "s": "x"}))
    assert fleet.settings_of(context, context.fresh(), HERE) == {"n": "1", "s": '"x"'}


def test_each_host_is_asked_about_its_own_settings(context: Context) -> None:
    HostStand(context.store, "h1", frozen({**FACTS, "cpus": 1})).up().runs("web-1")
    HostStand(context.store, "h2").up().runs("web-2")
    context.mirror.wait(context.fresh().revision, 5)
    settings.edit(context, ON_H1, Edit({"run/cpus": "1"}))
    assert tuple(settings.edit(context, HERE, Edit({"run/cpus": "4"})).warnings) == ()


def test_an_option_that_no_host_could_give_before_is_not_this_writers(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/cpus": "8"}))
    HostStand(context.store, "h1").up().runs("web-1")
    context.mirror.wait(context.fresh().revision, 5)
    written = settings.edit(context, HERE, Edit({"LOG_LEVEL": "debug"}))
    assert (written.change, tuple(written.warnings)) == (2, ())
    with pytest.raises(Invalid, match="no host"):
        settings.edit(context, HERE, Edit({"run/cpus": "9"}))


def test_status_tells_what_is_published_rendered_and_running(context: Context) -> None:
    first = settings.edit(context, HERE, Edit({"a": "1"})).revision
    second = settings.edit(context, HERE, Edit({"b": "1"})).revision
    behind = Step("recreate", Reach.NEW_CONTAINER, (Reason(Key("c"), "variable c"),), blocked="no")
    stand = HostStand(context.store, "h1").up()
    stand.runs("old")
    third = settings.edit(context, HERE, Edit({"c": "1"})).revision
    text = status_text(
        Observed(Container("x"), "late", WEB, DEV, True),
        (behind,),
        "d",
        Told(third + 3, "2026-01-02T00:00:00Z", in_effect=second),
    )
    context.mirror.wait(context.store.commit([Put(SPACE.status(Host("h1"), Container("x")), text)]), 5)
    found = {
        one["name"]: (one["published"], one["rendered"], one["running"])
        for one in fleet.status(context, context.fresh(), HERE)["containers"]
    }
    assert found["late"] == (third, third, second)
    assert found["old"][0] == third
    assert found["old"][1] in (0, first, second)


def test_status_of_an_app_without_settings_has_no_revision(context: Context) -> None:
    HostStand(context.store, "h1").up(alive=False).runs("web-1")
    (one,) = fleet.status(context, context.fresh(), HERE)["containers"]
    assert (one["published"], one["rendered"], one["running"]) == (0, 0, 0)
    assert one["lost_since"] == "2026-01-02T00:00:00Z"


def test_what_runs_is_a_change_whose_values_are_all_written_over_since(context: Context) -> None:
    """The key was changed twice more while nothing was done; the change that runs is told, not one between."""
    settings.edit(context, HERE, Edit({"a": "1"}))
    runs = settings.edit(context, HERE, Edit({"b": "1"})).revision
    settings.edit(context, HERE, Edit({"b": "2"}))
    last = settings.edit(context, HERE, Edit({"b": "3"})).revision
    step = Step("recreate", Reach.NEW_CONTAINER, (Reason(Key("b"), "variable b"),), blocked="no")
    seen = Observed(Container("x"), "x", WEB, DEV, True)
    HostStand(context.store, "h1").up()
    text = status_text(seen, (step,), "d", Told(last, "2026-01-02T00:00:00Z", in_effect=runs))
    context.mirror.wait(context.store.commit([Put(SPACE.status(Host("h1"), Container("x")), text)]), 5)
    (one,) = fleet.status(context, context.fresh(), HERE)["containers"]
    assert (one["published"], one["rendered"], one["running"]) == (last, last, runs)


@pytest.mark.parametrize(("alive", "state"), [(True, "pending"), (False, "in-sync")])
def test_one_whose_agent_has_not_come_to_the_newest_change_is_not_in_sync_with_it(
    context: Context, alive: bool, state: str
) -> None:
    settings.edit(context, HERE, Edit({"a": "1"}))
    HostStand(context.store, "h1").up(alive=alive).runs("web-1")
    context.mirror.wait(context.fresh().revision, 5)
    assert fleet.status(context, context.fresh(), HERE)["containers"][0]["state"] == "in-sync"
    settings.edit(context, HERE, Edit({"a": "2"}))
    (one,) = fleet.status(context, context.fresh(), HERE)["containers"]
    assert (one["state"], "not come to the newest change" in one["detail"]) == (state, alive)


def test_a_key_that_refers_to_what_is_not_there_is_refused_once_its_agent_has_looked(context: Context) -> None:
    HostStand(context.store, "h1").up().runs("before")
    settings.edit(context, HERE, Edit({"DB": "${@db:address}", "A": "1"}))
    HostStand(context.store, "h1").runs("after")
    context.mirror.wait(context.fresh().revision, 5)
    found = fleet.status(context, context.fresh(), HERE, keys=True)["containers"]
    states = {one["name"]: {key: told["state"] for key, told in one["keys"].items()} for one in found}
    assert states == {"before": {"A": "pending", "DB": "pending"}, "after": {"A": "pending", "DB": "refused"}}
