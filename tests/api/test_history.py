"""The routes of history, differences, edits past the API, and an env's rules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.keys import App, Env, Key, Layer
from confd.ports import Put
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer secret-token", "X-Confd-Author": "anna"}
WEB = "/v1/apps/web/envs/dev"
EDITS = f"{WEB}/out-of-band"
NONE = {"required": False, "approvers": [], "count": 1}
RULES = "/v1/envs/dev/rules"


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def _send(client: FlaskClient, method: str, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body)
    return client.open(path, method=method, data=data, headers=TOKEN)


def _set(client: FlaskClient, **values: Any) -> None:
    assert _send(client, "PATCH", f"{WEB}/settings", {"set": values}).status_code == 200


def _put(context: Context, key: str, text: str) -> None:
    layer = Layer(Env("dev"), App("web"))
    context.wrote(context.store.commit([Put(context.keyspace.setting(layer, Key(key)), text)]))


def test_the_history_is_filtered_and_tells_where_the_next_page_begins(client: FlaskClient) -> None:
    for number in range(3):
        _set(client, A=number, **{f"B{number}": 1})
    page = _send(client, "GET", f"{WEB}/changes?limit=2&key=A&author=anna&kind=settings").json
    assert [one["number"] for one in page["changes"]] == [3, 2]
    rest = _send(client, "GET", f"{WEB}/changes?before={page['before']}").json
    assert ([one["number"] for one in rest["changes"]], rest["before"]) == ([1], None)
    assert _send(client, "GET", f"{WEB}/changes?author=ben").json["changes"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("GET", f"{WEB}/changes?kind=odd", None, "/kind"),
        ("GET", f"{WEB}/diff?against=live:x", None, "/against"),
        ("GET", f"{WEB}/diff?against=env:qa&change=2", None, "/change"),
        ("GET", f"{WEB}/diff?against=change:0&change=x", None, "/change"),
        ("POST", EDITS, {}, "/do"),
        ("POST", EDITS, {"do": "drop"}, "/do"),
        ("POST", EDITS, {"do": ["adopt"]}, "/do"),
        ("PUT", RULES, {"out_of_band": "drop"}, "/out_of_band"),
    ],
)
def test_what_is_malformed_is_pointed_at(
    client: FlaskClient, method: str, path: str, body: Any, pointer: str
) -> None:
    answer = _send(client, method, path, body)
    assert (answer.status_code, json.loads(answer.data)["pointer"]) == (400, pointer)


def test_two_changes_are_compared(client: FlaskClient) -> None:
    for number in range(3):
        _set(client, A=number)
    found = _send(client, "GET", f"{WEB}/diff?against=change:1&change=2").json["diff"]
    assert [(one["before"], one["after"]) for one in found] == [(0, 1)]


def test_what_runs_is_compared_with_what_is_set(client: FlaskClient) -> None:
    assert _send(client, "GET", f"{WEB}/diff?against=live").json["containers"] == []


def test_edits_are_listed_adopted_and_undone(client: FlaskClient, context: Context) -> None:
    _set(client, A=1)
    assert _send(client, "PUT", RULES, {"out_of_band": "hold"}).status_code == 200
    _put(context, "A", "2")
    listed = _send(client, "GET", EDITS).json
    assert ([(one["key"], one["before"], one["after"]) for one in listed["diff"]], listed["out_of_band"]) == (
        [("A", 1, 2)],
        "hold",
    )
    assert _send(client, "GET", f"{WEB}/changes").json["edits"] == [{"layer": "dev/web", "keys": ["A"]}]
    dry = _send(client, "POST", EDITS, {"do": "adopt", "dry_run": True}).json
    assert (len(dry["diff"]), "plan" in dry) == (1, True)
    assert _send(client, "POST", EDITS, {"do": "adopt", "message": "urgent"}).json["change"] == 2
    _put(context, "A", "3")
    assert _send(client, "POST", EDITS, {"do": "undo"}).json["diff"][0]["after"] == 2
    assert _send(client, "POST", EDITS, {"do": "undo"}).status_code == 404
    assert _send(client, "GET", f"{WEB}/settings/A").json["value"] == 2


def test_rules_are_read_stored_and_a_change_of_their_env(client: FlaskClient, context: Context) -> None:
    answer = _send(client, "GET", RULES)
    whole = {"approval": NONE, "out_of_band": "apply", "records": {"changes": 1000, "days": 90}}
    assert (answer.json["rules"], answer.json["own"]) == (whole, {})
    stale = {**TOKEN, "If-Match": answer.headers["ETag"]}
    body = {"records": {"days": 5}}
    assert _send(client, "PUT", f"{RULES}?dry_run=true", body).json["change"] == 0
    assert _send(client, "PUT", f"{RULES}?message=less", body).json["change"] == 1
    assert client.put(RULES, data="{}", headers=stale).status_code == 412
    assert _send(client, "PUT", RULES, body).json["diff"] == []
    assert _send(client, "GET", RULES).json["own"] == body
    (change,) = _send(client, "GET", f"{WEB}/changes?kind=rules").json["changes"]
    assert (change["layer"], change["author"], change["message"]) == ("dev/_default", "anna", "less")
    assert _send(client, "PUT", RULES, {}).json["diff"][0]["action"] == "remove"
    context.wrote(context.store.commit([Put(context.keyspace.rules(Env("dev")), "{")]))
    assert _send(client, "GET", RULES).json["own"] == "{"
    _put(context, "A", "2")
    assert _send(client, "GET", EDITS).json["out_of_band"] == "hold"
