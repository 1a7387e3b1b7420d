"""The routes of freeze and unfreeze: what they take, refuse, and answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer secret-token", "X-Confd-Author": "anna"}
FREEZE = "/v1/envs/dev/freeze"


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def _json(answer: Any) -> Any:
    return json.loads(answer.data)


def _put(client: FlaskClient, body: Any) -> Any:
    return client.put(FREEZE, data=json.dumps(body), headers=TOKEN)


def test_a_brake_is_put_on_read_and_taken_off(client: FlaskClient) -> None:
    done = _put(client, {"app": "web", "host": "h1", "message": "disk"})
    assert (done.status_code, done.json["reaches"]) == (200, {"apps": 0, "hosts": 0, "containers": 0})
    (brake,) = _json(client.get(FREEZE, headers=TOKEN))["brakes"]
    assert {name: brake[name] for name in ("env", "app", "host", "author", "message")} == {
        "env": "dev",
        "app": "web",
        "host": "h1",
        "author": "anna",
        "message": "disk",
    }
    assert _json(client.get("/v1/freezes", headers=TOKEN))["brakes"] == [brake]
    assert _json(client.delete(f"{FREEZE}?app=web&host=h1", headers=TOKEN))["brakes"] == []
    assert client.delete(f"{FREEZE}?app=web&host=h1", headers=TOKEN).status_code == 404


def test_the_brakes_of_every_env_are_among_those_of_one(client: FlaskClient) -> None:
    client.put("/v1/envs/_default/freeze", data='{"message": "stop"}', headers=TOKEN)
    assert [one["env"] for one in _json(client.get(FREEZE, headers=TOKEN))["brakes"]] == ["_default"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/message"),
        ({"message": " "}, "/message"),
        ({"message": 1}, "/message"),
        ({"message": "x", "app": 1}, "/app"),
        ({"message": "x", "app": "_default"}, "/app"),
        ({"message": "x", "app": "Not"}, None),
        ({"message": "x", "host": ["h"]}, "/host"),
        ({"message": "x", "dry_run": "no"}, "/dry_run"),
        ({"message": "x", "until": "noon"}, "/until"),
    ],
)
def test_a_wrong_body_puts_no_brake_on(client: FlaskClient, body: Any, pointer: str | None) -> None:
    answer = _put(client, body)
    assert (answer.status_code, answer.json.get("pointer")) == (400, pointer)
    assert _json(client.get("/v1/freezes", headers=TOKEN))["brakes"] == []


@pytest.mark.parametrize("path", ["/v1/envs/Not/freeze", f"{FREEZE}?host=", f"{FREEZE}?until=noon"])
def test_a_wrong_name_or_parameter_is_refused(client: FlaskClient, path: str) -> None:
    assert client.delete(path, headers=TOKEN).status_code == 400


def test_a_brake_needs_a_token(client: FlaskClient) -> None:
    assert client.put(FREEZE, data='{"message": "x"}').status_code == 401
