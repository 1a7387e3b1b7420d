"""The routes of adoption and resume: what they take, refuse, and answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.keys import Host, Keyspace
from confd.ports import Put
from confd.services.context import Context
from tests.support.hosts import HostStand

TOKEN = {"Authorization": "Bearer secret-token", "X-Confd-Author": "anna"}
ADOPT, RESUME = "/v1/apps/web/envs/dev/adopt", "/v1/resume"


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def _post(client: FlaskClient, path: str, body: Any) -> Any:
    return client.post(path, data=json.dumps(body), headers=TOKEN)


def test_where_none_waits_nothing_is_adopted(client: FlaskClient) -> None:
    done = _post(client, ADOPT, {"yes": True})
    assert (done.status_code, done.json["containers"]) == (200, [])
    assert _post(client, ADOPT, {"container": "web-1"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        (ADOPT, {"yes": 1}, "/yes"),
        (ADOPT, {"container": 3}, "/container"),
        (ADOPT, {"why": "x"}, "/why"),
        (ADOPT, {"message": "\u0007"}, "/message"),
        (RESUME, {"dry_run": "x"}, "/dry_run"),
        (RESUME, {"app": "web"}, "/app"),
    ],
)
def test_what_is_asked_wrongly_is_refused_by_name(client: FlaskClient, path: str, body: Any, pointer: str) -> None:
    answer = _post(client, path, body)
    assert (answer.status_code, answer.json["pointer"]) == (400, pointer)


def test_a_resume_needs_a_doubt_and_a_yes(client: FlaskClient, context: Context) -> None:
    assert _post(client, RESUME, {"yes": True}).status_code == 404
    HostStand(context.store, "h1").up()
    about = {"doubts": [{"env": None, "app": None, "why": "it went back", "since": "2026"}]}
    context.mirror.wait(context.store.commit([Put(Keyspace().about(Host("h1")), json.dumps(about))]), 5)
    assert _post(client, RESUME, {"dry_run": True}).json["doubts"][0]["why"] == "it went back"
    assert _post(client, RESUME, {}).json["code"] == "needs-yes"
    assert _post(client, RESUME, {"yes": True, "message": "right"}).status_code == 200
    assert context.fresh().resumed is not None
