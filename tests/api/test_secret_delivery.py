"""What the config route tells of secrets: nothing, unless who may asks for them, and then as the binding says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from confd.api.asgi import application
from confd.keys import App, Env
from confd.services import audit, bindings, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.api.test_delivery import _get as get
from tests.support.secrets import KEYS

HERE = Scope(Env("dev"), App("web"))


@pytest.fixture
def sealed(context: Context) -> Context:
    """A context with keys and a secret in its store."""
    made = replace(context, keys=KEYS)
    settings.edit(made, HERE, Edit({"LEVEL": "info"}))
    settings.edit(made, HERE, Edit({"db/password": "c4nary"}, secret=("db/password",)))
    return made


def ask(context: Context, query: str, token: str = "a") -> tuple[int, dict[str, Any]]:
    app = application(context, {"a": "admin", "u": "user"}, {"admin"})
    status, _, body = asyncio.run(get(app, query, token))
    return status, json.loads(body) if body else {}


def bind(context: Context, **binding: Any) -> None:
    bindings.put(context, HERE, binding, Edit())


@pytest.mark.parametrize("by", ["file", "shim", "variables"])
def test_nothing_of_a_secret_is_told_unless_it_is_asked_for(sealed: Context, by: str) -> None:
    file = {"path": "/etc/app.json", "format": "json", "include": ["db/password"]}
    bind(sealed, secrets=by, files=[file])
    status, document = ask(sealed, "", "u")
    assert (status, document["variables"], document["files"]) == (200, {"LEVEL": "info"}, [])
    assert (document["secrets"], document["secret"]) == ({}, ["db/password"])
    assert "c4nary" not in json.dumps(document)
    assert document["digest"] == ask(sealed, "reveal=true")[1]["digest"]
    refused, problem = ask(sealed, "reveal=true", "u")
    assert (refused, problem["pointer"]) == (403, "/reveal")


@pytest.mark.parametrize(
    ("by", "variables", "secrets"),
    [
        ("file", {"DB_PASSWORD_FILE": "/run/confd-secrets/DB_PASSWORD"}, {"DB_PASSWORD": "c4nary"}),
        ("shim", {"DB_PASSWORD": "c4nary"}, {}),
        ("variables", {"DB_PASSWORD": "c4nary"}, {}),
    ],
)
def test_who_may_is_given_them_as_the_binding_says(
    sealed: Context, by: str, variables: dict[str, str], secrets: dict[str, str]
) -> None:
    bind(sealed, secrets=by)
    _, document = ask(sealed, "reveal=1")
    assert document["variables"] == {"LEVEL": "info", **variables}
    assert document["secrets"] == secrets
    assert {one["path"] for one in document["files"]} == {text for text in variables.values() if text[0] == "/"}


def test_people_are_noted_down_and_instances_are_not(sealed: Context) -> None:
    ask(sealed, "reveal=true&instance=i1")
    assert audit.audited(sealed, 10)["acts"] == []
    ask(sealed, "reveal=true")
    (act,) = audit.audited(sealed, 10)["acts"]
    assert (act["what"], act["who"], act["keys"]) == ("reveal", "admin", ["db/password"])
    revision = sealed.fresh().revision
    assert ask(sealed, f"reveal=true&index={revision}&wait=0s")[0] == 304
    assert len(audit.audited(sealed, 10)["acts"]) == 1


def test_who_has_no_secrets_needs_no_right(context: Context) -> None:
    settings.edit(context, HERE, Edit({"LEVEL": "info"}))
    assert ask(context, "reveal=true", "u")[0] == 200
