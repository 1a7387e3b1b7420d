"""The routes of schemas: what they take, refuse, and answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer secret-token", "X-Confd-Author": "anna"}
SCHEMA, PROD = "/v1/apps/web/schema", "/v1/apps/web/envs/prod"
PORT = {"properties": {"port": {"type": "integer", "minimum": 1}}, "required": ["port"]}


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def put(client: FlaskClient, body: Any, query: str = "", **headers: str) -> Any:
    return client.put(SCHEMA + query, data=json.dumps(body), headers={**TOKEN, **headers})


def get(client: FlaskClient, query: str = "", path: str = SCHEMA) -> Any:
    return json.loads(client.get(path + query, headers=TOKEN).data)


def patch(client: FlaskClient, **body: Any) -> Any:
    return client.patch(f"{PROD}/settings", data=json.dumps(body), headers=TOKEN)


def test_a_schema_is_stored_read_by_version_and_taken_away(client: FlaskClient) -> None:
    done = put(client, PORT, "?message=typed")
    assert (done.status_code, done.json["version"], done.json["failing"], done.json["fresh"]) == (200, 1, [], 0)
    put(client, {})
    assert get(client)["schema"] == {}
    old = get(client, "?version=1")
    assert (old["schema"], old["version"], old["versions"]) == (PORT, 1, [1, 2])
    (_, first) = get(client, path="/v1/apps/web/envs/prod/changes")["changes"]
    assert (first["kind"], first["author"], first["message"], first["schemas"]) == (
        "schema",
        "anna",
        "typed",
        {"web": 1},
    )
    assert json.loads(client.delete(SCHEMA, headers=TOKEN).data)["version"] == 3
    assert [client.get(f"{SCHEMA}{query}", headers=TOKEN).status_code for query in ("", "?version=9")] == [404, 404]
    assert client.delete(SCHEMA, headers=TOKEN).status_code == 404


def test_an_etag_is_what_a_write_has_to_match(client: FlaskClient) -> None:
    put(client, PORT, **{"If-None-Match": "*"})
    assert put(client, {}, **{"If-None-Match": "*"}).status_code == 412
    tag = client.get(SCHEMA, headers=TOKEN).headers["ETag"]
    assert client.get(SCHEMA, headers={**TOKEN, "If-None-Match": tag}).status_code == 304
    assert put(client, {}, **{"If-Match": tag}).status_code == 200
    assert put(client, PORT, **{"If-Match": tag}).status_code == 412


def test_a_wrong_schema_is_invalid_with_a_pointer(client: FlaskClient) -> None:
    done = put(client, {"properties": {"a": {"format": "ipv5"}}})
    assert (done.status_code, done.json["code"], done.json["pointer"]) == (422, "invalid", "/properties/a/format")
    assert put(client, PORT, "?version=1").status_code == 400
    assert client.get(f"{SCHEMA}?version=x", headers=TOKEN).status_code == 400


def test_who_fails_is_shown_refused_and_forced(client: FlaskClient) -> None:
    patch(client, texts={"port": "http"})
    shown = put(client, PORT, "?dry_run=true").json
    assert (shown["fresh"], shown["failing"]) == (
        1,
        [
            {
                "app": "web",
                "env": "prod",
                "host": None,
                "key": "port",
                "pointer": "/port",
                "rule": "type",
                "allowed": "expected an integer, at least 1",
            }
        ],
    )
    assert put(client, PORT).status_code == 422
    assert put(client, PORT, "?force=true").json["version"] == 1


def test_texts_get_their_types_and_a_wrong_one_is_422(client: FlaskClient) -> None:
    put(client, PORT)
    assert patch(client, texts={"port": "8080"}).json["diff"][0]["after"] == 8080
    done = patch(client, texts={"port": "80a"})
    assert (done.status_code, done.json["pointer"]) == (422, "/set/port")
    assert "web in prod: port: expected an integer, at least 1 (at /port, schema 1)" in done.json["detail"]
    assert patch(client, texts={"port": 1}).status_code == 400
    assert patch(client, texts=[]).status_code == 400


def test_a_schema_is_tried_on_an_env(client: FlaskClient) -> None:
    def check(body: Any) -> Any:
        return client.post(f"{PROD}/schema/check", data=json.dumps(body), headers=TOKEN)

    patch(client, texts={"port": "http"})
    assert [one["key"] for one in check({"schema": PORT}).json["faults"]] == ["port"]
    assert check({}).status_code == 404
    put(client, {})
    assert check({}).json["version"] == 1
