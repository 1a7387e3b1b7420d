"""`confctl adopt` and `resume`: first what would be done, then the word."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Confctl, Server

ADOPT = "POST /v1/apps/web/envs/dev/adopt"
STEP = {
    "action": "recreate",
    "reach": "new-container",
    "reasons": [{"key": "A", "why": "variable A"}],
    "blocked": None,
}
DIFFERS = {"container": "c1", "name": "web-1", "host": "h1", "steps": [STEP]}
SAME = {"container": "c2", "name": "web-2", "host": "h1", "steps": []}
DOUBT = {"host": "h1", "env": None, "app": None, "why": "the store went back", "since": "2026"}


def bodies(server: Server) -> list[dict[str, object]]:
    return [json.loads(one["body"]) for one in server.seen]


def test_adopt_shows_first_and_then_says_how_many(run: Confctl, server: Server) -> None:
    server.answers[ADOPT] = {"revision": 5, "change": 3, "containers": [DIFFERS, SAME]}
    done = run("adopt", "web", "-e", "dev", "--yes", "-m", "looked")
    assert (done.exit_code, "A: variable A" in done.stdout) == (0, True)
    assert "adopted 2 containers, of which 1 differed (change 3)" in done.stderr
    assert bodies(server) == [
        {"message": "", "dry_run": True, "yes": False},
        {"message": "looked", "dry_run": False, "yes": True},
    ]


def test_a_dry_run_asks_once(run: Confctl, server: Server) -> None:
    server.answers[ADOPT] = {"revision": 5, "change": None, "containers": [DIFFERS]}
    done = run("adopt", "web", "-e", "dev", "--dry-run", "--container", "web-1")
    assert (done.exit_code, "dry run" in done.stderr, len(server.seen)) == (0, True, 1)
    assert bodies(server)[0]["container"] == "web-1"


def test_where_nothing_would_be_done_no_yes_is_needed(run: Confctl, server: Server) -> None:
    server.answers[ADOPT] = {"revision": 5, "change": 3, "containers": [SAME]}
    assert run("adopt", "web", "-e", "dev").exit_code == 0
    assert bodies(server)[1]["yes"] is True


def test_without_a_terminal_the_server_s_refusal_is_told(run: Confctl, server: Server) -> None:
    refused = (409, {"code": "needs-yes", "detail": "look with a dry run, then confirm with yes"})
    server.answers[ADOPT] = [{"revision": 5, "change": None, "containers": [DIFFERS]}, refused]
    done = run("adopt", "web", "-e", "dev")
    assert (done.exit_code, "confirm with yes" in done.stderr) == (77, True)


def test_nothing_to_adopt_is_told(run: Confctl, server: Server) -> None:
    server.answers[ADOPT] = {"revision": 5, "change": None, "containers": []}
    done = run("adopt", "web", "-e", "dev", "-o", "json")
    assert (done.exit_code, "no container waits" in done.stderr, len(server.seen)) == (0, True, 1)


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [(("--dry-run",), [True], "dry run"), (("--yes", "-m", "restored"), [True, False], "resumed (revision 9)")],
)
def test_resume_shows_who_doubts_what(
    run: Confctl, server: Server, words: tuple[str, ...], asked: list[bool], said: str
) -> None:
    server.answers["POST /v1/resume"] = {
        "revision": 9,
        "doubts": [DOUBT, {**DOUBT, "env": "dev", "app": "web"}],
        "lost": [{"layer": "dev/web", "keys": ["A", "B"]}],
        "containers": [{**DIFFERS, "app": "web", "env": "dev"}],
    }
    done = run("resume", *words)
    assert (done.exit_code, said in done.stderr) == (0, True)
    assert all(
        word in done.stdout
        for word in ("the store went back", "web@dev", "web-1", "A: variable A", "dev/web without a change: A, B")
    )
    assert [one["dry_run"] for one in bodies(server)] == asked


H7 = {"host": "h7", "agent_version": "0.0.9", "lost_since": None}


@pytest.mark.parametrize(
    ("word", "behind", "said"),
    [
        ("--dry-run", [], "it can go to 2"),
        ("--dry-run", [H7], "1 agents are behind"),
        ("--yes", [], "the store went from format 1 to 2"),
    ],
)
def test_upgrade_says_what_the_store_has(
    run: Confctl, server: Server, word: str, behind: list[dict[str, object]], said: str
) -> None:
    looked = {"revision": 9, "format": 1, "newest": 2, "behind": behind}
    server.answers["POST /v1/upgrade"] = [looked, looked | {"format": 2}]
    done = run("upgrade", word)
    assert (done.exit_code, said in done.stderr) == (0, True), done.stderr
    assert ("h7" in done.stdout) == bool(behind)
    assert [one["dry_run"] for one in bodies(server)] == ([True] if word == "--dry-run" else [True, False])


def test_upgrade_of_the_newest_asks_for_nothing(run: Confctl, server: Server) -> None:
    server.answers["POST /v1/upgrade"] = {"revision": 9, "format": 2, "newest": 2, "behind": []}
    done = run("upgrade", "--yes")
    assert (done.exit_code, "nothing to do" in done.stderr) == (0, True)
    assert len(server.seen) == 1
