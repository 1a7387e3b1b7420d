"""Manifests: all checked before one is written, and only what a manifest owns is taken away."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import ConfdError, Conflict, Invalid, Malformed, NeedsYes, Owned, Shrinks, Unavailable
from confd.keys import App, Env, Host
from confd.ports import Operation, Put
from confd.services import changes, owning, settings
from confd.services.apply import apply
from confd.services.context import Context
from confd.services.manifests import KINDS, parse_manifest
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)


def web(**values: Any) -> dict[str, Any]:
    return {"kind": "settings", "app": "web", "env": "dev", "settings": values}


def api(**values: Any) -> dict[str, Any]:
    return web(**values) | {"app": "api"}


def stored(context: Context, scope: Scope = HERE) -> dict[str, str]:
    return {key: entry.text for key, entry in context.fresh().layers.get(scope.layer, {}).items()}


def number(context: Context, scope: Scope = HERE) -> int:
    head = context.fresh().heads.get(scope.layer)
    return head.number if head else 0


def bring(context: Context, *documents: Any, **words: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = apply(context, documents, Edit(**words))["documents"]
    return found


# --- what a manifest owns ---------------------------------------------------------------------------------


def test_what_a_manifest_says_is_one_change_and_nothing_the_second_time(context: Context) -> None:
    (first,) = bring(context, web(A="1", B="2"), author="ann", message="why")
    assert [one["action"] for one in first["diff"]] == ["add", "add"]
    change = changes.record(context, HERE.layer, 1)
    assert (change.author, change.message, change.note) == ("ann", "why", "manifest dev/web")
    before = context.fresh().revision
    (second,) = bring(context, web(A="1", B="2"))
    assert (second["diff"], second["change"], context.fresh().revision) == ([], 1, before)


def test_a_key_that_the_manifest_drops_is_unset_and_what_others_set_stays(context: Context) -> None:
    settings.edit(context, HERE, Edit({"BY_HAND": "x"}))
    bring(context, web(A="1", B="2", C="3", D="4"))
    (done,) = bring(context, web(A="1", B="2", C="3"))
    assert [(one["key"], one["action"]) for one in done["diff"]] == [("D", "remove")]
    assert done["others"] == ["BY_HAND"]
    assert stored(context) == {"A": '"1"', "B": '"2"', "C": '"3"', "BY_HAND": '"x"'}


def test_a_key_that_somebody_has_set_since_is_no_longer_the_manifest_s(context: Context) -> None:
    bring(context, web(A="1", B="2"))
    settings.edit(context, HERE, Edit({"B": "by hand"}))
    (done,) = bring(context, web(A="1"))
    assert (done["diff"], done["others"]) == ([], ["B"])
    assert stored(context) == {"A": '"1"', "B": '"by hand"'}


def test_a_value_that_somebody_has_set_is_set_back_while_the_manifest_names_it(context: Context) -> None:
    bring(context, web(A="1", B="2", C="3", D="4"))
    settings.edit(context, HERE, Edit({"B": "by hand"}, unset=["C"]))
    bring(context, web(A="1", B="2", C="3", D="4"))
    assert stored(context)["B"] == '"2"'
    bring(context, web(A="1", C="3", D="4"))
    assert "B" not in stored(context)


def test_values_that_are_right_already_are_the_manifest_s_from_then_on(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": "1", "B": "2", "C": "3", "D": "4"}))
    (first,) = bring(context, web(A="1", B="2", C="3", D="4"))
    assert (first["diff"], number(context)) == ([], 1)
    bring(context, web(A="1", B="2", C="3"))
    assert "D" not in stored(context)


def test_a_dry_run_claims_nothing(context: Context) -> None:
    settings.edit(context, HERE, Edit({"A": "1"}))
    before = context.fresh().revision
    bring(context, web(A="1"), dry_run=True)
    bring(context, web(A="1", B="2"), dry_run=True)
    assert context.fresh().revision == before


def test_a_key_of_another_manifest_is_refused_and_taken_over_by_force(context: Context) -> None:
    bring(context, web(A="1", B="2") | {"name": "one"})
    with pytest.raises(Owned, match="B belongs to the manifest one; take it out of one of them") as raised:
        bring(context, web(B="2") | {"name": "two"})
    assert raised.value.pointer == "/documents/0"
    (done,) = bring(context, web(B="2") | {"name": "two"}, force=True)
    assert done["warnings"] == ["B belongs to the manifest one up to now: taken over"]
    bring(context, web(A="1") | {"name": "one"})
    assert stored(context) == {"A": '"1"', "B": '"2"'}


def test_many_keys_of_others_are_named_shortly(context: Context) -> None:
    keys = {f"K{index:02d}": "v" for index in range(12)}
    bring(context, web(**keys) | {"name": "one"})
    with pytest.raises(Owned, match="K09 belongs to the manifest one and 2 more"):
        bring(context, web(**keys) | {"name": "two"})


def test_an_empty_manifest_takes_its_keys_away_by_force(context: Context) -> None:
    bring(context, web(A="1", B="2"))
    with pytest.raises(Shrinks):
        bring(context, web())
    bring(context, web(), force=True)
    assert stored(context) == {}
    assert not context.fresh().owned


def test_more_names_than_the_owners_may_hold_are_refused(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owning, "MAX_OWNED_BYTES", 10)
    with pytest.raises(Exception, match="at most 10 are kept"):
        bring(context, web(A="1"))
    assert stored(context) == {}


@pytest.mark.parametrize("claimed", ["1", "2"])
def test_a_claim_and_a_change_at_the_same_moment_do_not_miss_each_other(
    context: Context, other: Context, store: FailingStore, claimed: str
) -> None:
    """Whoever comes second sees what the first has done: the manifest sets back, or takes over."""
    settings.edit(context, HERE, Edit({"A": "1"}))

    def meanwhile(operations: Any) -> bool:
        settings.edit(other, HERE, Edit({"A": "by hand"}))
        return True

    store.before_commit = meanwhile
    bring(context, web(A=claimed))
    assert stored(context) == {"A": f'"{claimed}"'}
    assert "dev/web" in context.fresh().owned[HERE.layer].text


def test_a_change_loses_to_a_claim_that_it_has_not_seen(
    context: Context, other: Context, store: FailingStore
) -> None:
    settings.edit(context, HERE, Edit({"A": "1", "B": "1", "C": "1", "D": "1"}))
    store.before_commit = lambda operations: bool(bring(other, web(A="1", B="1", C="1", D="1")))
    settings.edit(context, HERE, Edit({"A": "by hand"}))
    assert '"A"' not in context.fresh().owned[HERE.layer].text
    assert '"B"' in context.fresh().owned[HERE.layer].text


def test_a_host_s_layer_has_owners_of_its_own(context: Context) -> None:
    bring(context, web(A="1"), web(A="2") | {"host": "h1"})
    assert stored(context, Scope(DEV, WEB, Host("h1"))) == {"A": '"2"'}
    assert {layer.slot for layer in context.fresh().owned} == {"web", "web@h1"}


# --- the set ----------------------------------------------------------------------------------------------


def test_each_kind_is_written(context: Context) -> None:
    binding = {"kind": "binding", "app": "web", "env": "dev", "on_change": [{"keys": "**", "action": "none"}]}
    policy = {"kind": "policy", "env": "dev", "name": "base", "policy": {"preset": "secure"}}
    done = bring(context, policy, binding, web(A="1"))
    assert [(one["kind"], one["name"]) for one in done] == [
        ("policy", "dev/base"),
        ("binding", "dev/web"),
        ("settings", "dev/web"),
    ]
    now = context.fresh()
    assert '"none"' in now.bindings[(DEV, WEB)].text
    assert "secure" in now.policies[(DEV, "base")].text
    assert [one["diff"] for one in bring(context, policy, binding, web(A="1"))] == [[], [], []]


def test_each_is_checked_on_what_those_before_it_leave(context: Context) -> None:
    policy = {"kind": "policy", "env": "dev", "name": "base", "policy": {"preset": "secure"}}
    bad = web(**{"run/privileged": True})
    with pytest.raises(Invalid, match=r"document 2 \(settings dev/web\): .*privileged") as raised:
        bring(context, policy, bad)
    assert raised.value.pointer == "/documents/1/settings/run~1privileged"
    assert not context.fresh().policies
    bring(context, bad, policy)


def test_a_set_that_is_wrong_anywhere_writes_nothing(context: Context) -> None:
    with pytest.raises(Invalid):
        bring(context, web(A="1"), api(**{"run/memory": "much"}), yes=True)
    assert context.fresh().heads == {}


def test_a_set_that_reaches_two_apps_needs_a_yes(context: Context) -> None:
    assert apply(context, [web(A="1"), api(A="1")], Edit(dry_run=True))["reaches"]["needs_yes"]
    with pytest.raises(NeedsYes, match="2 apps"):
        bring(context, web(A="1"), api(A="1"))
    assert context.fresh().heads == {}
    bring(context, web(A="1"), api(A="1"), yes=True)
    bring(context, web(A="2"), api(A="1"))  # what stays as it is reaches nobody


def test_the_shrink_guard_holds_for_the_set_before_anything_is_written(context: Context) -> None:
    bring(context, web(A="1", B="2", C="3"))
    with pytest.raises(Shrinks, match="web in dev loses 2 of 3 keys"):
        bring(context, api(A="1"), web(A="1"), yes=True)
    assert number(context, Scope(DEV, App("api"))) == 0
    told = bring(context, web(A="1"), dry_run=True)
    assert "that needs force" in told[0]["warnings"][0]


def test_a_set_that_is_cut_off_says_what_was_written_and_goes_on_the_next_time(
    context: Context, store: FailingStore
) -> None:
    down = Unavailable("etcd is out of reach")

    def from_api_on(operations: Any) -> bool:
        if any("/api" in one.key for one in operations):
            store.write_error = down
        return store.write_error is not None

    store.before_commit = from_api_on
    with pytest.raises(Unavailable) as raised:
        bring(context, web(A="1"), api(A="1"), api(A="2") | {"env": "qa"}, yes=True)
    assert raised.value.detail == (
        "document 2 (settings dev/api): etcd is out of reach. Written before it: settings dev/web (change 1); "
        "not written: settings dev/api, settings qa/api. Apply the set again to go on"
    )
    store.write_error = None
    assert [len(one["diff"]) for one in bring(context, web(A="1"), api(A="1"), yes=True)] == [0, 1]


def test_the_first_that_is_refused_says_that_nothing_was_written(context: Context, store: FailingStore) -> None:
    store.write_error = Unavailable("down")
    with pytest.raises(Unavailable, match="Nothing was written before it"):
        bring(context, web(A="1"))


def test_what_is_refused_since_somebody_was_faster_is_decided_again(
    context: Context, other: Context, store: FailingStore
) -> None:
    store.before_commit = lambda operations: bool(settings.edit(other, HERE, Edit({"X": "1"})))
    (done,) = bring(context, web(A="1"))
    assert (done["change"], done["others"]) == (2, ["X"])


def test_a_schema_comes_with_the_settings_that_it_is_for(context: Context) -> None:
    schema = {"kind": "schema", "app": "web", "schema": {"properties": {"A": {"type": "integer"}}}}
    with pytest.raises(Invalid, match=r"document 2 \(settings dev/web\): .*A"):
        bring(context, schema, web(A="x"))
    assert context.fresh().schemas == {}
    assert [one["kind"] for one in bring(context, schema, web(A=1))] == ["schema", "settings"]
    assert [one["diff"] for one in bring(context, schema, web(A=1))] == [[], []]
    stricter = schema | {"schema": {"properties": {"A": {"type": "string"}}}}
    with pytest.raises(Invalid, match=r"document 1 \(schema web\): "):
        bring(context, stricter, web(A="now a text"))
    with pytest.raises(Invalid) as raised:
        bring(context, schema | {"schema": {"type": "nonsense"}})
    assert (raised.value.pointer or "").startswith("/documents/0/schema")


# --- reading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "words", "pointer"),
    [
        (1, "a manifest is an object with the member kind: one of settings, schema, binding, policy", ""),
        ({}, "it has no kind; known are: settings, schema, binding, policy", ""),
        ({"kind": "Deployment"}, "kind 'Deployment' is unknown", "/kind"),
        ({"kind": 1}, "it has no kind", "/kind"),
        (web() | {"setings": {}}, "the member 'setings' is unknown; settings takes: kind, name, app", "/setings"),
        ({"kind": "settings", "env": "dev", "settings": {}}, "app: the member is needed", ""),
        (web() | {"app": 1}, "app: it is to be a text", "/app"),
        (web() | {"app": "W"}, "app 'W' is not allowed", "/app"),
        (web() | {"env": "a/b"}, "env 'a/b' is not allowed", "/env"),
        (web() | {"host": "?"}, "host '?' is no host name", "/host"),
        (web() | {"name": "a b"}, "name: use 1 to 200 of", "/name"),
        (web() | {"settings": []}, "settings: it is to be an object", "/settings"),
        (web() | {"secret": "A"}, "secret: it is to be a list of keys that settings names", "/secret"),
        (web() | {"secret": ["A"]}, "secret: it is to be a list of keys that settings names", "/secret"),
        (web(**{"a b": 1}), "the segment 'a b' is not allowed", "/settings/a b"),
        (web(A="x") | {"secret": ["A"]}, "secrets are refused", "/secret"),
        ({"kind": "policy", "env": "dev", "name": "x"}, "policy: the member is needed", ""),
        ({"kind": "policy", "env": "dev", "name": "x/", "policy": {}}, "policy 'x/' is not allowed", "/name"),
        ({"kind": "policy", "env": "dev", "name": "x", "policy": {"preset": "no"}}, "unknown", "/policy/preset"),
        ({"kind": "schema", "app": "web"}, "schema: the member is needed", ""),
        ({"kind": "schema", "app": "_default", "schema": {}}, "a schema is of one app", "/schema"),
        ({"kind": "binding", "app": "web", "env": "dev", "host": "h1"}, "unknown field 'host'", ""),
        ({"kind": "binding", "app": "web", "env": "dev", "wait": {"min": "x"}}, "wait.min", "/wait/min"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(
    context: Context, document: Any, words: str, pointer: str
) -> None:
    with pytest.raises(ConfdError) as raised:
        bring(context, web(FINE="1") | {"name": "fine"}, document)
    assert words in raised.value.detail
    assert raised.value.detail.startswith("document 2")
    assert raised.value.pointer == f"/documents/1{pointer}"
    assert context.fresh().heads == {}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (web(B="1"), "document 2: settings dev/web stands in document 1 too"),
        (web(A="1") | {"name": "other"}, "document 2: A of layer dev/web stands in document 1 too"),
    ],
)
def test_two_documents_do_not_say_the_same_thing_twice(context: Context, second: Any, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        bring(context, web(A="1"), second)


def test_two_manifests_of_one_layer_live_beside_each_other(context: Context) -> None:
    bring(context, web(A="1"), web(B="1") | {"name": "other"})
    assert stored(context) == {"A": '"1"', "B": '"1"'}


def test_every_kind_is_described() -> None:
    assert all(kind.doc and kind.name == name for name, kind in KINDS.items())
    assert parse_manifest(web()).target == ("settings", "dev/web", HERE.layer)


def test_nothing_to_apply_is_nothing(context: Context) -> None:
    assert apply(context, [], Edit())["documents"] == []


def test_a_conflict_that_does_not_end_is_told(context: Context, other: Context, store: FailingStore) -> None:
    counter = iter(range(100))

    def always(operations: Any) -> bool:
        return not settings.edit(other, HERE, Edit({"X": str(next(counter))}))

    store.before_commit = always
    with pytest.raises(Conflict, match="Nothing was written before it"):
        bring(context, web(A="1"))


def test_a_document_put_there_by_hand_that_says_nothing_owns_nothing(context: Context) -> None:
    bring(context, web(A="1", B="2"))
    operations: list[Operation] = [Put(context.keyspace.owned(HERE.layer), "broken")]
    context.wrote(context.store.commit(operations))
    bring(context, web(A="1"))
    assert stored(context) == {"A": '"1"', "B": '"2"'}
