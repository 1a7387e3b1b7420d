"""The query of every route: what a route does not take is refused by name, never passed over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.api.asgi import application
from confd.client import Answer, Client, Edit, Request, Scope
from confd.errors import Malformed, NotFound, Refused
from confd.keys import App, Env, Layer
from confd.ports import Put
from confd.services.context import Context
from tests.support.asgi import AsgiTransport

TOKEN = {"Authorization": "Bearer t"}
WEB = "/v1/apps/web/envs/dev"
HERE = Scope("web", "dev")


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"t": "admin"}).test_client()


@pytest.fixture
def confd(context: Context) -> Client:
    """The product's own client, in front of the whole application."""
    return Client(AsgiTransport(application(context, {"t": "admin"})), token="t")


def _routes(client: FlaskClient) -> list[tuple[str, str]]:
    """Method and path of every route that there is."""
    found = []
    for rule in client.application.url_map.iter_rules():
        values = {"app": "web", "env": "dev", "key": "A", "number": 1, "host": "h1", "container": "c", "name": "x"}
        values |= {"proposal_id": "p"}
        url = client.application.url_map.bind("localhost").build(
            rule.endpoint, {name: values[name] for name in rule.arguments}, method=next(iter(rule.methods or ()))
        )
        found += [(method, url) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}]
    return sorted(found)


def test_every_route_refuses_a_parameter_that_it_does_not_take(client: FlaskClient) -> None:
    routes = _routes(client)
    assert len(routes) > 15
    for method, path in routes:
        answer = client.open(f"{path}?evn=prod", method=method, data="{}", headers=TOKEN)
        problem = json.loads(answer.data)
        found = (answer.status_code, answer.content_type, problem["code"], problem.get("pointer"))
        assert found == (400, "application/problem+json", "malformed", "/evn"), f"{method} {path}"
        assert "'evn'" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("GET", "/v1/apps", "min_revision"),
        ("GET", f"{WEB}/settings", "host, keys, layer, min_revision, reveal"),
        ("GET", f"{WEB}/settings/A", "host, layer, min_revision, reveal"),
        ("PATCH", f"{WEB}/settings", "host"),
        ("DELETE", f"{WEB}/settings/A", "dry_run, force, host, message, yes"),
        ("GET", f"{WEB}/changes", "author, before, host, key, kind, limit, min_revision"),
        ("GET", f"{WEB}/diff", "against, change, host, min_revision"),
        ("GET", f"{WEB}/explain/A", "container, host, min_revision"),
        ("PUT", f"{WEB}/binding", "dry_run, message, yes"),
    ],
)
def test_the_answer_says_what_is_taken(client: FlaskClient, method: str, path: str, taken: str) -> None:
    answer = client.open(f"{path}?evn=1", method=method, data="{}", headers=TOKEN)
    assert json.loads(answer.data)["detail"] == f"the query parameter 'evn' is unknown here; known are: {taken}"


def test_the_words_of_every_route_name_what_it_takes(client: FlaskClient) -> None:
    views = client.application.view_functions
    adapter = client.application.url_map.bind("localhost")
    for method, path in _routes(client):
        endpoint, _ = adapter.match(path, method=method)
        _, _, words = (views[endpoint].__doc__ or "").partition("Query: ")
        named = set(re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", words.split(".")[0])))
        detail = json.loads(client.open(f"{path}?evn=1", method=method, data="{}", headers=TOKEN).data)["detail"]
        assert named == set(filter(None, detail.partition("known are: ")[2].split(", "))), f"{method} {path}"


def test_a_route_without_parameters_says_so(client: FlaskClient) -> None:
    detail = json.loads(client.get("/livez?verbose", headers=TOKEN).data)["detail"]
    assert detail == "the query parameter 'verbose' is unknown here; this route takes none"


def test_nothing_is_stored_for_a_parameter_that_is_not_taken(client: FlaskClient) -> None:
    answer = client.patch(f"{WEB}/settings?dry_run=true", data='{"set": {"A": 1}}', headers=TOKEN)
    assert answer.status_code == 400
    assert json.loads(client.get(f"{WEB}/settings", headers=TOKEN).data)["settings"] == {}


@pytest.mark.parametrize("query", ["host=a&host=b", "layer=own&layer=effective"])
def test_a_parameter_that_stands_twice_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.get(f"{WEB}/settings?{query}", headers=TOKEN)
    assert answer.status_code == 400
    assert "stands twice" in json.loads(answer.data)["detail"]


def test_a_caller_without_a_token_is_told_that_first(client: FlaskClient) -> None:
    assert client.get("/v1/apps?evn=1").status_code == 401


def test_a_name_of_any_characters_is_told_and_pointed_at(client: FlaskClient) -> None:
    problem = json.loads(client.get("/v1/apps?a%2Fb~%0A%FF=1", headers=TOKEN).data)
    assert problem["pointer"].startswith("/a~1b~0\n")
    assert "\n" not in problem["detail"]
    assert len(json.loads(client.get(f"/v1/apps?{'x' * 5000}=1", headers=TOKEN).data)["detail"]) < 300


def _config(context: Context, query: str) -> Answer:
    request = Request("GET", f"{WEB}/config?{query}", TOKEN)
    return AsgiTransport(application(context, {"t": "admin"})).send(request, 10)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("evn=1", "'evn' is unknown here; known are: format, host, index, instance, min_revision, reveal, wait"),
        ("host=a&host=b", "host stands twice"),
    ],
)
def test_the_config_route_refuses_the_same_way(context: Context, query: str, words: str) -> None:
    answer = _config(context, query)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert words in json.loads(answer.body)["detail"]


def test_the_config_route_takes_all_that_a_shim_says(context: Context) -> None:
    assert _config(context, "format=json&instance=c1&host=h1&index=0&wait=1ms&min_revision=0").status == 200


EDIT = Edit(set={"A": "1"}, message="why & how", yes=True)
BINDING: Any = {"on_change": [{"keys": "**", "action": "none"}]}


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda c, scope: c.apps(), id="apps"),
        pytest.param(lambda c, scope: c.hosts(), id="hosts"),
        pytest.param(lambda c, scope: c.settings(scope, own=True, reveal=True), id="settings"),
        pytest.param(lambda c, scope: c.setting(scope, "A", own=True, reveal=True), id="setting"),
        pytest.param(lambda c, scope: c.change(scope, EDIT), id="change"),
        pytest.param(lambda c, scope: c.rollback(scope, None, EDIT), id="rollback"),
        pytest.param(lambda c, scope: c.config(scope), id="config"),
        pytest.param(lambda c, scope: c.next_config(scope, 1, 0.01), id="next_config"),
        pytest.param(lambda c, scope: c.changes(scope), id="changes"),
        pytest.param(lambda c, scope: c.shown_change(scope, 1), id="shown_change"),
        pytest.param(lambda c, scope: c.diff(scope, "env:qa"), id="diff"),
        pytest.param(lambda c, scope: c.explain(scope, "A"), id="explain"),
        pytest.param(lambda c, scope: c.plan(scope), id="plan"),
        pytest.param(lambda c, scope: c.status(scope, 1), id="status"),
    ],
)
@pytest.mark.parametrize("scope", [HERE, Scope("web", "dev", "h1")], ids=["env", "host"])
def test_the_client_sends_nothing_that_is_not_taken(
    confd: Client, call: Callable[[Client, Scope], Any], scope: Scope
) -> None:
    confd.change(scope, EDIT)
    call(confd, scope)


def test_whoever_asks_for_secrets_never_gets_a_mask_for_a_value(context: Context, confd: Client) -> None:
    confd.change(HERE, EDIT)
    key = f"{context.keyspace.settings(Layer(Env('dev'), App('web')))}S"
    revision = context.store.commit([Put(key, '{"$secret":{"data":"abc"}}')])
    context.mirror.wait(revision, 5)
    assert confd.setting(HERE, "A", own=True, reveal=True)["value"] == "1"
    assert confd.settings(HERE, own=True)["settings"]["S"]["secret"] is True
    with pytest.raises(Refused, match="may not see secrets"):
        confd.settings(HERE, own=True, reveal=True)
    with pytest.raises(Refused, match="may not see secrets"):
        confd.setting(HERE, "S", own=True, reveal=True)


def test_a_binding_goes_out_and_comes_back_by_the_client(confd: Client) -> None:
    confd.put_binding(HERE, BINDING, EDIT)
    assert confd.binding(HERE)["binding"] == BINDING


def test_a_host_has_no_binding_of_its_own_and_is_not_passed_over(confd: Client) -> None:
    with pytest.raises(Malformed, match="host"):
        confd.put_binding(Scope("web", "dev", "h1"), BINDING, EDIT)
    with pytest.raises(Malformed, match="host"):
        confd.binding(Scope("web", "dev", "h1"))


def test_the_effects_on_a_container_that_is_not_there_are_not_found(confd: Client) -> None:
    confd.change(HERE, EDIT)
    with pytest.raises(NotFound, match="web-9"):
        confd.explain(HERE, "A", "web-9")


def test_a_body_without_a_length_is_read_to_its_end(context: Context) -> None:
    api = AsgiTransport(application(context, {"t": "admin"}), chunked=True)
    body = b'{"set": {"LEVEL": "debug"}}'
    answer = api.send(Request("PATCH", f"{WEB}/settings", {"Authorization": "Bearer t"}, body), 10)
    assert (answer.status, b"debug" in answer.body) == (200, True)


def test_a_body_without_a_length_that_is_too_large_is_413(context: Context) -> None:
    api = AsgiTransport(application(context, {"t": "admin"}), chunked=True)
    body = b" " * (9 * 1024 * 1024)
    answer = api.send(Request("PATCH", f"{WEB}/settings", {"Authorization": "Bearer t"}, body), 30)
    assert answer.status == 413


@pytest.mark.parametrize("path", ["settings", "config", "binding", "status"])
def test_an_empty_host_is_refused_since_it_would_mean_all_of_them(context: Context, path: str) -> None:
    api = AsgiTransport(application(context, {"t": "admin"}))
    answer = api.send(Request("GET", f"{WEB}/{path}?host=", {"Authorization": "Bearer t"}), 10)
    assert (answer.status, b"host" in answer.body) == (400, True)
