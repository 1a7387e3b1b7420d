"""What confctl says a write reaches before it is stored, and whom it asks."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

ROUTE = "PATCH /v1/apps/web/envs/dev/settings"


def _shown(containers: int, action: str = "recreate", apps: int = 1) -> dict[str, Any]:
    which = [
        {"name": f"web-{n}", "app": "web", "host": "h1", "action": action, "blocked": None}
        for n in range(containers)
    ]
    reaches = {"apps": apps, "hosts": 1, "containers": containers, "actions": {action: containers}, "which": which}
    reaches |= {"needs_yes": containers > 10 or apps > 1}
    return {"change": 1, "revision": 7, "diff": [{"key": "A", "before": None, "after": "b"}], "reaches": reaches}


def test_it_says_which_containers_and_what_is_done_to_each(run: Confctl, server: Server) -> None:
    server.answers[ROUTE] = _shown(12, apps=2)
    done = run("set", "web", "A=b", "-e", "dev", "--yes")
    assert done.exit_code == 0, done.output
    names = ", ".join(f"web-{n} on h1" for n in range(10))
    assert "reaches 12 containers of 2 apps on 1 host" in done.stderr
    assert f"  recreate: {names} and 2 more" in done.stderr
    assert [json.loads(one["body"])["dry_run"] for one in server.seen] == [True, False]


def test_where_it_is_refused_nothing_is_asked_to_be_stored(run: Confctl, server: Server) -> None:
    server.problem(ROUTE, 409, "shrinks", "web in dev loses 4 of 4 keys; say so with force (confctl: --force)")
    done = run("unset", "web", "A", "B", "-e", "dev")
    assert done.exit_code == 77
    assert "web in dev loses 4 of 4 keys" in done.stderr
    assert [json.loads(one["body"])["dry_run"] for one in server.seen] == [True]


def test_force_is_sent(run: Confctl, server: Server) -> None:
    server.answers[ROUTE] = _shown(0)
    assert run("unset", "web", "A", "B", "-e", "dev", "--force").exit_code == 0
    assert all(json.loads(one["body"])["force"] is True for one in server.seen)


def test_without_a_terminal_nobody_is_asked(run: Confctl, server: Server) -> None:
    server.answers[ROUTE] = _shown(11)
    assert run("set", "web", "A=b", "-e", "dev").exit_code == 0
    assert json.loads(server.seen[-1]["body"])["yes"] is False, "the server's word counts"


@pytest.mark.parametrize(
    ("containers", "typed", "code", "bodies"),
    [
        (11, "y\n", 0, [(True, False), (False, True)]),
        (11, "n\n", 77, [(True, False)]),
        (10, "", 0, [(True, False), (False, False)]),
    ],
)
def test_at_a_terminal_one_is_asked_for_more_than_ten(
    server: Server, containers: int, typed: str, code: int, bodies: list[tuple[bool, bool]]
) -> None:
    server.answers[ROUTE] = _shown(containers)
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-c",
        "import sys, confd.cli; sys.exit(confd.cli.main())",
        "set",
        "web",
        "A=b",
        "-e",
        "dev",
    ]
    env = {**os.environ, "CONFD_SERVER": server.address}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.write(ours, typed.encode())
        ended = process.wait(30)
    said = os.read(ours, 65536).decode()
    for end in (ours, theirs):
        os.close(end)
    assert ended == code, said
    assert ("Store it?" in said) == bool(typed), said
    sent = [json.loads(one["body"]) for one in server.seen]
    assert [(one["dry_run"], one["yes"]) for one in sent] == bodies


def test_a_write_that_reaches_nobody_says_so(run: Confctl, server: Server) -> None:
    server.answers[ROUTE] = _shown(0)
    assert "reaches no container" in run("set", "web", "A=b", "-e", "dev").stderr


def test_where_nothing_is_done_the_reason_is_told_once(run: Confctl, server: Server) -> None:
    shown = _shown(3, "blocked")
    for one, why in zip(
        shown["reaches"]["which"], ("adoption: it ran", "adoption: it ran", "stopped"), strict=True
    ):
        one["blocked"] = why
    server.answers[ROUTE] = shown
    said = run("set", "web", "A=b", "-e", "dev").stderr.splitlines()
    at = said.index("  blocked: web-0 on h1, web-1 on h1, web-2 on h1")
    assert said[at + 1 : at + 3] == ["    adoption: it ran (2 containers)", "    stopped (1 container)"]


@pytest.mark.parametrize("planned", [1, 2])
def test_a_dry_run_whose_plan_has_them_all_does_not_name_them_twice(
    run: Confctl, server: Server, planned: int
) -> None:
    plan = {"containers": [{"name": f"web-{n}", "host": "h1", "steps": []} for n in range(planned)]}
    server.answers[ROUTE] = {**_shown(2), "plan": plan}
    done = run("set", "web", "A=b", "-e", "dev", "--dry-run")
    assert ("reaches 2 containers" in done.stderr, "web-0" in done.stdout) == (planned == 1, True)


def test_a_dry_run_names_every_container_that_the_write_would_reach(run: Confctl, server: Server) -> None:
    server.answers[ROUTE] = _shown(12, apps=2)
    said = run("set", "web", "A=b", "-e", "dev", "--dry-run").stderr
    assert "reaches 12 containers of 2 apps on 1 host" in said
    assert "  recreate: " + ", ".join(f"web-{n} on h1" for n in range(12)) + "\n" in said
    assert [json.loads(one["body"])["dry_run"] for one in server.seen] == [True]
