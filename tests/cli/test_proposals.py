"""confctl where a write waits for approval, and where settings are promoted: what is sent and said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

PROD = "/v1/apps/web/envs/prod"
DIFF = [{"key": "A", "action": "change", "before": "1", "after": "2"}]
REACHES = {"apps": 1, "hosts": 0, "containers": 0, "needs_yes": False, "actions": {}, "which": []}
WRITTEN: dict[str, Any] = {"change": 3, "revision": 9, "diff": DIFF, "reaches": REACHES, "warnings": []}
WAITS = (202, WRITTEN | {"proposal": "1f2e3d4c"})
SAID = "needs approval by somebody else; `confctl approve web 1f2e3d4c -e prod"
ONE: dict[str, Any] = {
    "id": "1f2e3d4c",
    "state": "open",
    "kind": "settings",
    "layer": "prod/web",
    "by": "anna",
    "author": "Anna",
    "at": "2026-01-01T00:00:00Z",
    "expires": "2026-01-31T00:00:00Z",
    "message": "more load",
    "note": "",
    "diff": DIFF,
    "approvals": [],
    "lacks": 2,
    "approvers": ["ben", "cleo"],
    "outdated": [],
    "closed": None,
    "change": None,
    "problem": None,
    "warnings": ["web loses much"],
    "plan": {"containers": [{"name": "web-1", "host": "h1", "steps": [], "fields": []}]},
}
BEN = {"by": "ben", "author": "ben", "at": "2026-01-02T00:00:00Z"}


def sent(server: Server, index: int = -1) -> Any:
    return json.loads(server.seen[index]["body"])


@pytest.mark.parametrize(
    ("words", "route"),
    [
        (("set", "web", "A=2"), f"PATCH {PROD}/settings"),
        (("unset", "web", "A"), f"PATCH {PROD}/settings"),
        (("rollback", "web"), f"POST {PROD}/rollback"),
        (("propose", "web", "A=2"), f"POST {PROD}/proposals"),
        (("promote", "web", "--from", "qa"), f"POST {PROD}/promote"),
    ],
)
def test_a_write_that_waits_says_who_has_to_do_what(
    server: Server, run: Confctl, words: tuple[str, ...], route: str
) -> None:
    server.answers[route] = WAITS
    done = run(*words, "-e", "prod", "--wait")
    assert (done.exit_code, SAID in done.stderr, done.stdout) == (0, True, "~ A = 1 -> 2\n")


def test_the_host_is_named_where_it_is_one_hosts_layer(server: Server, run: Confctl) -> None:
    server.answers[f"PATCH {PROD}/settings"] = WAITS
    assert f"{SAID} --host h1`" in run("set", "web", "A=2", "-e", "prod", "--host", "h1").stderr


def test_a_dry_run_tells_that_it_would_wait(server: Server, run: Confctl) -> None:
    server.answers[f"PATCH {PROD}/settings"] = WRITTEN | {"approval": ["prod"]}
    done = run("set", "web", "A=2", "-e", "prod", "--dry-run")
    assert "prod asks for approval: it would become a proposal" in done.stderr


def test_what_is_proposed_is_sent_as_a_change(server: Server, run: Confctl) -> None:
    server.answers[f"POST {PROD}/proposals"] = WAITS
    assert run("propose", "web", "A=2", "--json", "--unset", "B", "-m", "why", "-e", "prod").exit_code == 0
    found = sent(server)
    assert {name: found[name] for name in ("set", "unset", "message", "dry_run")} == {
        "set": {"A": 2},
        "unset": ["B"],
        "message": "why",
        "dry_run": False,
    }
    assert run("propose", "web", "-e", "prod").exit_code == 2


def test_proposals_are_listed_with_what_they_lack(server: Server, run: Confctl) -> None:
    closed = ONE | {"id": "2", "by": "Anna", "state": "approved", "closed": BEN, "lacks": 0}
    server.answers[f"GET {PROD}/proposals"] = {"proposals": [ONE | {"outdated": ["A"]}, closed]}
    lines = run("proposals", "web", "--all", "-e", "prod").stdout.splitlines()
    assert server.seen[-1]["query"] == "all=true"
    assert ["lacks 2 approvals, outdated: A" in lines[1], "anna (Anna)" in lines[1]] == [True, True]
    assert ["approved by ben" in lines[2], "(Anna)" in lines[2]] == [True, False]
    server.answers[f"GET {PROD}/proposals"] = {"proposals": []}
    assert "nothing waits for approval" in run("proposals", "web", "-e", "prod").stderr


def test_one_is_shown_with_its_difference_and_its_plan(server: Server, run: Confctl) -> None:
    way = f"GET {PROD}/proposals/1f2e3d4c"
    server.answers[way] = ONE | {"approvals": [BEN]}
    done = run("proposals", "web", "1f2e3d4c", "-e", "prod")
    for words in ("by anna (Anna)", "message: more load", "lacks 2", "approved: by ben", "approvers: ben, cleo"):
        assert words in done.stdout
    assert ("~ A = 1 -> 2" in done.stdout, "nothing to do" in done.stdout) == (True, True)
    assert "warning: web loses much" in done.stderr
    server.answers[way] = ONE | {"problem": "changed since", "plan": None}
    assert "as it is now it is refused: changed since" in run("proposals", "web", "1f2e3d4c", "-e", "prod").stdout
    server.answers[way] = ONE | {"state": "approved", "closed": BEN, "change": 4, "approvers": []}
    assert "state: approved by ben (change 4)" in run("proposals", "web", "1f2e3d4c", "-e", "prod").stdout


@pytest.mark.parametrize(("seconds", "age"), [(5, "5s"), (300, "5m"), (7300, "2h"), (200_000, "2d")])
def test_the_age_of_a_proposal_is_told(server: Server, run: Confctl, seconds: int, age: str) -> None:
    from datetime import UTC, datetime, timedelta

    at = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    server.answers[f"GET {PROD}/proposals"] = {"proposals": [ONE | {"at": at}]}
    found = run("proposals", "web", "-e", "prod").stdout
    assert f" {age} " in found or (age == "5s" and " 6s " in found)


def test_an_approval_is_looked_at_first_and_says_what_is_lacking(server: Server, run: Confctl) -> None:
    way = f"POST {PROD}/proposals/1f2e3d4c/approve"
    server.answers[way] = [WRITTEN, (202, WRITTEN | {"proposal": "1f2e3d4c", "approved": {"lacks": 1}})]
    done = run("approve", "web", "1f2e3d4c", "-e", "prod", "-m", "fine")
    assert [sent(server, index)["dry_run"] for index in (0, 1)] == [True, False]
    assert "approved, and still lacks 1 approval" in done.stderr
    server.answers[way] = WRITTEN
    assert "stored, not yet in effect (change 3" in run("approve", "web", "1f2e3d4c", "-e", "prod").stderr
    server.problem(way, 409, "outdated", "changed since")
    assert run("approve", "web", "1f2e3d4c", "-e", "prod").exit_code == 75


def test_one_is_rejected_and_rebased(server: Server, run: Confctl) -> None:
    server.answers[f"POST {PROD}/proposals/1f2e3d4c/reject"] = ONE
    server.answers[f"POST {PROD}/proposals/1f2e3d4c/rebase"] = WRITTEN
    assert "nothing was changed" in run("reject", "web", "1f2e3d4c", "-e", "prod", "-m", "no").stderr
    assert sent(server) == {"message": "no"}
    assert run("rebase", "web", "1f2e3d4c", "-e", "prod").stdout == "~ A = 1 -> 2\n"
    assert "nothing is stored" in run("rebase", "web", "1f2e3d4c", "-e", "prod", "--dry-run").stderr


def test_a_policy_and_the_rules_of_an_env_wait_too(server: Server, run: Confctl) -> None:
    waits = {"change": 1, "revision": 2, "diff": DIFF, "proposal": "1f2e3d4c"}
    server.answers["PUT /v1/envs/prod/policies/base"] = (202, waits | {"containers": [], "settings": []})
    server.answers["GET /v1/envs/prod/rules"] = {"rules": {}, "own": {"approval": True}}
    server.answers["PUT /v1/envs/prod/rules"] = (202, waits)
    said = "`confctl approve _default 1f2e3d4c -e prod`"
    assert said in run("policy", "set", "base", "--preset", "secure", "-e", "prod").stderr
    assert said in run("env", "set", "prod", "--approvals", "2").stderr
    assert sent(server) == {"approval": {"required": True, "count": 2}}


def test_the_rule_of_an_env_is_set_in_parts_and_shown(server: Server, run: Confctl) -> None:
    server.answers["PUT /v1/envs/prod/rules"] = {"change": 1, "revision": 2, "diff": DIFF}
    rule = {"required": True, "approvers": ["ben", "cleo"], "count": 2}
    rules = {"approval": rule, "out_of_band": "hold", "records": {"changes": 1, "days": 1}}
    server.answers["GET /v1/envs/prod/rules"] = {"rules": rules, "own": {"approval": {"count": 2}}}
    run("env", "set", "prod", "--approval", "required", "--approver", "ben", "--approver", "cleo")
    assert sent(server) == {"approval": rule}
    run("env", "set", "prod", "--approval", "none")
    assert sent(server) == {"approval": {"required": False, "count": 2}}
    assert "of 2 others of ben, cleo" in run("env", "get", "prod").stdout
    server.answers["GET /v1/envs/prod/rules"] = {"rules": rules | {"approval": {"required": False}}, "own": {}}
    assert "approval     none" in run("env", "get", "prod").stdout


def test_a_promotion_says_what_stays(server: Server, run: Confctl) -> None:
    kept = {"own": "only in prod", "db/url": "kept by the binding's promote"}
    server.answers[f"POST {PROD}/promote"] = WRITTEN | {"kept": kept}
    wish = ("--only", "A", "--only", "B", "--except", "C", "--prune")
    done = run("promote", "web", "--from", "qa", "--to", "prod", *wish, "-m", "released", "--yes")
    found = sent(server)
    assert {name: found[name] for name in ("from", "only", "except", "prune", "yes", "message")} == {
        "from": "qa",
        "only": ["A", "B"],
        "except": ["C"],
        "prune": True,
        "yes": True,
        "message": "released",
    }
    assert "left as it is, only in prod: own" in done.stderr
    assert "left as it is, kept by the binding's promote: db/url" in done.stderr


def _all(*apps: dict[str, Any]) -> dict[str, Any]:
    plan = {"containers": [{"name": "web-1", "host": "h1", "steps": [], "fields": []}]}
    found = [WRITTEN | {"kept": {}, "plan": plan} | app for app in apps]
    return {"revision": 9, "from": "qa", "env": "prod", "apps": found, "reaches": REACHES}


def test_all_apps_are_promoted_with_one_look(server: Server, run: Confctl) -> None:
    way = "POST /v1/envs/prod/promote"
    waits = {"app": "shop", "proposal": "5", "kept": {"own": "only in prod"}}
    server.answers[way] = _all({"app": "web"}, waits, {"app": "idle", "diff": []})
    done = run("promote", "--all", "--from", "qa", "--to", "prod", "--yes")
    assert done.stdout == "web:\n~ A = 1 -> 2\nshop:\n~ A = 1 -> 2\n"
    for words in (
        "web in env prod: stored",
        "shop in env prod: proposed as 5",
        "shop: left as it is, only in prod",
    ):
        assert words in done.stderr
    assert "idle" not in done.stderr
    looked = run("promote", "--all", "--from", "qa", "--to", "prod", "--dry-run")
    assert ("nothing to do" in looked.stdout, "nothing is stored" in looked.stderr) == (True, True)
    told = run("promote", "--all", "--from", "qa", "--to", "prod", "-o", "json")
    assert [one["app"] for one in json.loads(told.stdout)["apps"]] == ["web", "shop", "idle"]


def test_a_promotion_that_is_not_in_effect_everywhere_exits_3(server: Server, run: Confctl) -> None:
    server.answers["POST /v1/envs/prod/promote"] = _all({"app": "web"})
    late = {"name": "web-1", "host": "h1", "state": "blocked", "revision": 9, "alive": True, "detail": "adoption"}
    server.answers[f"GET {PROD}/status"] = {"containers": [late]}
    assert run("promote", "--all", "--from", "qa", "--to", "prod", "--wait", "5s").exit_code == 3


def test_nothing_to_promote_is_said(server: Server, run: Confctl) -> None:
    server.answers["POST /v1/envs/prod/promote"] = _all({"app": "web", "diff": []})
    done = run("promote", "--all", "--from", "qa", "--to", "prod")
    assert ("nothing to change in 1 app" in done.stderr, len(server.seen)) == (True, 1)


@pytest.mark.parametrize("words", [(), ("web", "--all")])
def test_which_app_is_never_guessed(run: Confctl, words: tuple[str, ...]) -> None:
    assert run("promote", *words, "--from", "qa", "--to", "prod").exit_code == 2
