"""`confctl schema`, and what `set` and `import` send: what is asked of the server, what is said, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

SCHEMA, DEV = "/v1/apps/web/schema", "/v1/apps/web/envs/dev"
FAULT = {
    "app": "web",
    "env": "prod",
    "host": None,
    "key": "port",
    "pointer": "/port",
    "rule": "type",
    "allowed": "expected an integer",
}
REACHES = {"apps": 1, "hosts": 0, "containers": 0, "needs_yes": False, "actions": {}, "which": []}
WRITTEN = {
    "change": 4,
    "revision": 9,
    "diff": [{"key": "schema", "action": "add", "before": None, "after": {}}],
    "reaches": REACHES,
    "warnings": ["/requird: is required meant?"],
    "version": 2,
    "failing": [],
    "fresh": 0,
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", '{"properties": {"a": {"multipleOf": 0.10}}}'),
        ("s.yaml", "properties:\n  a:\n    multipleOf: 0.10\n"),
        ("s.txt", "properties: {a: {multipleOf: 0.10}}"),
    ],
)
def test_a_file_of_json_or_yaml_is_stored(
    run: Confctl, server: Server, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    server.answers[f"PUT {SCHEMA}"] = WRITTEN
    done = run("schema", "set", "web", str(tmp_path / name), "-m", "why", "--force")
    assert done.exit_code == 0, done.output
    assert [one["query"] for one in server.seen] == [
        "message=why&dry_run=true&force=true",
        "message=why&force=true",
    ]
    assert server.seen[1]["body"] == '{"properties":{"a":{"multipleOf":0.10}}}'
    assert "the schema of web has version 2 now" in done.stderr
    assert "warning: /requird" in done.stderr


def test_a_dry_run_names_all_that_fails(run: Confctl, server: Server) -> None:
    on_host = {**FAULT, "env": "_default", "host": "h1", "key": None, "pointer": ""}
    server.answers[f"PUT {SCHEMA}"] = {**WRITTEN, "failing": [FAULT, on_host], "fresh": 1}
    done = run("schema", "set", "web", "-", "--dry-run", text="{}")
    assert "fails in prod: port (at /port): expected an integer" in done.stderr
    assert "fails in every env on h1: the settings" in done.stderr
    assert "refused without --force: 1 fault would be new" in done.stderr
    assert len(server.seen) == 1


def test_a_refused_schema_shows_all_that_fails_first(run: Confctl, server: Server) -> None:
    refused = (422, {"code": "invalid", "detail": "web in prod: port"})
    server.answers[f"PUT {SCHEMA}"] = [{**WRITTEN, "failing": [FAULT], "fresh": 1}, refused]
    done = run("schema", "set", "web", "-", text="{}")
    assert (done.exit_code, "fails in prod" in done.stderr) == (65, True)


def test_a_file_that_is_neither_is_named(run: Confctl, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text('{"a": ')
    done = run("schema", "set", "web", str(tmp_path / "s.json"))
    assert (done.exit_code, "s.json: this is no JSON" in done.stderr) == (65, True)


def test_a_schema_is_printed_as_set_takes_it(run: Confctl, server: Server) -> None:
    server.answers[f"GET {SCHEMA}"] = {"schema": {"title": "t"}, "version": 1, "versions": [1, 2], "broken": ""}
    done = run("schema", "get", "web", "--version", "1")
    assert (json.loads(done.stdout), server.seen[0]["query"]) == ({"title": "t"}, "version=1")
    assert "version 1 of: 1, 2" in done.stderr
    server.answers[f"GET {SCHEMA}"] = {"schema": "x", "version": 1, "versions": [1], "broken": "no JSON"}
    assert "it is none, so that containers keep" in run("schema", "get", "web").stderr


def test_check_exits_65_and_lists_all(run: Confctl, server: Server) -> None:
    route = f"POST {DEV}/schema/check"
    server.answers[route] = {"faults": [FAULT], "version": None, "warnings": ["w"]}
    done = run("schema", "check", "web", "-", "-e", "dev", text='{"title": "t"}')
    assert (done.exit_code, json.loads(server.seen[0]["body"])) == (65, {"schema": {"title": "t"}})
    assert done.stdout.splitlines()[1].split()[:3] == ["prod", "port", "/port"]
    assert "web in dev: 1 fault by -" in done.stderr
    server.answers[route] = {"faults": [], "version": 3, "warnings": []}
    done = run("schema", "check", "web", "-e", "dev")
    assert (done.exit_code, json.loads(server.seen[1]["body"])) == (0, {})
    assert "web in dev is right by the schema of web (version 3)" in done.stderr


def test_versions_are_listed_with_who_stored_them(run: Confctl, server: Server) -> None:
    one = {"number": 4, "at": "2026", "author": "anna", "message": "why", "kind": "schema", "schemas": {"web": 2}}
    route = "GET /v1/apps/web/envs/_default/changes"
    server.answers[route] = {"changes": [one, {**one, "kind": "settings"}]}
    assert [line.split() for line in run("schema", "history", "web").stdout.splitlines()] == [
        ["VERSION", "CHANGE", "AT", "AUTHOR", "MESSAGE"],
        ["2", "4", "2026", "anna", "why"],
    ]
    server.answers[route] = {"changes": []}
    assert "web never had a schema" in run("schema", "history", "web").stderr


def test_a_schema_is_taken_away(run: Confctl, server: Server) -> None:
    server.answers[f"DELETE {SCHEMA}"] = WRITTEN
    assert "has version 2 now" in run("schema", "delete", "web").stderr


@pytest.mark.parametrize(
    ("file", "sent"),
    [
        ((".env", "A=1"), {"set": {}, "texts": {"A": "1"}}),
        (("a.properties", "a=1"), {"set": {}, "texts": {"a": "1"}}),
        (("a.ini", "[s]\na=1"), {"set": {}, "texts": {"s/a": "1"}}),
        (("a.yaml", "a: 1\nb: '1'"), {"set": {"a": 1, "b": "1"}}),
    ],
)
def test_b166_a_file_of_texts_leaves_their_types_to_the_server(
    run: Confctl, server: Server, tmp_path: Path, file: tuple[str, str], sent: dict[str, Any]
) -> None:
    name, text = file
    (tmp_path / name).write_text(text)
    server.answers[f"PATCH {DEV}/settings"] = WRITTEN
    assert run("import", "web", str(tmp_path / name), "-e", "dev").exit_code == 0
    body = json.loads(server.seen[0]["body"])
    assert {name: body[name] for name in ("set", "texts") if name in body} == sent


@pytest.mark.parametrize(("value", "code"), [(8080, 0), ("8080", 0), (80, 1), (True, 1)])
def test_a_text_in_a_file_is_the_number_that_the_schema_made_of_it(
    run: Confctl, server: Server, tmp_path: Path, value: Any, code: int
) -> None:
    (tmp_path / ".env").write_text("PORT=8080\n")
    server.answers[f"GET {DEV}/settings"] = {"settings": {"PORT": {"value": value}}}
    assert run("diff", "web", str(tmp_path / ".env"), "-e", "dev").exit_code == code


def test_explain_and_show_tell_what_the_schema_says(run: Confctl, server: Server) -> None:
    winner = {"layer": "schema", "change": None, "value": 5432}
    said = {"version": 1, "title": "Port", "x-on-change": "restart"}
    server.answers[f"GET {DEV}/explain/port"] = {"winner": winner, "schema": said}
    assert run("explain", "web", "port", "-e", "dev").stdout.splitlines() == [
        "port = 5432",
        "  from      schema: its default",
        "  schema    title: Port",
        "  schema    x-on-change: restart",
    ]
    change = {
        "author": "anna",
        "at": "2026",
        "layer": "dev/web",
        "kind": "settings",
        "schemas": {"web": 3},
        "diff": [],
    }
    server.answers[f"GET {DEV}/changes/3"] = change
    assert "schema: web 3" in run("show", "web", "3", "-e", "dev").stdout.splitlines()
