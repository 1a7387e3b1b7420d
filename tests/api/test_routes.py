"""The API's routes over the in-memory store: answers, errors, ETags, and writers that race."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from confd.api.app import create_app
from confd.services.context import Context

TOKEN = {"Authorization": "Bearer secret-token"}
WEB = "/v1/apps/web/envs/dev"

NOBODY = {"apps": 1, "names": ["web"], "hosts": 0, "containers": 0, "needs_yes": False, "actions": {}, "which": []}


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context, {"secret-token": "admin"}).test_client()


def _json(answer: Any) -> Any:
    return json.loads(answer.data)


def _patch(client: FlaskClient, body: Any, **headers: str) -> Any:
    return client.patch(f"{WEB}/settings", data=json.dumps(body), headers={**TOKEN, **headers})


def test_a_write_is_read_back_and_the_same_again_is_no_change(client: FlaskClient) -> None:
    first = _patch(client, {"set": {"db/url": "x", "n": 1.10}, "message": "begin"})
    assert first.status_code == 200
    assert (first.json["change"], first.json["reaches"]) == (1, NOBODY)
    assert _patch(client, {"set": {"db/url": "x"}}).json["diff"] == []
    found = client.get(f"{WEB}/settings", headers=TOKEN)
    assert _json(found)["settings"]["db/url"] == {"value": "x", "secret": False, "layer": "dev/web", "change": 1}
    assert int(found.headers["X-Confd-Revision"]) >= first.json["revision"]
    again = client.get(f"{WEB}/settings", headers={**TOKEN, "If-None-Match": found.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_numbers_keep_their_text(client: FlaskClient) -> None:
    client.put(f"{WEB}/settings/n", data='{"value": 1.10}', headers=TOKEN)
    assert b"1.10" in client.get(f"{WEB}/settings/n", headers=TOKEN).data


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"set": {"a/../b": 1}}, 400, "/set/a~1..~1b"),
        ({"set": {"a": 1}, "unset": ["a"]}, 400, "/unset/a"),
        ({"sett": {}}, 400, "/sett"),
        ({"set": []}, 400, "/set"),
        ({"set": {"a": 1}, "secret": ["a"]}, 403, "/secret"),
        ({"set": {"run/memroy": "1g"}}, 422, "/set/run~1memroy"),
        ({"set": {"PATH": "x"}}, 422, "/set/PATH"),
        ({"set": {"a": {"$secret": {}}}}, 400, "/set/a"),
        ({"set": {"a-b": 1, "a_b": 2, "A_B": 3}}, 422, None),
    ],
)
def test_bad_input_names_where_and_stores_nothing(
    client: FlaskClient, body: Any, status: int, pointer: str | None
) -> None:
    answer = _patch(client, body)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    problem = json.loads(answer.data)
    assert problem["detail"]
    assert pointer is None or problem["pointer"] == pointer
    assert _json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"] == {}


def test_a_token_is_always_needed(client: FlaskClient) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}):
        answer = client.get("/v1/apps", headers=headers)
        assert (answer.status_code, json.loads(answer.data)["code"]) == (401, "unauthenticated")
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_what_is_not_there_is_a_problem_document_too(client: FlaskClient) -> None:
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/v1/apps", 405)):
        answer = client.open(path, method=method, headers=TOKEN)
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")


def test_a_stale_writer_is_told_b142(client: FlaskClient) -> None:
    _patch(client, {"set": {"a": 1}})
    seen = client.get(f"{WEB}/settings?layer=own", headers=TOKEN).headers["ETag"]
    assert _patch(client, {"set": {"a": 2}}, **{"If-Match": f'"other", {seen}'}).status_code == 200
    assert _patch(client, {"set": {"a": 3}}, **{"If-Match": seen}).status_code == 412
    assert _patch(client, {"set": {"a": 3}}, **{"If-Match": "*"}).status_code == 200


def test_only_strong_tags_match_b142(client: FlaskClient) -> None:
    assert _patch(client, {"set": {"a": 1}}, **{"If-Match": "*"}).status_code == 412
    _patch(client, {"set": {"a": 1}})
    seen = client.get(f"{WEB}/settings/a?layer=own", headers=TOKEN).headers
    assert "no-transform" in seen["Cache-Control"]
    for tag, status in ((f"W/{seen['ETag']}", 412), (seen["ETag"].strip('"'), 400), (seen["ETag"], 200)):
        headers = {**TOKEN, "If-Match": tag}
        assert client.put(f"{WEB}/settings/a", data='{"value": 2}', headers=headers).status_code == status


@pytest.mark.parametrize("path", ["a%2Fb", "a/b"])
def test_an_encoded_slash_is_the_same_key_b138(client: FlaskClient, path: str) -> None:
    assert client.put(f"{WEB}/settings/{path}", data='{"value": 1}', headers=TOKEN).status_code == 200
    assert list(_json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"]) == ["a/b"]


@pytest.mark.parametrize("path", ["%2Fa", "a//b", "a/", "/a", "a%252Fb", "../x", "a/%2E%2E/b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_empty_segment_is_refused_whatever_the_verb_b139(client: FlaskClient, path: str, method: str) -> None:
    data = '{"value": 1}' if method == "PUT" else None
    answer = client.open(f"{WEB}/settings/{path}", method=method, data=data, headers=TOKEN)
    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("path", ["bad%FF", "bad%FE", "bad%00", "bad%0A", "bad%7F"])
def test_bytes_that_are_no_text_are_refused_b141(client: FlaskClient, path: str) -> None:
    assert client.get(f"{WEB}/settings/{path}", headers=TOKEN).status_code == 400


@pytest.mark.parametrize("second", ["work.1", "WORK_1"])
def test_a_key_whose_variable_is_another_key_s_is_refused_naming_both_b50(client: FlaskClient, second: str) -> None:
    assert _patch(client, {"set": {"work-1": "a"}}).status_code == 200
    answer = client.put(f"{WEB}/settings/{second}", data='{"value": "b"}', headers=TOKEN)
    detail = _json(answer)["detail"]
    assert (answer.status_code, "work-1" in detail, second in detail) == (422, True, True)
    assert list(_json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"]) == ["work-1"]


@pytest.mark.parametrize("value", ["a\0b", ["a\0b"], {"a\0b": 1}])
def test_a_nul_is_refused_wherever_it_stands_in_a_value_b56(client: FlaskClient, value: Any) -> None:
    for answer in (
        client.put(f"{WEB}/settings/a", data=json.dumps({"value": value}), headers=TOKEN),
        _patch(client, {"set": {"a": value}}),
    ):
        assert (answer.status_code, "NUL" in _json(answer)["detail"]) == (400, True)
    assert _json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"] == {}


@pytest.mark.parametrize(
    ("settings", "size", "limit"),
    [
        ({"a": "x" * 1_600_000}, "1600002", "524288"),
        ({f"k{number}": "x" * 100_000 for number in range(20)}, "2000", "1048576"),
    ],
)
def test_too_much_is_413_with_size_and_limit_and_stores_nothing_b99(
    client: FlaskClient, settings: Any, size: str, limit: str
) -> None:
    _patch(client, {"set": {"kept": "1"}})
    answer = _patch(client, {"set": settings})
    assert (answer.status_code, _json(answer)["code"]) == (413, "too-large")
    assert (size in _json(answer)["detail"], limit in _json(answer)["detail"]) == (True, True)
    document = _json(client.get(f"{WEB}/settings", headers=TOKEN))
    assert (list(document["settings"]), document["change"]) == (["kept"], 1)


def test_what_looks_like_a_template_is_left_alone_b144_b145(client: FlaskClient) -> None:
    texts = ["${catalina.home:.}/conf", "${mt:WAIT,0275}", "{{ .x }}", "%(a)s", "$$", "#{1+1}"]
    _patch(client, {"set": {f"T{number}": text for number, text in enumerate(texts)}})
    found = _json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"]
    assert [one["value"] for one in found.values()] == texts


def test_eight_writers_lose_no_update(client: FlaskClient) -> None:
    ready = threading.Barrier(8)

    def write(number: int) -> list[int]:
        ready.wait(5)
        return [
            _patch(client.application.test_client(), {"set": {f"k{number}_{i}": i}}).status_code for i in range(5)
        ]

    with ThreadPoolExecutor(8) as pool:
        assert {status for codes in pool.map(write, range(8)) for status in codes} == {200}
    document = _json(client.get(f"{WEB}/settings", headers=TOKEN))
    assert len(document["settings"]) == document["change"] == 40


def test_history_diff_and_rollback(client: FlaskClient) -> None:
    _patch(client, {"set": {"a": 1}})
    _patch(client, {"set": {"a": 2, "b": 3}}, **{"X-Confd-Author": "ann%20b"})
    found = _json(client.get(f"{WEB}/changes", headers=TOKEN))["changes"]
    assert [(one["number"], one["author"]) for one in found] == [(2, "ann b"), (1, "admin")]
    diff = _json(client.get(f"{WEB}/diff?against=change:1", headers=TOKEN))["diff"]
    assert [(one["key"], one["action"]) for one in diff] == [("a", "change"), ("b", "add")]
    back = client.post(f"{WEB}/rollback", data='{"to": 1}', headers=TOKEN)
    assert (back.status_code, _json(back)["change"]) == (200, 3)
    settings = _json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"]
    assert {key: one["value"] for key, one in settings.items()} == {"a": 1}
    assert _json(client.get(f"{WEB}/explain/a", headers=TOKEN))["winner"]["value"] == 1


def test_three_thousand_keys_are_one_change(client: FlaskClient) -> None:
    answer = _patch(client, {"set": {f"key/{number}": "v" * 20 for number in range(3000)}})
    assert (answer.status_code, answer.json["change"]) == (200, 1)
    assert len(_json(client.get(f"{WEB}/settings", headers=TOKEN))["settings"]) == 3000


def test_a_binding_is_a_change_and_one_that_never_works_is_refused(client: FlaskClient) -> None:
    _patch(client, {"set": {"a": 1}})
    bad = {"on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}]}
    assert client.put(f"{WEB}/binding", data=json.dumps(bad), headers=TOKEN).status_code == 422
    good = {"on_change": [{"keys": "**", "action": "none"}]}
    assert _json(client.put(f"{WEB}/binding", data=json.dumps(good), headers=TOKEN))["change"] == 2
    assert _json(client.get(f"{WEB}/binding", headers=TOKEN))["from"] == "dev/web"
    assert client.delete(f"{WEB}/binding", headers=TOKEN).status_code == 200


def test_a_stale_writer_of_a_binding_is_told(client: FlaskClient) -> None:
    path, body = f"{WEB}/binding", json.dumps({"on_change": [{"keys": "**", "action": "none"}]})
    assert client.put(path, data=body, headers={**TOKEN, "If-Match": "*"}).status_code == 412
    assert client.put(path, data=body, headers=TOKEN).status_code == 200
    assert client.put(path, data=body, headers={**TOKEN, "If-None-Match": "*"}).status_code == 412
    assert client.delete(path, headers={**TOKEN, "If-Match": '"other"'}).status_code == 412
    seen = client.get(path, headers=TOKEN).headers["ETag"]
    assert client.delete(path, headers={**TOKEN, "If-Match": seen}).status_code == 200


def test_a_deletion_takes_dry_run_and_yes_from_the_query(client: FlaskClient) -> None:
    _patch(client, {"set": {"a": 1}})
    assert client.delete(f"{WEB}/settings/a?dry_run=true", headers=TOKEN).status_code == 200
    assert client.get(f"{WEB}/settings/a", headers=TOKEN).status_code == 200
    client.patch("/v1/apps/other/envs/dev/settings", data='{"set":{"b":1}}', headers=TOKEN)
    everywhere = "/v1/apps/_default/envs/_default/settings/z"
    assert client.put(everywhere, data='{"value":1,"yes":true}', headers=TOKEN).status_code == 200
    assert client.delete(everywhere, headers=TOKEN).status_code == 409
    assert client.delete(f"{everywhere}?yes=true", headers=TOKEN).status_code == 200


@pytest.mark.parametrize("message", ["a\u0000b", "a\u001b[31m", "x" * 2001])
def test_a_message_that_no_terminal_shows_is_refused(client: FlaskClient, message: str) -> None:
    answer = _patch(client, {"set": {"A": "1"}, "message": message})
    assert (answer.status_code, answer.get_json()["pointer"]) == (400, "/message")
