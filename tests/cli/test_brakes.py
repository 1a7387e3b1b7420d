"""`confctl freeze` and `unfreeze`: what is asked of the server, and what they refuse to guess."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

REACHES = {"apps": 1, "hosts": 2, "containers": 3}
OFF = [{"name": "web-1", "host": "h1", "app": "web", "env": "dev", "actions": ["recreate"]}]
BRAKE = {
    "env": "_default",
    "app": None,
    "host": "h1",
    "author": "anna",
    "at": "2026",
    "message": "disk",
    "what": "host h1",
}


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("web", "-e", "dev"), ("dev", "web", None)),
        (("-e", "dev"), ("dev", None, None)),
        (("--host", "h1", "-e", "dev"), ("dev", None, "h1")),
        (("--everything",), ("_default", None, None)),
        (("web", "--everything", "--host", "h1"), ("_default", "web", "h1")),
    ],
)
def test_a_freeze_says_whom_it_reaches(
    run: Confctl, server: Server, words: tuple[str, ...], meant: tuple[Any, Any, Any]
) -> None:
    env, app, host = meant
    server.answers[f"PUT /v1/envs/{env}/freeze"] = {"revision": 4, "reaches": REACHES, "brakes": []}
    done = run("freeze", *words, "-m", "the disk is full")
    assert (done.exit_code, "3 containers on 2 hosts" in done.stderr) == (0, True)
    sent = json.loads(server.seen[0]["body"])
    assert sent == {"app": app, "host": host, "message": "the disk is full", "dry_run": False}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("freeze", "web", "-m", "x"), "Which env?"),
        (("unfreeze", "web"), "Which env?"),
        (("freeze", "web", "-e", "dev"), "Why?"),
        (("freeze", "web", "-e", "dev", "-m", " "), "Why?"),
        (("freeze", "--everything", "-e", "dev", "-m", "x"), "Which one?"),
    ],
)
def test_nothing_is_guessed(run: Confctl, server: Server, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert (done.exit_code, said in done.stderr, server.seen) == (2, True, [])


def test_an_unfreeze_tells_what_it_sets_off_and_what_is_still_on(run: Confctl, server: Server) -> None:
    server.answers["DELETE /v1/envs/dev/freeze"] = {"reaches": REACHES, "brakes": [BRAKE], "sets_off": OFF}
    done = run("unfreeze", "web", "-e", "dev", "--dry-run", "--yes", "-m", "done")
    assert (done.exit_code, "web-1" in done.stdout, "still on: host h1" in done.stderr) == (0, True, True)
    assert server.seen[0]["query"] == "app=web&message=done&dry_run=true&yes=true"


def test_the_brakes_are_listed(run: Confctl, server: Server) -> None:
    server.answers["GET /v1/freezes"] = {"revision": 4, "brakes": [BRAKE]}
    done = run("freeze", "--list")
    assert done.stdout.splitlines()[1].split() == ["*", "*", "h1", "anna", "2026", "disk"]
    server.answers["GET /v1/freezes"] = {"revision": 4, "brakes": []}
    assert "no brake is on" in run("freeze", "--list").stderr
    server.answers["GET /v1/freezes"] = {"revision": 4, "brakes": [], "hosts": [{"host": "h1", "why": "the file"}]}
    done = run("freeze", "--list")
    assert (done.stdout, done.stderr) == ("h1: the file\n", "")


def test_a_freeze_that_reaches_nobody_says_so(run: Confctl, server: Server) -> None:
    nobody = {"apps": 0, "hosts": 0, "containers": 0}
    server.answers["PUT /v1/envs/dev/freeze"] = {"revision": 4, "reaches": nobody, "brakes": []}
    assert "no container that an agent has told of" in run("freeze", "wbe", "-e", "dev", "-m", "x").stderr
