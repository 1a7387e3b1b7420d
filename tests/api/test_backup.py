"""The routes of backup, restore and find."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.api.asgi import application
from confd.client import Client, Edit, Scope
from confd.errors import Conflict, Malformed, NeedsYes, Refused, Unavailable
from confd.ports import Put
from confd.services.context import Context
from confd.services.meta import restoring_meta
from confd.stores.memory import MemoryStore
from tests.support.asgi import AsgiTransport
from tests.support.contexts import context_on

TOKEN = {"Authorization": "Bearer t"}
WEB = Scope("web", "dev")


def client_of(context: Context) -> Client:
    return Client(AsgiTransport(application(context, {"t": "admin"})), token="t")


@pytest.fixture
def client(context: Context) -> Client:
    made = client_of(context)
    made.change(WEB, Edit(set={"A": 1, "text": "ä"}))
    return made


@pytest.fixture
def empty() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield made


@pytest.fixture
def flask(context: Context) -> FlaskClient:
    return create_app(context, {"t": "admin"}).test_client()


def test_a_backup_goes_through_the_wire_and_back(client: Client, empty: Context) -> None:
    content, other = b"".join(client.backup()), client_of(empty)
    (told,) = other.restore(content, {"dry_run": "true"})
    assert str(told["differ"]) == "2"
    steps = list(other.restore(content, {"yes": "true"}))
    assert [str(one["written"]) for one in steps] == sorted(str(one["written"]) for one in steps)
    assert steps[-1]["written"] == steps[-1]["of"]
    assert other.settings(WEB)["settings"] == client.settings(WEB)["settings"]


def test_errors_come_before_anything_is_written(client: Client, empty: Context) -> None:
    content, other = b"".join(client.backup()), client_of(empty)
    with pytest.raises(NeedsYes):
        list(other.restore(content, {}))
    with pytest.raises(Malformed, match="cut"):
        list(other.restore(content[:-100], {"yes": "true"}))
    with pytest.raises(Refused, match="not empty"):
        list(client.restore(content, {"yes": "true"}))


def test_an_error_on_the_way_is_the_last_line(client: Client, empty: Context) -> None:
    content, other = b"".join(client.backup()), client_of(empty)
    seen = empty.store.read([]).revision
    empty.store.commit([Put("/confd/envs/dev/settings/db/A", "1")])
    with pytest.raises(Conflict, match="since it was saved"):
        list(other.restore(content, {"yes": "true", "replace": str(seen)}))


def test_a_large_backup_is_no_body_that_is_too_large(context: Context, flask: FlaskClient) -> None:
    answer = flask.post("/v1/restore?dry_run=true", data=b"x" * (9 << 20), headers=TOKEN)
    assert (answer.status_code, b"no backup of confd" in answer.data) == (400, True)


def test_a_store_that_is_not_whole_answers_nothing(client: Client, context: Context, flask: FlaskClient) -> None:
    context.mirror.wait(context.store.commit([Put("/confd/meta", restoring_meta("10:00"))]), 5)
    for path in ("/v1/apps", "/v1/apps/web/envs/dev/config", "/v1/find?key=A", "/v1/backup"):
        with pytest.raises(Unavailable, match="since 10:00"):
            client.get(path)
    assert flask.get("/readyz").status_code == 503
    with pytest.raises(Unavailable):
        client.change(WEB, Edit(set={"A": 2}))


def test_a_backup_is_kept_by_nobody_on_the_way(client: Client, flask: FlaskClient) -> None:
    answer = flask.get("/v1/backup", headers=TOKEN)
    assert answer.headers["Cache-Control"] == "no-store"
    head = json.loads(answer.data.splitlines()[0])
    assert str(head["revision"]) == answer.headers["X-Confd-Revision"]


@pytest.mark.parametrize("query", ["", "key=a&value=b", "key=a&limit=x", "key=a&env=NO", "kye=a", "key="])
def test_a_search_that_is_none(flask: FlaskClient, query: str) -> None:
    assert flask.get(f"/v1/find?{query}", headers=TOKEN).status_code == 400


def test_a_search(client: Client) -> None:
    document = client.find({"key": "te?t", "env": "dev", "app": "web", "limit": "0"})
    assert [(one["key"], one["value"]) for one in document["settings"]] == [("text", "ä")]
    assert client.find({"value": "ä", "effective": "true", "host": "h1"})["settings"] == []
