"""`confctl history`, `diff`, `outofband` and `env`: what is asked, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Confctl, Server

WEB = "/v1/apps/web/envs/dev"
NONE = {"required": False, "approvers": [], "count": 1}
DIFF = [{"key": "A", "before": "a", "after": "b", "action": "change"}]


def change(number: int) -> dict[str, Any]:
    return {"number": number, "layer": "dev/web", "at": "2026", "author": "anna", "kind": "settings", "message": ""}


def page(*numbers: int, before: int | None = None, **more: Any) -> dict[str, Any]:
    return {"changes": [change(one) for one in numbers], "before": before, "pruned": {}, "edits": [], **more}


def test_a_page_says_that_there_are_older_ones_and_what_is_missing(run: Confctl, server: Server) -> None:
    edits = [{"layer": "dev/web", "keys": ["A"]}]
    server.answers[f"GET {WEB}/changes"] = page(9, 8, before=40, pruned={"dev/web": 7}, edits=edits)
    done = run(
        "history", "web", "-e", "dev", "--limit", "2", "--key", "db/**", "--author", "anna", "--kind", "settings"
    )
    assert server.seen[0]["query"] == "limit=2&key=db%2F%2A%2A&author=anna&kind=settings"
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["CHANGE", "9", "8"]
    for words in ("--before 40", "from change 7 on all are there", "no change yet: A of dev/web"):
        assert words in done.stderr


def test_all_pages_are_fetched_one_after_the_other(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/changes"] = [page(3, before=30), page(2, before=20), page(1)]
    document = json.loads(run("history", "web", "-e", "dev", "--all", "-o", "json").stdout)
    assert [one["number"] for one in document["changes"]] == [3, 2, 1]
    assert [one["query"] for one in server.seen] == ["limit=100", "limit=100&before=30", "limit=100&before=20"]


@pytest.mark.parametrize(("words", "said"), [((), "no changes yet"), (("--author", "x"), "no such changes")])
def test_an_empty_history_says_so(run: Confctl, server: Server, words: tuple[str, ...], said: str) -> None:
    server.answers[f"GET {WEB}/changes"] = page()
    assert said in run("history", "web", "-e", "dev", *words).stderr


@pytest.mark.parametrize(
    ("words", "path", "query"),
    [
        (("web", "3", "-e", "dev"), f"{WEB}/changes/3", ""),
        (("web", "3", "-e", "dev", "--host", "h1"), f"{WEB}/changes/3", "host=h1"),
        (("_default", "3", "-e", "dev"), "/v1/apps/_default/envs/dev/changes/3", ""),
        (("_default", "3", "-e", "_default"), "/v1/apps/_default/envs/_default/changes/3", ""),
    ],
)
def test_a_change_of_any_layer_is_shown(
    run: Confctl, server: Server, words: tuple[str, ...], path: str, query: str
) -> None:
    server.answers[f"GET {path}"] = {**change(3), "note": "rollback to 1", "diff": DIFF}
    done = run("show", *words)
    assert (done.exit_code, server.seen[0]["query"]) == (0, query)
    assert done.stdout.splitlines()[-2:] == ["note: rollback to 1", "~ A = a -> b"]


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (("--change", "12"), "against=change%3A12"),
        (("--change", "12..15"), "against=change%3A12&change=15"),
        (("--live",), "against=live"),
        (("--from", "qa"), "against=env%3Aqa"),
    ],
)
def test_each_difference_is_asked_of_the_server(
    run: Confctl, server: Server, words: tuple[str, ...], query: str
) -> None:
    server.answers[f"GET {WEB}/diff"] = {"diff": DIFF}
    done = run("diff", "web", "-e", "dev", *words)
    assert (done.exit_code, done.stdout, server.seen[0]["query"]) == (1, "~ A = a -> b\n", query)


@pytest.mark.parametrize(
    "words",
    [
        ("web",),
        ("web", "--live", "--change", "1"),
        ("web", "--change", "x"),
        ("web", "--change", "1..x"),
        ("--live",),
        ("web", "--all", "--live"),
        ("--all", "--change", "3"),
    ],
)
def test_what_is_not_clear_is_asked(run: Confctl, server: Server, words: tuple[str, ...]) -> None:
    done = run("diff", "-e", "dev", *words)
    assert (done.exit_code, server.seen) == (2, [])


def test_what_runs_is_shown_by_key_and_option(run: Confctl, server: Server) -> None:
    keys = [{"key": "A", "state": "held", "why": "frozen"}, {"key": "B", "state": "pending", "why": ""}]
    fields = [{"field": "HostConfig.Memory", "before": "1", "after": "2"}]
    one = {"container": "c1", "name": "web-1", "host": "h1", "alive": True, "keys": keys, "fields": fields}
    server.answers[f"GET {WEB}/diff"] = [
        {"as_of": "2026", "seen": 2, "containers": [one]},
        {"as_of": "2026", "seen": 2, "containers": []},
    ]
    done = run("diff", "web", "-e", "dev", "--live")
    assert (done.exit_code, "looked at 2 containers, as of 2026" in done.stderr) == (1, True)
    for words in (("A", "held", "frozen"), ("B", "pending", "-"), ("HostConfig.Memory", "1", "2")):
        assert any(line.split()[2:] == list(words) for line in done.stdout.splitlines())
    assert run("diff", "web", "-e", "dev", "--live").exit_code == 0


def test_all_apps_of_either_env_are_compared(run: Confctl, server: Server) -> None:
    apps = {"web": ["qa"], "db": ["prod"], "other": ["dev"], "shared": ["_default"], "_default": ["qa"]}
    server.answers["GET /v1/apps"] = {"apps": [{"app": app, "envs": envs} for app, envs in apps.items()]}
    for app in ("web", "db", "shared"):
        server.answers[f"GET /v1/apps/{app}/envs/prod/diff"] = {"diff": DIFF if app == "db" else []}
    done = run("diff", "--all", "--from", "qa", "--to", "prod")
    assert (done.exit_code, done.stdout) == (1, "db:\n~ A = a -> b\n")
    found = json.loads(run("diff", "--all", "--from", "qa", "--to", "prod", "-o", "json").stdout)["apps"]
    assert found == {"web": {"diff": []}, "db": {"diff": DIFF}, "shared": {"diff": []}}


def test_a_file_is_compared_by_its_format_and_secrets_are_left_out(
    run: Confctl, server: Server, tmp_path: Path
) -> None:
    own = {"A": {"value": 1}, "GONE": {"value": None}, "KEY": {"value": "***", "secret": True}}
    server.answers[f"GET {WEB}/settings"] = {"settings": own}
    file = tmp_path / "values"
    file.write_text('{"A": 1, "NEW": null, "KEY": "hidden"}')
    done = run("diff", "web", str(file), "-e", "dev", "--format", "json")
    assert (done.exit_code, done.stdout) == (1, "- GONE = null\n+ NEW = null\n")
    assert "secrets are not compared: KEY" in done.stderr
    assert "hidden" not in done.output


@pytest.mark.parametrize(
    ("diff", "rule", "said"),
    [
        (DIFF, "hold", "--adopt brings them into effect"),
        (DIFF, "apply", "recorded as a change in a moment"),
        ([], "hold", "nothing of dev/web was put there"),
    ],
)
def test_edits_are_listed_with_what_becomes_of_them(
    run: Confctl, server: Server, diff: Any, rule: str, said: str
) -> None:
    server.answers[f"GET {WEB}/out-of-band"] = {"layer": "dev/web", "out_of_band": rule, "diff": diff}
    done = run("outofband", "web", "-e", "dev")
    assert (done.exit_code, said in done.stderr, done.stdout) == (0, True, "~ A = a -> b\n" if diff else "")


@pytest.mark.parametrize("do", ["adopt", "undo"])
def test_edits_are_settled(run: Confctl, server: Server, do: str) -> None:
    server.answers[f"POST {WEB}/out-of-band"] = {"change": 4, "revision": 9, "diff": DIFF, "reaches": {}}
    done = run("outofband", "web", f"--{do}", "-e", "dev", "-m", "why")
    assert (done.exit_code, "stored" in done.stderr) == (0, True)
    sent = json.loads(server.seen[-1]["body"])
    assert (sent["do"], sent["message"], sent["dry_run"]) == (do, "why", False)
    assert run("outofband", "web", "--adopt", "--undo", "-e", "dev").exit_code == 2


def test_an_envs_rules_are_shown_and_set_over_what_it_has(run: Confctl, server: Server) -> None:
    rules = {"approval": NONE, "out_of_band": "apply", "records": {"changes": 5, "days": 0}}
    own = {"approval": True, "records": {"changes": 5}}
    server.answers["GET /v1/envs/prod/rules"] = {"rules": rules, "own": own}
    shown = run("env", "get", "prod").stdout.splitlines()
    assert [line.split() for line in shown[1:]] == [
        ["approval", "none"],
        ["out-of-band", "apply"],
        ["records", "5", "changes"],
    ]
    server.answers["PUT /v1/envs/prod/rules"] = {"change": 2, "revision": 7, "diff": DIFF}
    done = run("env", "set", "prod", "--out-of-band", "hold", "--keep-days", "3", "-m", "why")
    assert "env prod: stored (change 2, revision 7)" in done.stderr
    assert json.loads(server.seen[-1]["body"]) == {
        "approval": True,
        "out_of_band": "hold",
        "records": {"changes": 5, "days": 3},
    }
    assert "nothing is stored" in run("env", "set", "prod", "--keep-changes", "0", "--dry-run").stderr
    server.answers["PUT /v1/envs/prod/rules"] = {"change": 2, "revision": 7, "diff": []}
    assert "nothing to change" in run("env", "set", "prod", "--keep-changes", "5").stderr
    assert run("env", "set", "prod").exit_code == 2


def test_where_everything_is_kept_and_own_rules_are_broken(run: Confctl, server: Server) -> None:
    rules = {"approval": NONE, "out_of_band": "hold", "records": {"changes": 0, "days": 0}}
    server.answers["GET /v1/envs/_default/rules"] = {"rules": rules, "own": "{"}
    assert run("env", "get", "_default").stdout.splitlines()[-1].split() == ["records", "all"]
    server.answers["PUT /v1/envs/_default/rules"] = {"change": 1, "revision": 7, "diff": DIFF}
    assert "every env: stored" in run("env", "set", "_default", "--out-of-band", "apply").stderr
    assert json.loads(server.seen[-1]["body"]) == {"out_of_band": "apply"}


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"change": 3, "author": "anna", "at": "2026", "message": "why"}, "change 3 by anna at 2026: why"),
        ({"change": 3, "author": "anna", "at": "2026", "message": ""}, "change 3 by anna at 2026"),
        ({"change": None, "author": None, "out_of_band": True}, "put straight into etcd"),
        (
            {"change": 4, "author": "out-of-band", "out_of_band": True},
            "put straight into etcd, recorded as change 4",
        ),
    ],
)
def test_explain_tells_who_set_it(run: Confctl, server: Server, origin: dict[str, Any], said: str) -> None:
    one = {"value": "b", "layer": "dev/web", **origin}
    on_host = {**one, "host": "h1", "layer": "dev/web@h1"}
    server.answers[f"GET {WEB}/explain/A"] = {"winner": one, "hidden": [one], "on_hosts": [on_host], "effects": []}
    lines = run("explain", "web", "A", "-e", "dev").stdout.splitlines()
    assert lines[1] == f"  from      dev/web ({said})"
    assert all(line.endswith(f"({said})") for line in lines[2:] if origin["author"])
