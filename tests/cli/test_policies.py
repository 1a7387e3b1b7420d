"""`confctl policy` and `doctor --policies`: what is asked of the server, what is said, and the exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

BASE = "/v1/envs/dev/policies/base"
FOUND = {
    "policy": "dev/base",
    "rule": "privileged",
    "options": ["privileged"],
    "pointer": "/privileged",
    "allowed": "no privileged mode",
    "here": "true",
    "why": "",
    "mend": "leave it out",
}
CONTAINER = {
    "name": "web-1",
    "host": "h1",
    "app": "web",
    "env": "dev",
    "alive": True,
    "at": "2026",
    "violations": [FOUND],
}
SETTINGS = {"app": "web", "env": "dev", "host": None, "violations": [{**FOUND, "rule": "", "here": "", "mend": ""}]}
ADDED = [{"key": "base", "action": "add", "before": None, "after": {"preset": "secure"}}]


def answer(containers: Any = (), settings: Any = (), diff: Any = ADDED) -> dict[str, Any]:
    return {"change": 3, "revision": 9, "diff": diff, "containers": list(containers), "settings": list(settings)}


def test_a_preset_is_stored_with_why(run: Confctl, server: Server) -> None:
    server.answers[f"PUT {BASE}"] = answer([CONTAINER])
    done = run("policy", "set", "base", "--preset", "secure", "--except", "user", "-e", "dev", "-m", "audit")
    assert (done.exit_code, json.loads(server.seen[0]["body"])) == (0, {"preset": "secure", "except": ["user"]})
    assert server.seen[0]["query"] == "message=audit"
    assert done.stdout.splitlines()[1].split()[:6] == [
        "web-1",
        "h1",
        "web@dev",
        "dev/base",
        "privileged",
        "privileged",
    ]
    assert "policy base of env dev: stored (change 3, revision 9)" in done.stderr
    assert "dev/base privileged: leave it out" in done.stderr
    assert "against it already, and left as it is: 1 container" in done.stderr


def test_a_file_is_stored_and_a_dry_run_shows_it(run: Confctl, server: Server) -> None:
    server.answers[f"PUT {BASE}"] = answer(settings=[SETTINGS])
    done = run("policy", "set", "base", "-", "-e", "dev", "--dry-run", text='{"schema": {}}')
    assert (done.exit_code, json.loads(server.seen[0]["body"])) == (0, {"schema": {}})
    assert (server.seen[0]["query"], done.stdout.splitlines()[0]) == (
        "dry_run=true",
        '+ base = {"preset":"secure"}',
    )
    assert "dry run for policy base of env dev: nothing is stored" in done.stderr
    assert "left as it is: the settings of 1 app" in done.stderr
    server.answers["PUT /v1/envs/_default/policies/base"] = answer(diff=[])
    done = run("policy", "set", "base", "-", "-e", "_default", text="{}")
    assert "policy base of every env: nothing to change" in done.stderr
    assert "nothing is against it" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "base", "--preset", "secure"), "Which env?"),
        (("get",), "Which env?"),
        (("set", "base", "-e", "dev"), "Which policy?"),
        (("check", "-", "--preset", "secure", "-e", "dev"), "Which policy?"),
        (("check", "-", "--except", "user", "-e", "dev"), "--except goes with --preset"),
    ],
)
def test_nothing_is_guessed(run: Confctl, server: Server, words: tuple[str, ...], said: str) -> None:
    done = run("policy", *words)
    assert (done.exit_code, said in done.stderr, server.seen) == (2, True, [])


def test_policies_are_listed_and_one_is_printed_as_set_takes_it(run: Confctl, server: Server) -> None:
    documents = [
        {"preset": "secure", "except": ["user"]},
        {"schema": {}, "description": "ours"},
        {"schema": {}},
        "{",
    ]
    listed = [
        {"name": f"p{number}", "env": "dev", "policy": one, "broken": "no JSON" if one == "{" else ""}
        for number, one in enumerate(documents)
    ]
    server.answers["GET /v1/envs/dev/policies"] = {"policies": listed}
    lines = run("policy", "get", "-e", "dev").stdout.splitlines()
    assert [line.split(None, 2)[2] for line in lines[1:]] == [
        "preset secure except user",
        "ours",
        "a schema",
        "broken: no JSON",
    ]
    server.answers["GET /v1/envs/dev/policies"] = {"policies": []}
    assert "env dev has no policy" in run("policy", "get", "-e", "dev").stderr
    server.answers[f"GET {BASE}"] = listed[0]
    done = run("policy", "get", "base", "-e", "dev")
    assert (json.loads(done.stdout), done.stderr) == (documents[0], "")
    server.answers[f"GET {BASE}"] = listed[3]
    assert "run options stay as they are: no JSON" in run("policy", "get", "base", "-e", "dev").stderr


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        (answer(), 0, "nothing in env dev is against it"),
        (answer([CONTAINER]), 65, "against it in env dev: 1 container"),
        (answer([CONTAINER] * 2, [SETTINGS]), 65, "in env dev: 2 containers and the settings of 1 app"),
    ],
)
def test_a_check_exits_65_when_anything_is_against_it(
    run: Confctl, server: Server, found: Any, code: int, said: str
) -> None:
    server.answers["POST /v1/envs/dev/policies/check"] = found
    done = run("policy", "check", "--preset", "secure", "-e", "dev")
    assert (done.exit_code, said in done.stderr) == (code, True)
    assert ("(its settings)" in done.stdout) == bool(found["settings"])


def test_a_policy_is_taken_away(run: Confctl, server: Server) -> None:
    server.answers[f"DELETE {BASE}"] = answer()
    done = run("policy", "unset", "base", "-e", "dev", "-m", "strict now")
    assert (done.exit_code, done.stdout, server.seen[0]["query"]) == (0, "", "message=strict+now")
    done = run("policy", "unset", "base", "-e", "dev", "--dry-run")
    assert (done.stdout != "", "nothing is stored" in done.stderr) == (True, True)


def test_doctor_lists_running_containers_that_are_against_a_policy(run: Confctl, server: Server) -> None:
    lost = {**CONTAINER, "name": "web-2", "host": "h2", "alive": False}
    server.answers["GET /v1/violations"] = {"policies": 1, "containers": [CONTAINER, lost]}
    done = run("doctor", "--policies", "--host", "h1", "-e", "dev")
    assert (done.exit_code, server.seen[0]["query"]) == (65, "env=dev&host=h1")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["CONTAINER", "web-1", "web-2"]
    assert "no privileged mode, here true" in done.stdout
    assert "web-2 on h2: its host is lost; so it was at 2026" in done.stderr
    assert "2 running containers against a policy" in done.stderr
    server.answers["GET /v1/violations"] = {"policies": 1, "containers": []}
    done = run("doctor", "--policies")
    assert (done.exit_code, done.stderr) == (0, "no running container is against a policy\n")
    server.answers["GET /v1/violations"] = {"policies": 0, "containers": []}
    assert "no env has a policy" in run("doctor", "--policies").stderr
