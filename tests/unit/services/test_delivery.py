"""What one instance is due: variables, files, which changes it holds, and a digest that says when it differs."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import Malformed
from confd.keys import App, Env, Host
from confd.ports import Delete, Put
from confd.services import bindings, delivery, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit

DEV, WEB = Env("dev"), App("web")
HERE, ON_H1 = Scope(DEV, WEB), Scope(DEV, WEB, Host("h1"))
EVERYWHERE = Scope(Env("_default"), App("_default"))


def due(context: Context, scope: Scope = HERE) -> dict[str, Any]:
    return delivery.config(context, context.fresh(), scope)


def test_the_document_tells_the_number_of_every_layer_that_has_a_part(context: Context) -> None:
    settings.edit(context, EVERYWHERE, Edit({"a": 1}, yes=True))
    for value in (1, 2):
        settings.edit(context, HERE, Edit({"b": value}))
    settings.edit(context, ON_H1, Edit({"b": 3}))
    settings.edit(context, Scope(Env("qa"), WEB), Edit({"b": 4}))
    assert due(context)["changes"] == {"_default/_default": 1, "dev/web": 2}
    assert due(context, ON_H1)["changes"] == {"_default/_default": 1, "dev/web": 2, "dev/web@h1": 1}
    assert due(context, ON_H1)["variables"] == {"a": "1", "b": "3"}


def test_run_options_are_no_variables(context: Context) -> None:
    settings.edit(context, HERE, Edit({"run/memory": "256m", "a": 1}))
    assert due(context)["variables"] == {"a": "1"}


@pytest.mark.parametrize(
    ("scope", "edit", "same"),
    [
        (HERE, Edit({"a": 2}), False),
        (HERE, Edit({"run/memory": "256m"}), True),
        (HERE, Edit(unset=("b",)), False),
        (Scope(Env("qa"), WEB), Edit({"a": 2}), True),
        (ON_H1, Edit({"a": 2}), True),
        (EVERYWHERE, Edit({"a": 2}, yes=True), True),
    ],
)
def test_the_digest_differs_when_what_is_due_does(context: Context, scope: Scope, edit: Edit, same: bool) -> None:
    settings.edit(context, HERE, Edit({"a": 1, "b": 1}))
    before = delivery.digest_of(context, context.fresh(), HERE)
    settings.edit(context, scope, edit)
    assert (delivery.digest_of(context, context.fresh(), HERE) == before) is same


def test_two_processes_give_the_same_digest(context: Context, other: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    assert due(context)["digest"] == due(other)["digest"]


def test_a_file_of_the_binding_is_due_with_its_content(context: Context) -> None:
    settings.edit(context, HERE, Edit({"web/port": 80}))
    file = {"path": "/etc/web.json", "format": "json", "include": ["web/**"], "mode": "0440", "owner": "1:2"}
    bindings.put(context, HERE, {"files": [file]}, Edit())
    (found,) = due(context)["files"]
    assert (found["path"], found["mode"], found["owner"]) == ("/etc/web.json", "0440", [1, 2])
    assert '"port":80' in found["content"].replace(" ", "")


def test_a_key_that_cannot_be_rendered_is_left_out_and_told(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": 1}))
    context.store.commit([Put(f"{context.keyspace.settings(HERE.layer)}PATH", '"x"')])
    document = due(context)
    assert document["variables"] == {"a": "1"}
    assert any("PATH" in problem for problem in document["problems"])


def test_the_variables_alone_come_in_a_registered_format(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": "x y"}))
    assert delivery.text_in(due(context), "docker-env") == "a=x y\n"
    with pytest.raises(Malformed, match="known are"):
        delivery.text_in(due(context), "hcl")


def test_fewer_keys_are_meant_only_where_changes_have_left_them(context: Context) -> None:
    """A store that was emptied has no change to vouch for that; nor has one from which keys went."""
    assert not due(context)["allow_shrink"]
    settings.edit(context, HERE, Edit({"A": "1", "B": "1"}))
    whole = due(context)
    assert whole["allow_shrink"]
    key = context.keyspace.settings(HERE.layer) + "A"
    context.store.commit([Delete(key)])
    assert not due(context)["allow_shrink"]
    context.store.commit([Put(key, '"1"')])
    assert due(context) | {"revision": 0} == whole | {"revision": 0}
    context.store.commit([Delete(key), Delete(context.keyspace.head(HERE.layer))])
    assert not due(context)["allow_shrink"]
