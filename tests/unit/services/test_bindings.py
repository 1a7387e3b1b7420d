"""Bindings: whose serves a scope, what is refused, and that each write is a change of the layer."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import ConfdError, Conflict, Invalid, Malformed, NeedsYes, NotFound, Stale
from confd.keys import App, Env, Host
from confd.model import ChangeKind, Snapshot
from confd.ports import Put
from confd.services import bindings, history, settings
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE = Scope(DEV, WEB)
EVERY_ENV = Scope(Env("_default"), WEB)
NONE: Any = {"on_change": [{"keys": "**", "action": "none"}]}
AUTO: Any = {"on_change": [{"keys": "**", "action": "auto"}]}
SIGNAL: Any = {"on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}]}


def found(context: Context, scope: Scope = HERE) -> tuple[str, Any]:
    document = bindings.get(context.fresh(), scope)
    return document["from"], document["binding"]


def test_an_env_without_its_own_has_that_of_every_env_and_else_the_built_in(context: Context) -> None:
    assert found(context) == ("built-in", {})
    bindings.put(context, EVERY_ENV, NONE, Edit())
    assert found(context) == ("_default/web", NONE)
    bindings.put(context, HERE, AUTO, Edit())
    assert found(context) == ("dev/web", AUTO)
    assert found(context, Scope(Env("qa"), WEB)) == ("_default/web", NONE)
    bindings.remove(context, HERE, Edit())
    assert found(context) == ("_default/web", NONE)


def test_a_binding_is_a_change_of_its_layer(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    bindings.put(context, HERE, NONE, Edit(author="ann", message="why"))
    written = bindings.remove(context, HERE, Edit())
    assert written.change == 3
    found = history.page(context, HERE.place, Wanted()).changes
    assert [(one.number, one.kind, one.author) for one in found] == [
        (3, ChangeKind.BINDING, ""),
        (2, ChangeKind.BINDING, "ann"),
        (1, ChangeKind.SETTINGS, ""),
    ]
    shown = settings.change_document(found[1])
    assert (shown["kind"], shown["message"]) == ("binding", "why")
    assert [(one["key"], one["action"], one["after"]) for one in shown["diff"]] == [("binding", "add", NONE)]


@pytest.mark.parametrize("edit", [Edit(dry_run=True), Edit()])
def test_the_same_binding_again_is_no_change(context: Context, edit: Edit) -> None:
    first = bindings.put(context, HERE, NONE, Edit())
    written = bindings.put(context, HERE, NONE, edit)
    assert (written.change, tuple(written.differences), context.fresh().revision) == (1, (), first.revision)


def test_a_dry_run_stores_nothing(context: Context) -> None:
    written = bindings.put(context, HERE, NONE, Edit(dry_run=True))
    assert [one.action for one in written.differences] == ["add"]
    assert found(context) == ("built-in", {})


@pytest.mark.parametrize(
    ("scope", "document", "error", "words"),
    [
        pytest.param(HERE, [], Invalid, "binding", id="no-object"),
        pytest.param(HERE, {"on_chnge": []}, Invalid, "on_chnge", id="unknown-member"),
        pytest.param(HERE, {"app": "db"}, Invalid, "app", id="of-another-app"),
        pytest.param(HERE, {"on_change": [{"keys": "**", "action": "reboot"}]}, Invalid, "reboot", id="action"),
        pytest.param(
            HERE, {"rollout": {"strategy": "canary"}}, Invalid, "rollout.strategy is not supported", id="later"
        ),
        pytest.param(HERE, SIGNAL, Invalid, "can never bring a into effect", id="never-takes-effect"),
        pytest.param(EVERY_ENV, SIGNAL, Invalid, "in dev/web", id="never-takes-effect-there"),
        pytest.param(Scope(DEV, WEB, Host("h1")), NONE, Malformed, "leave the host out", id="host"),
    ],
)
def test_what_cannot_take_effect_is_refused_and_not_stored(
    context: Context, scope: Scope, document: Any, error: type[ConfdError], words: str
) -> None:
    before = settings.edit(context, HERE, Edit({"a": 1})).revision
    with pytest.raises(error) as caught:
        bindings.put(context, scope, document, Edit())
    assert words in caught.value.detail
    assert context.fresh().revision == before


def test_what_is_not_there_cannot_be_removed(context: Context) -> None:
    bindings.put(context, EVERY_ENV, NONE, Edit())
    with pytest.raises(NotFound, match="no binding of its own"):
        bindings.remove(context, HERE, Edit())


def test_a_binding_of_every_app_wants_a_yes(context: Context) -> None:
    for app in ("one", "two"):
        settings.edit(context, Scope(DEV, App(app)), Edit({"x": 1}))
    with pytest.raises(NeedsYes):
        bindings.put(context, Scope(DEV, App("_default")), NONE, Edit())


def test_a_binding_put_straight_into_the_store_and_no_json_is_refused_not_a_crash(context: Context) -> None:
    context.store.commit([Put(context.keyspace.binding(DEV, WEB), "nonsense")])
    with pytest.raises(ConfdError):
        bindings.get(context.fresh(), HERE)
    context.mirror.wait(context.fresh().revision, 5)
    bindings.put(context, HERE, NONE, Edit())
    assert found(context) == ("dev/web", NONE)


def test_a_lost_race_is_decided_again(context: Context, other: Context, store: FailingStore) -> None:
    def meanwhile(operations: object) -> bool:
        return bindings.put(other, HERE, AUTO, Edit()).change > 0

    store.before_commit = meanwhile
    written = bindings.put(context, HERE, NONE, Edit())
    assert (written.change, [one.action for one in written.differences]) == (2, ["change"])
    assert found(context) == ("dev/web", NONE)


def test_a_race_lost_to_a_check_is_told(context: Context, other: Context, store: FailingStore) -> None:
    def absent(snapshot: Snapshot) -> None:
        if (DEV, WEB) in snapshot.bindings:
            raise Stale("it is there already")

    store.before_commit = lambda operations: bindings.put(other, HERE, AUTO, Edit()).change > 0
    with pytest.raises(Stale):
        bindings.put(context, HERE, NONE, Edit(check=absent))
    assert found(context) == ("dev/web", AUTO)


def test_who_loses_every_race_is_told_to_try_again(context: Context, store: FailingStore) -> None:
    store.write_error = Conflict("somebody else was faster")
    with pytest.raises(Conflict):
        bindings.put(context, HERE, NONE, Edit())
    assert found(context) == ("built-in", {})


# --- files by template ------------------------------------------------------------------------------------------


def by(template: str) -> Any:
    return {"variables": {"exclude": ["**"]}, "files": [{"path": "/etc/a", "template": template}]}


def test_a_template_that_misses_a_key_is_refused_and_so_is_the_write_that_takes_it_away(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1, "b": 2}))
    with pytest.raises(Invalid, match=r"/etc/a: line 1: there is no setting c; .* \(in dev/web\)") as refused:
        bindings.put(context, HERE, by("{{ c }}"), Edit())
    assert refused.value.pointer == "/files"
    bindings.put(context, HERE, by("{{ a }}"), Edit())
    with pytest.raises(Invalid, match="there is no setting a"):
        settings.edit(context, HERE, Edit(unset=("a",)))
    with pytest.raises(Invalid, match="only numbers"):
        bindings.put(context, HERE, by("{{ a + 'x' }}"), Edit())
    settings.edit(context, HERE, Edit(unset=("b",)))


def test_a_template_is_filled_only_where_the_app_is(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    settings.edit(context, Scope(Env("qa"), App("other")), Edit({"x": 1}))
    bindings.put(context, EVERY_ENV, by("{{ a }}"), Edit(yes=True))
    settings.edit(context, EVERY_ENV, Edit({"b": 1}, yes=True))
    with pytest.raises(Invalid, match=r"there is no setting a; .*"):
        settings.edit(context, Scope(Env("qa"), WEB), Edit({"c": 1}))


def test_a_preview_shows_the_files_and_stores_nothing(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    bindings.put(context, HERE, by("old {{ a }}"), Edit())
    document = bindings.preview(context, HERE, by("new {{ a }}"))
    assert document["files"] == [
        {
            "path": "/etc/a",
            "mode": "0644",
            "content": "new 1",
            "before": "old 1",
            "keys": ["a"],
            "written": 0,
            "containers": 0,
        }
    ]
    assert found(context)[1] == by("old {{ a }}")
    assert bindings.preview(context, HERE, {"files": []})["files"] == []
    with pytest.raises(Invalid, match="there is no setting x"):
        bindings.preview(context, HERE, by("{{ x }}"))
