"""The routes of policies: what they take, refuse, and answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer secret-token", "X-Confd-Author": "anna"}
POLICIES = "/v1/envs/dev/policies"
BASE = f"{POLICIES}/base"
SECURE = {"preset": "secure", "except": ["user"]}


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def _put(client: FlaskClient, body: Any, path: str = BASE, **headers: str) -> Any:
    return client.put(path, data=json.dumps(body), headers={**TOKEN, **headers})


def _get(client: FlaskClient, path: str) -> Any:
    return json.loads(client.get(path, headers=TOKEN).data)


def test_a_policy_is_stored_read_listed_and_taken_away(client: FlaskClient) -> None:
    done = _put(client, SECURE, f"{BASE}?message=audit")
    assert (done.status_code, done.json["change"], done.json["containers"], done.json["settings"]) == (
        200,
        1,
        [],
        [],
    )
    assert _get(client, BASE)["policy"] == SECURE
    _put(client, {"schema": {}}, "/v1/envs/_default/policies/all")
    assert [one["name"] for one in _get(client, POLICIES)["policies"]] == ["all", "base"]
    (change,) = _get(client, "/v1/apps/_default/envs/dev/changes")["changes"][-1:]
    assert (change["kind"], change["author"], change["message"]) == ("policy", "anna", "audit")
    assert client.delete(BASE, headers=TOKEN).status_code == 200
    assert client.get(BASE, headers=TOKEN).status_code == 404
    assert client.delete(BASE, headers=TOKEN).status_code == 404


def test_two_writers_that_read_the_same_do_not_overwrite_each_other(client: FlaskClient) -> None:
    assert _put(client, SECURE, **{"If-None-Match": "*"}).status_code == 200
    assert _put(client, SECURE, **{"If-None-Match": "*"}).status_code == 412
    seen = client.get(BASE, headers=TOKEN).headers["ETag"]
    assert client.get(BASE, headers={**TOKEN, "If-None-Match": seen}).status_code == 304
    assert _put(client, {"preset": "secure"}, **{"If-Match": seen}).status_code == 200
    assert _put(client, SECURE, **{"If-Match": seen}).status_code == 412
    assert client.delete(BASE, headers={**TOKEN, "If-Match": seen}).status_code == 412


@pytest.mark.parametrize(
    ("path", "body", "status", "pointer"),
    [
        (BASE, {"schema": {"properties": {"user": {"type": "word"}}}}, 422, "/schema/properties/user/type"),
        (BASE, {"preset": "secure", "except": ["no"]}, 422, "/except/0"),
        (f"{POLICIES}/Base", SECURE, 400, None),
        ("/v1/envs/DEV/policies/base", SECURE, 400, None),
        (f"{BASE}?force=true", SECURE, 400, "/force"),
        (f"{BASE}?dry_run=perhaps", SECURE, 400, "/dry_run"),
    ],
)
def test_what_is_wrong_is_refused_with_a_pointer(
    client: FlaskClient, path: str, body: Any, status: int, pointer: str | None
) -> None:
    done = _put(client, body, path)
    assert (done.status_code, done.json.get("pointer")) == (status, pointer)


def _patch(client: FlaskClient, change: Any) -> Any:
    return client.patch("/v1/apps/web/envs/dev/settings", data=json.dumps(change), headers=TOKEN)


def _check(client: FlaskClient, policy: Any) -> Any:
    return client.post(f"{POLICIES}/check", data=json.dumps(policy), headers=TOKEN)


def test_a_refused_write_says_which_policy_and_where(client: FlaskClient) -> None:
    _put(client, SECURE)
    done = _patch(client, {"set": {"run/privileged": True}})
    assert (done.status_code, done.json["code"], done.json["pointer"]) == (422, "invalid", "/set/run~1privileged")
    assert "the policy dev/base, rule privileged," in done.json["detail"]


def test_a_policy_may_be_asked_about_and_one_may_be_called_check(client: FlaskClient) -> None:
    asked = _check(client, SECURE)
    assert (asked.status_code, asked.json["containers"]) == (200, [])
    assert _get(client, POLICIES)["policies"] == []
    assert _put(client, SECURE, f"{POLICIES}/check").status_code == 200
    assert _get(client, f"{POLICIES}/check")["name"] == "check"
    assert _check(client, {"preset": "x"}).status_code == 422


def test_violations_are_asked_for_by_env_and_host(client: FlaskClient) -> None:
    found = _get(client, "/v1/violations?env=dev&host=h1")
    assert (found["policies"], found["containers"]) == (0, [])
    assert client.get("/v1/violations?env=DEV", headers=TOKEN).status_code == 400
    assert client.get("/v1/violations?app=web", headers=TOKEN).status_code == 400
