"""Policies: each write is a change of its env; what is so already is told, what a write brings in is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd import jsontext
from confd.errors import Conflict, Invalid, NotFound, Refused, Stale
from confd.keys import App, Container, Env, Host, Layer
from confd.model import ChangeKind, Observed, Snapshot, frozen
from confd.ports import Delete, Put
from confd.published import Told, status_text
from confd.services import changes, history, policies, settings
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.meta import fresh_meta
from confd.services.policies import At
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import FACTS
from tests.support.stores import FailingStore

DEV, EVERY, WEB, ALL = Env("dev"), Env("_default"), App("web"), App("_default")
HERE, BASE = Scope(DEV, WEB), At(DEV, "base")
SECURE: Any = {"preset": "secure"}
LIMIT: Any = {"schema": {"required": ["memory"], "properties": {"memory": {"maximum": 64 * 2**20}}}}
MEMORY = {"memory": str(32 * 2**20)}
OPEN = frozen({**FACTS, "allow_run": ["privileged", "network", "cap-add", "read-only"]})


def runs(context: Context, name: str = "web-1", host: str = "h1", **changes: Any) -> None:
    """A container that an agent has told of; its options are its own."""
    seen = Observed(Container(f"{name}-on-{host}"), name, WEB, DEV, True, facts=OPEN)
    seen = replace(seen, base_options=changes.get("options", {}), **changes)
    text = status_text(seen, (), "d1", Told(1, "2026-01-02T00:00:00Z"))
    context.store.commit([Put(context.keyspace.status(Host(host), seen.id), text)])
    context.mirror.wait(context.fresh().revision, 5)


def rules(found: Any) -> dict[str, list[str]]:
    return {one["name"]: [its["rule"] for its in one["violations"]] for one in found["containers"]}


# --- as changes -------------------------------------------------------------------------------------------


def test_a_policy_is_a_change_of_the_layer_of_all_apps_of_its_env(context: Context) -> None:
    first = policies.put(context, BASE, LIMIT, Edit(author="ann", message="why"))
    assert (first["change"], [one["action"] for one in first["diff"]]) == (1, ["add"])
    assert jsontext.plain(policies.get(context.fresh(), BASE)["policy"]) == LIMIT
    policies.put(context, BASE, SECURE, Edit())
    policies.remove(context, BASE, Edit())
    found = history.page(context, HERE.place, Wanted()).changes
    assert [(str(one.layer), one.number, one.kind, one.author) for one in found] == [
        ("dev/_default", 3, ChangeKind.POLICY, ""),
        ("dev/_default", 2, ChangeKind.POLICY, ""),
        ("dev/_default", 1, ChangeKind.POLICY, "ann"),
    ]
    shown = settings.change_document(found[1])
    assert [(one["key"], jsontext.plain(one["before"]), one["after"]) for one in shown["diff"]] == [
        ("base", LIMIT, SECURE)
    ]


def test_a_dry_run_and_the_same_again_store_nothing(context: Context) -> None:
    assert policies.put(context, BASE, LIMIT, Edit(dry_run=True))["change"] == 0
    assert policies.read(context.fresh(), DEV)["policies"] == []
    first = policies.put(context, BASE, LIMIT, Edit())
    again = policies.put(context, BASE, LIMIT, Edit())
    assert (again["change"], again["diff"], context.fresh().revision) == (1, [], first["revision"])


def test_what_is_not_there_is_not_found_with_what_is(context: Context) -> None:
    policies.put(context, At(EVERY, "all"), LIMIT, Edit())
    policies.put(context, BASE, LIMIT, Edit())
    for at, words in (
        (At(DEV, "other"), "it has: base"),
        (At(DEV, "all"), "of every env"),
        (At(EVERY, "x"), "all"),
    ):
        with pytest.raises(NotFound, match=words):
            policies.get(context.fresh(), at)
        with pytest.raises(NotFound, match=words):
            policies.remove(context, at, Edit())
    with pytest.raises(NotFound, match="none"):
        policies.get(context.fresh(), At(Env("qa"), "base"))
    assert [one["env"] for one in policies.read(context.fresh(), DEV)["policies"]] == ["_default", "dev"]


def test_a_wrong_schema_is_refused_and_a_check_that_fails_is_heeded(context: Context) -> None:
    with pytest.raises(Invalid, match="no JSON Schema"):
        policies.put(context, BASE, {"schema": {"type": 5}}, Edit())

    def stale(_: Snapshot) -> None:
        raise Stale("changed")

    with pytest.raises(Stale):
        policies.put(context, BASE, LIMIT, Edit(check=stale))


def test_an_edit_straight_in_the_store_is_not_written_over_unseen(context: Context, store: FailingStore) -> None:
    seen = context.fresh()
    key = context.keyspace.policy(DEV, "base")
    change = changes.draft(
        BASE.layer, {"base": None}, {"base": "{}"}, kind=ChangeKind.POLICY, author="", message="", at=""
    )
    store.inner.commit([Put(key, '{"preset": "secure"}')])
    with pytest.raises(Conflict):
        changes.commit(context, seen, change)
    changes.commit(context, context.fresh(), change)
    assert policies.get(context.fresh(), BASE)["broken"] != ""


def test_a_store_of_the_first_format_takes_none(context: Context) -> None:
    context.store.commit([Put(context.keyspace.meta, fresh_meta(1))])
    context.mirror.wait(context.fresh().revision, 5)
    with pytest.raises(Refused, match="confctl upgrade"):
        policies.put(context, BASE, LIMIT, Edit())


def test_a_broken_one_is_told_with_its_text(context: Context) -> None:
    context.store.commit([Put(context.keyspace.policy(DEV, "base"), "{broken")])
    document = policies.get(context.fresh(), BASE)
    assert (document["policy"], bool(document["broken"])) == ("{broken", True)


# --- what is against one already --------------------------------------------------------------------------


def test_what_is_against_it_already_is_told_and_left(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/privileged": True}))
    runs(context, "web-1", options={"network": '"host"', **MEMORY})
    runs(context, "web-2", "h2", options={**MEMORY})
    runs(context, "web-3", options={"network": '"host"'}, running=False)
    runs(context, "other", options={"network": '"host"'}, env=Env("qa"))
    asked = policies.check(context, context.fresh(), BASE, SECURE)
    told = policies.put(context, BASE, SECURE, Edit())
    assert rules(asked) == rules(told)
    assert set(rules(told)) == {"web-1", "web-2"}
    assert ("network-host" in rules(told)["web-1"], "network-host" in rules(told)["web-2"]) == (True, False)
    ((app, found),) = [(one["app"], one["violations"]) for one in told["settings"]]
    assert (app, [(one["rule"], one["options"]) for one in found]) == ("web", [("privileged", ["privileged"])])
    every = policies.check(context, context.fresh(), At(EVERY, "x"), SECURE)
    assert set(rules(every)) == {"web-1", "web-2", "other"}


def test_running_containers_are_judged_by_their_own_env(context: Context) -> None:
    runs(context, "web-1", options={"network": '"host"', **MEMORY})
    runs(context, "web-2", "h2", options={})
    assert policies.violating(context.fresh()) == {
        "revision": context.fresh().revision,
        "policies": 0,
        "containers": [],
    }
    policies.put(context, At(Env("qa"), "base"), SECURE, Edit())
    assert rules(policies.violating(context.fresh())) == {}
    policies.put(context, At(EVERY, "limit"), LIMIT, Edit())
    (one,) = policies.violating(context.fresh())["containers"]
    assert {name: one[name] for name in ("name", "app", "env", "host", "alive")} == {
        "name": "web-2",
        "app": "web",
        "env": "dev",
        "host": "h2",
        "alive": False,
    }
    assert one["violations"] == [
        {
            "policy": "_default/limit",
            "rule": "",
            "options": ["memory"],
            "pointer": "",
            "allowed": "it to be set",
            "here": "",
            "why": "",
            "mend": "",
        }
    ]
    assert rules(policies.violating(context.fresh(), host=Host("h1"))) == {}
    assert rules(policies.violating(context.fresh(), Env("qa"))) == {}


# --- what a write brings in -------------------------------------------------------------------------------


def refused(context: Context, values: dict[str, Any], scope: Scope = HERE, **more: Any) -> str:
    with pytest.raises(Invalid) as error:
        settings.edit(context, scope, Edit(values, yes=True, **more))
    return error.value.detail


@pytest.mark.parametrize(
    "scope",
    [HERE, Scope(DEV, ALL), Scope(EVERY, WEB), Scope(EVERY, ALL), Scope(DEV, WEB, Host("h1"))],
    ids=str,
)
def test_settings_that_say_what_is_forbidden_are_refused_in_every_layer(context: Context, scope: Scope) -> None:
    settings.edit(context, HERE, Edit({"A": "1"}))
    policies.put(context, BASE, SECURE, Edit())
    said = refused(context, {"run/privileged": True}, scope)
    assert all(word in said for word in ("run/privileged", "dev/base", "rule privileged", "in dev", "--privileged"))
    settings.edit(context, scope, Edit({"run/memory": "64m", "run/privileged": False}, yes=True))


def test_the_policy_of_another_env_is_not_asked(context: Context) -> None:
    policies.put(context, At(Env("qa"), "base"), SECURE, Edit())
    settings.edit(context, HERE, Edit({"run/privileged": True}))


def test_a_rollback_is_a_write_too(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/privileged": True}))
    settings.edit(context, HERE, Edit(unset=["run/privileged"], force=True))
    policies.put(context, BASE, SECURE, Edit())
    with pytest.raises(Invalid, match="run/privileged"):
        settings.rollback(context, HERE, 1, Edit())


def test_what_settings_leave_out_is_judged_by_containers(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/memory": "32m"}))
    policies.put(context, BASE, LIMIT, Edit())
    assert "at most 67108864" in refused(context, {"run/memory": "128m"})
    runs(context, "bare")
    runs(context, "own", "h2", options=MEMORY)
    said = refused(context, {}, unset=["run/memory"], force=True)
    assert said == (
        "run/memory: the policy dev/base asks for it to be set (container bare on h1); nothing was stored"
    )
    context.store.commit([Delete(context.keyspace.status(Host("h1"), Container("bare-on-h1")))])
    context.mirror.wait(context.fresh().revision, 5)
    settings.edit(context, HERE, Edit(unset=["run/memory"], force=True))


def test_what_a_container_is_against_by_itself_is_no_reason_to_refuse_the_rest(context: Context) -> None:
    runs(context, options={"privileged": "true", "cap-add": '["NET_ADMIN"]'})
    policies.put(context, BASE, SECURE, Edit())
    settings.edit(context, HERE, Edit({"A": "1", "run/cpus": "1"}))
    assert "cap-add" in refused(context, {"run/cap-add": ["NET_ADMIN", "SYS_ADMIN"]})
    settings.edit(context, HERE, Edit({"run/privileged": False, "run/cap-add": []}))
    with pytest.raises(Invalid, match=r"run/privileged.*; and 1 more; nothing was stored"):
        settings.edit(context, HERE, Edit(unset=["run/privileged", "run/cap-add"]))


def test_a_hosts_own_layer_is_judged_by_the_containers_there(context: Context) -> None:
    runs(context, "one", "h1", options={"read-only": "true"})
    runs(context, "two", "h2")
    policies.put(context, BASE, {"schema": {"properties": {"read-only": {"const": True}}}}, Edit())
    on_h2 = Scope(DEV, WEB, Host("h2"))
    assert "on h2" in refused(context, {"run/read-only": False}, on_h2)
    settings.edit(context, on_h2, Edit({"run/read-only": True}))


def test_while_a_policy_is_broken_run_options_stay_as_they_are(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/memory": "32m"}))
    context.store.commit([Put(context.keyspace.policy(DEV, "base"), "{broken")])
    context.mirror.wait(context.fresh().revision, 5)
    settings.edit(context, HERE, Edit({"A": "1"}))
    assert "mend it or take it away" in refused(context, {"run/memory": "64m"})
    policies.remove(context, BASE, Edit())
    settings.edit(context, HERE, Edit({"run/memory": "64m"}))


def test_the_layer_of_a_policy_is_that_of_all_apps() -> None:
    assert At(DEV, "base").layer == Layer(DEV, ALL)
