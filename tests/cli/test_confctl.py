"""confctl against a real HTTP server: what goes out, what is shown, which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from confd.cli.program import COMMANDS, confctl
from confd.client import Client, HttpTransport, Scope
from confd.errors import Configuration, Conflict, NeedsYes, NotFound, Stale, Unavailable
from tests.cli.conftest import Confctl, Server

WEB = "/v1/apps/web/envs/dev"
STORED = {"change": 1, "revision": 7, "diff": [{"key": "A", "before": None, "after": "b", "action": "add"}]}


def _container(state: str, revision: int, **more: object) -> dict[str, object]:
    return {
        "container": "c1",
        "name": "web-1",
        "host": "h1",
        "alive": True,
        "state": state,
        "revision": revision,
    } | more


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_an_example(run: Confctl, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"confctl {name}" in result.stdout


@pytest.mark.parametrize("name", ["set", "get", "check"])
def test_every_command_on_a_binding_has_an_example(run: Confctl, name: str) -> None:
    result = run("binding", name, "--help")
    assert f"confctl binding {name} web" in result.stdout.partition("Example")[2]


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, (_, line) in COMMANDS.items()])
def test_the_line_of_help_is_the_first_of_the_command(name: str, line: str) -> None:
    command = confctl.get_command(click.Context(confctl), name)
    assert command is not None
    assert (command.help or "").split("\n")[0] == line


def test_the_help_imports_no_command() -> None:
    script = "import sys, confd.cli\ntry: confd.cli.main()\nexcept SystemExit: pass\n"
    script += "print([m for m in sys.modules if m in ('http.client', 'confd.client', 'confd.cli.settings')])"
    command = [sys.executable, "-c", script, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert "Commands:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_set_sends_one_change_and_says_it_is_not_yet_in_effect(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    result = run("set", "web", "A=b", "C=x=y", "-e", "dev", "-m", "why", "--token", "t")
    assert result.exit_code == 0, result.output
    asked, sent = server.seen
    assert json.loads(sent["body"]) == {
        "set": {}, "texts": {"A": "b", "C": "x=y"}, "unset": [], "secret": [], "message": "why", "dry_run": False,
        "yes": False
    }  # fmt: skip
    assert json.loads(asked["body"]) == json.loads(sent["body"]) | {"dry_run": True}, "its reach is asked for first"
    assert sent["headers"]["Authorization"] == "Bearer t"
    assert result.stdout == ""
    assert "env dev: stored, not yet in effect" in result.stderr


def test_json_values_keep_their_number_text(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    assert run("set", "web", "n=1.10", "--json", "-e", "dev").exit_code == 0
    assert '"n":1.10' in server.seen[0]["body"]


@pytest.mark.parametrize(
    "args",
    [
        ("set", "web", "A=b"),
        ("unset", "web", "A"),
        ("set", "web", "A", "-e", "dev"),
        ("set", "web", "A=1", "A=2", "-e", "dev"),
        ("set", "web", "A=b", "-e", "dev", "--wait=soon"),
        ("diff", "web", "-e", "dev"),
        ("set", "web", "A=b", "-e", ""),
        ("set", "web", "A=b", "-e", "dev", "--host", ""),
        ("-e", "", "set", "web", "A=b"),
        ("why", ""),
        ("nonsense",),
    ],
)
def test_wrong_usage_exits_2_and_sends_nothing(run: Confctl, server: Server, args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert [seen for seen in server.seen if not seen["route"].startswith("GET")] == []


@pytest.mark.parametrize("key", ["../x", "a//b", "run", "a/../b", "-x"])
def test_a_bad_key_exits_65_and_sends_nothing(run: Confctl, server: Server, key: str) -> None:
    assert run("set", "web", "-e", "dev", "--", f"{key}=1").exit_code == 65
    assert server.seen == []


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [(401, "unauthenticated", 77), (403, "refused", 77), (404, "not-found", 66), (409, "conflict", 75),
     (409, "needs-yes", 77), (412, "stale", 75), (422, "invalid", 65), (503, "unavailable", 69),
     (507, "store-full", 69)],
)  # fmt: skip
def test_an_error_says_the_detail_and_gives_its_exit_code(
    run: Confctl, server: Server, status: int, code: str, exit_code: int
) -> None:
    server.problem(f"PATCH {WEB}/settings", status, code, "do this instead")
    result = run("set", "web", "A=b", "-e", "dev")
    assert result.exit_code == exit_code
    assert "do this instead" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("args", [("A=\udcff",), ("A=b", "-m", "\udcff"), ("\udcff=b",)])
def test_words_that_are_no_utf8_exit_65_and_send_nothing(
    run: Confctl, server: Server, args: tuple[str, ...]
) -> None:
    result = run("set", "web", "-e", "dev", *args)
    assert result.exit_code == 65
    assert "Unicode" not in result.stderr
    assert server.seen == []


def test_a_write_tells_the_servers_warnings(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = {**STORED, "warnings": ["h1: run/cpus: this host has 2 CPUs"]}
    assert "warning: h1: run/cpus: this host has 2 CPUs" in run("set", "web", "A=b", "-e", "dev").stderr


def test_list_writes_no_line_for_an_app_without_keys(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/settings"] = {"revision": 7, "settings": {}}
    result = run("list", "web", "-e", "dev")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "no settings yet" in result.stderr


def test_wait_shows_each_step_and_ends_when_the_write_is_in_effect(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    server.answers[f"GET {WEB}/status"] = [
        {"containers": [_container("in-sync", 6)]},
        {"containers": [_container("pending", 7, detail="recreate")]},
        {"containers": [_container("in-sync", 7)]},
    ]
    result = run("set", "web", "--wait", "A=b", "-e", "dev")
    assert result.exit_code == 0, result.output
    assert "web-1 on h1: pending, recreate" in result.stderr
    assert "in effect in 1 of 1" in result.stderr


@pytest.mark.parametrize(
    ("container", "word"),
    [
        (_container("blocked", 7), "blocked"),
        (_container("failed", 7), "failed"),
        (_container("in-sync", 3, alive=False), "lost"),
        (_container("in-sync", 3), "timed out"),
    ],
)
def test_wait_exits_3_and_says_which(run: Confctl, server: Server, container: object, word: str) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    server.answers[f"GET {WEB}/status"] = {"containers": [container]}
    result = run("set", "web", "A=b", "-e", "dev", "--wait", "100ms")
    assert result.exit_code == 3
    assert f"web-1 on h1 ({word})" in result.stderr


def test_wait_waits_for_a_container_that_was_just_started(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    server.answers[f"GET {WEB}/status"] = [{"containers": []}, {"containers": [_container("failed", 7)]}]
    assert run("set", "web", "A=b", "-e", "dev", "--wait").exit_code == 3


def test_what_binding_get_prints_is_what_binding_set_takes(run: Confctl, server: Server) -> None:
    binding = {"wait": {"max": "5s"}}
    server.answers[f"GET {WEB}/binding"] = {"revision": 3, "from": "dev/web", "binding": binding}
    result = run("binding", "get", "web", "-e", "dev")
    assert json.loads(result.stdout) == binding
    assert "from dev/web" in result.stderr
    assert json.loads(run("binding", "get", "web", "-e", "dev", "-o", "json").stdout)["from"] == "dev/web"


def test_a_value_that_is_no_json_is_named_by_its_pointer(run: Confctl) -> None:
    result = run("set", "web", "log/level=debug", "--json", "-e", "dev")
    assert (result.exit_code, "(at /set/log~1level)" in result.stderr) == (65, True)


def test_wait_ends_where_no_container_comes(run: Confctl, server: Server) -> None:
    server.answers[f"PATCH {WEB}/settings"] = STORED
    server.answers[f"GET {WEB}/status"] = {"containers": []}
    result = run("set", "web", "A=b", "-e", "dev", "--wait", "100ms")
    assert (result.exit_code, "nothing to wait for" in result.stderr) == (0, True)


def test_explain_tells_layer_variable_and_effect_of_the_container_asked_for(run: Confctl, server: Server) -> None:
    effects = [
        {"container": "a1", "name": "web-1", "host": "h1", "action": "recreate", "reach": "new-container"},
        {"container": "b2", "name": "web-2", "host": "h1", "action": "none", "reach": "none", "blocked": "why"},
    ]
    server.answers[f"GET {WEB}/explain/A"] = {
        "winner": {"value": "b", "layer": "dev/web", "change": 2},
        "hidden": [{"value": "c", "layer": "dev/_default"}],
        "variable": "A",
        "effects": effects,
    }
    lines = run("explain", "web", "A", "-e", "dev").stdout.splitlines()
    assert lines == [
        "A = b",
        "  from      dev/web (change 2)",
        "  hides     dev/_default = c",
        "  variable  A",
        "  a change  web-1 on h1: recreate (new-container)",
        "  a change  web-2 on h1: blocked: why",
    ]
    server.answers[f"GET {WEB}/explain/A"]["effects"] = effects[1:]
    server.answers[f"GET {WEB}/explain/A"]["on_hosts"] = [{"host": "h7", "layer": "dev/web@h7", "value": "d"}]
    asked = run("explain", "web", "A", "-e", "dev", "--container", "web-2").stdout.splitlines()
    here = "  but on    h7: dev/web@h7 = d"
    assert (asked, server.seen[-1]["query"]) == ([*lines[:2], here, *lines[2:4], lines[5]], "container=web-2")


def test_get_prints_the_bare_value(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/settings/db/url"] = {"value": "x y", "layer": "dev/web"}
    assert run("get", "web", "db/url", "-e", "dev").stdout == "x y\n"
    server.answers[f"GET {WEB}/settings/n"] = '{"value": 1.10}'
    assert run("-e", "dev", "get", "web", "n").stdout == "1.10\n"
    assert run("get", "web", "n", "-e", "dev", "-o", "yaml").stdout == "value: 1.10\n"


def test_export_writes_env_and_json(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/config"] = {"revision": 1, "variables": {"A": "x y"}}
    settings = {
        "revision": 1,
        "settings": {"a/b": {"value": "1", "secret": False}, "s": {"value": "*", "secret": True}},
    }
    server.answers[f"GET {WEB}/settings"] = settings
    assert run("export", "web", "-e", "dev").stdout == 'A="x y"\n'
    result = run("export", "web", "-e", "dev", "--format", "json")
    assert '"1"' in result.stdout
    assert "*" not in result.stdout


def test_import_replaces_but_leaves_run_options_alone(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/settings"] = {"settings": {"OLD": {"value": "1"}, "run/memory": {"value": "1g"}}}
    server.answers[f"PATCH {WEB}/settings"] = STORED
    result = run("import", "web", "-", "-e", "dev", "--replace", "--dry-run", text="URL=http://${HOST}\n")
    assert result.exit_code == 0, result.output
    body = json.loads(server.seen[-1]["body"])
    assert body["texts"] == {"URL": "http://$${HOST}"}
    assert body["unset"] == ["OLD"]
    assert body["dry_run"]
    assert result.stdout == "+ A = b\n"


def test_diff_exits_1_only_when_something_differs(run: Confctl, server: Server) -> None:
    server.answers["GET /v1/apps/web/envs/prod/diff"] = [{"diff": STORED["diff"]}, {"diff": []}]
    assert run("diff", "web", "--from", "dev", "--to", "prod").exit_code == 1
    assert server.seen[0]["query"] == "against=env%3Adev"
    assert run("diff", "web", "--from", "dev", "--to", "prod").exit_code == 0


def test_values_from_the_store_never_reach_the_terminal_raw(run: Confctl, server: Server) -> None:
    server.answers[f"GET {WEB}/settings"] = {
        "settings": {"A": {"value": "\x1b[2J", "layer": "dev/web", "change": 1}}
    }
    assert "\x1b" not in run("get", "web", "-e", "dev").stdout


def test_a_context_names_server_token_and_env(run: Confctl, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "confd"
    folder.mkdir(parents=True)
    (tmp_path / "token").write_text("secret-token\n")
    (folder / "config.toml").write_text(
        f'current = "local"\n[contexts.local]\nserver = "{server.address}"\n'
        f'token_file = "{tmp_path}/token"\nenv = "dev"\n'
    )
    server.answers[f"GET {WEB}/status"] = {"containers": []}
    assert run("status", "web").exit_code == 0
    assert server.seen[0]["headers"]["Authorization"] == "Bearer secret-token"
    (folder / "config.toml").write_text(
        f'current = "local"\n[contexts.local]\nserver = "http://other:1"\ntoken_file = "{tmp_path}/token"\n'
    )
    assert run("status", "web", "-e", "dev").exit_code == 0
    assert "Authorization" not in server.seen[1]["headers"]
    (folder / "config.toml").write_text("current = [")
    assert run("status", "web").exit_code == 78


def test_doctor_finds_a_wrong_token_a_skewed_clock_and_no_etcd(run: Confctl, server: Server) -> None:
    server.date = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.answers["GET /livez"] = {}
    server.problem("GET /readyz", 503, "unavailable", "etcd is out of reach")
    server.problem("GET /v1/apps", 401, "unauthenticated", "unknown token")
    result = run("doctor")
    assert result.exit_code == 78
    assert "clock differs" in result.stdout
    assert "etcd is out of reach" in result.stdout
    assert "CONFD_TOKEN_FILE" in result.stderr


def test_doctor_finds_lost_agents_and_untested_engines(run: Confctl, server: Server) -> None:
    hosts = [{"host": "h1", "alive": True, "engine_version": "99.0"}, {"host": "h2", "alive": False}]
    server.answers |= {"GET /livez": {}, "GET /readyz": {}, "GET /v1/apps": {}, "GET /v1/hosts": {"hosts": hosts}}
    result = run("doctor")
    assert result.exit_code == 3
    assert "untested" in result.stdout
    assert "confd-agent again" in result.stderr


def test_an_engine_that_went_away_is_told_by_doctor_and_hosts(run: Confctl, server: Server) -> None:
    since = "2026-01-01T00:00:00Z"
    host = {"host": "h1", "alive": True, "engine_version": "20.10", "engine_away_since": since}
    server.answers |= {"GET /livez": {}, "GET /readyz": {"store": "etcd 3.5.1"}, "GET /v1/apps": {}}
    server.answers["GET /v1/hosts"] = {"hosts": [host]}
    doctor = run("doctor")
    assert f"it reaches no Docker Engine since {since}" in doctor.stdout
    assert "1 fault found" in doctor.stderr
    assert f"alive, no engine since {since}" in run("hosts").stdout


def test_why_tells_what_was_done_for_which_change_and_the_last_words(run: Confctl, server: Server) -> None:
    step = {
        "action": "recreate",
        "reach": "new-container",
        "blocked": "ceiling",
        "reasons": [{"key": "A", "why": "differs"}],
    }
    change = {
        "number": 4,
        "layer": "dev/web",
        "author": "anna",
        "message": "more logs",
        "at": "2026",
        "keys": ["A"],
    }
    outcome = {
        "action": "recreate",
        "result": "done",
        "detail": "",
        "at": "2026-01-01",
        "took_s": 1.5,
        "reasons": [{"key": "A", "why": "variable A"}],
        "more": 2,
        "changes": [change],
        "replaced": "0123456789abcdef",
        "log": "one\ntwo\x1b[31m",
        "log_file": "/var/lib/x.log",
    }
    server.answers["GET /v1/why/web-1"] = {
        "name": "web-1", "host": "h1", "app": "web", "env": "dev", "container": "f" * 64, "alive": False,
        "state": "blocked", "detail": "ceiling", "steps": [step], "predecessors": [], "outcomes": [outcome],
    }  # fmt: skip
    said = run("why", "web-1", "--host", "h1", "-e", "dev").stdout
    for words in (
        "web-1 on h1 is blocked, and its host is lost",
        "BLOCKED: ceiling; A: differs",
        "2026-01-01  recreate done in 1.5 s, replaced 0123456789ab",
        "A: variable A",
        "and 2 more",
        "change 4 of dev/web by anna: more logs",
        "    two\\x1b[31m",
        "more of that: /var/lib/x.log on its host",
    ):
        assert words in said
    assert server.seen[0]["query"] == "host=h1&env=dev"
    assert run("why", "nobody").exit_code == 66


def test_why_says_where_nothing_was_done_yet(run: Confctl, server: Server) -> None:
    server.answers["GET /v1/why/web-1"] = {
        "name": "web-1", "host": "h1", "app": "web", "env": "dev", "container": "f" * 64, "alive": True,
        "state": "in-sync", "detail": "", "steps": [], "predecessors": [], "outcomes": [],
    }  # fmt: skip
    assert "nothing was done to it yet" in run("why", "web-1").stdout


@pytest.mark.parametrize(("flag", "said"), [("--dry-run", "nothing is forgotten"), ("--yes", "h1: forgotten")])
def test_a_lost_host_is_forgotten(run: Confctl, server: Server, flag: str, said: str) -> None:
    server.answers["DELETE /v1/hosts/h1"] = {"host": "h1", "lost_since": "2026", "containers": ["web-1"]}
    done = run("hosts", "forget", "h1", flag)
    assert (done.exit_code, said in done.stderr, "web-1" in done.stdout) == (0, True, True)
    assert server.seen[0]["query"] == f"{flag[2:].replace('-', '_')}=true"


def test_hosts_tells_of_doubts_and_of_containers_that_two_apps_choose(run: Confctl, server: Server) -> None:
    host = {
        "host": "h1",
        "alive": True,
        "containers": 2,
        "held": "it is frozen by the file",
        "brakes": ["env dev is frozen by anna"],
        "doubts": [
            {"env": None, "app": None, "why": "it went back"},
            {"env": "dev", "app": "web", "why": "all gone"},
        ],
        "conflicts": [
            {"name": "x", "env": "dev", "apps": ["a", "b"], "why": "the bindings of a and b both choose it"}
        ],
    }
    server.answers["GET /v1/hosts"] = {"hosts": [host]}
    said = run("hosts").stdout
    assert "h1: it is frozen by the file\nh1: env dev is frozen by anna\n" in said
    assert "h1: it went back; nothing is done" in said
    assert "h1: web@dev: all gone; nothing is done" in said
    assert "h1: x in dev gets nothing: the bindings of a and b both choose it" in said


def test_the_client_speaks_over_a_unix_socket(unix_server: Server) -> None:
    unix_server.answers["GET /v1/apps"] = {"apps": []}
    assert Client(HttpTransport(unix_server.address)).apps() == {"apps": []}


def test_the_client_raises_the_class_of_the_code(server: Server) -> None:
    client = Client(HttpTransport(server.address))
    for status, code, kind in ((409, "conflict", Conflict), (409, "needs-yes", NeedsYes), (412, "?", Stale)):
        server.problem("GET /v1/apps", status, code, "x")
        with pytest.raises(kind):
            client.apps()
    with pytest.raises(NotFound):
        client.status(Scope("web", ".."))
    assert server.seen[-1]["route"] == "GET /v1/apps/web/envs/%2E%2E/status"


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://h:port", "unix:", "localhost"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Configuration):
        HttpTransport(address)


def test_a_server_out_of_reach_exits_69() -> None:
    with pytest.raises(Unavailable):
        Client(HttpTransport("unix:/nowhere/at/all")).apps()
    result = CliRunner().invoke(confctl, ["hosts", "--server", "unix:/nowhere/at/all", "--token", "t"])
    assert result.exit_code == 69
    assert "confd-server up" in result.stderr


def _process(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "confd.cli", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=os.environ | env)


def test_run_gives_the_command_its_variables_and_its_exit_code(server: Server) -> None:
    server.answers[f"GET {WEB}/config"] = {"revision": 1, "variables": {"GREETING": "hello"}}
    where = {"CONFD_SERVER": server.address, "CONFD_ENV": "dev", "CONFD_TOKEN": "t"}
    done = _process("run", "web", "--", "sh", "-c", 'echo "$GREETING$CONFD_TOKEN"; exit 9', **where)
    assert (done.stdout, done.returncode) == ("hello\n", 9)
    assert _process("run", "web", "--", "/no/such/command", **where).returncode == 127


def test_run_watch_starts_the_command_anew(server: Server) -> None:
    server.answers[f"GET {WEB}/config"] = [
        {"revision": 1, "variables": {"N": "1"}},
        {"revision": 2, "variables": {"N": "2"}},
    ]
    script = 'echo $N; if [ "$N" = 1 ]; then exec sleep 60; fi; exit 5'
    where = {"CONFD_SERVER": server.address, "CONFD_ENV": "dev", "CONFD_TOKEN": "t"}
    done = _process("run", "web", "--watch", "--", "sh", "-c", script, **where)
    assert done.stdout.split()[-1] == "2"
    assert done.returncode == 5


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_prints_a_script(run: Confctl, shell: str) -> None:
    assert "_CONFCTL_COMPLETE" in run("completion", shell).stdout
