"""Secrets by confctl with a whole API behind it: masked in all that it prints, shown to who may, and rotated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from confd.api.asgi import application
from confd.cli.program import confctl
from confd.client import Client, HttpTransport
from confd.keyring import is_sealed
from confd.keys import App, Env
from confd.services.context import Context
from confd.services.scope import Scope
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.live import served
from tests.support.secrets import KEYS

WEB = Scope(Env("dev"), App("web"))
CANARY = "canary-7a7a"
Run = Callable[..., Result]


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield replace(made, keys=KEYS)


@pytest.fixture
def run(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.setenv("CONFD_ENV", "dev")
    with served(application(context, {"t": "admin", "u": "user"}, ("admin",))) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield lambda *args, text=None: CliRunner().invoke(confctl, args, input=text)


def ok(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def secrets_of(context: Context) -> set[str]:
    return {key for key, entry in context.fresh().layers.get(WEB.layer, {}).items() if is_sealed(entry.text)}


NAMES = ("SECRETACCESSKEY", "bearer", "auth.http.bearer", "dsn", "pin")


def test_what_is_flagged_is_masked_whatever_its_name_b150(run: Run) -> None:
    """The flag is on the key: no command guesses by names, and none prints a value."""
    values = {name: f"postgres://u:{CANARY}@h/{name}" for name in NAMES}
    ok(run("set", "web", *(f"{name}={text}" for name, text in values.items()), "--secret", "-m", "first"))
    ok(run("set", "web", *(f"{name}={CANARY}-2" for name in NAMES)))
    ok(run("set", "web", "dsn=1", "-e", "qa"))
    shown = [
        run("get", "web"), run("get", "web", "-o", "json"), run("get", "web", "pin"), run("list", "web"),
        run("history", "web"), run("history", "web", "-o", "json"), run("show", "web", "1"),
        run("show", "web", "2"),
        run("diff", "web", "--from", "qa", "--to", "dev"), run("diff", "web", "--change", "1"),
        run("explain", "web", "dsn"), run("explain", "web", "pin", "-o", "json"), run("plan", "web", "-o", "json"),
        run("status", "web", "-o", "json"), run("export", "web"), run("export", "web", "--format", "json"),
        run("set", "web", f"pin={CANARY}-3", "--dry-run"), run("unset", "web", "pin", "--dry-run"),
        run("rollback", "web", "--dry-run"), run("audit", "-o", "json"),
        run("set", "web", f"run/memory={CANARY}", "--secret"), run("set", "web", f"..={CANARY}", "--secret"),
    ]  # fmt: skip
    for result in shown:
        assert "canary" not in result.output, result.output
        assert "$secret" not in result.output


def test_who_may_reveals_and_the_audit_has_it(run: Run) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    ok(run("set", "web", "n=[1.10]", "--json"))
    assert ok(run("get", "web", "s", "--reveal")) == f"{CANARY}\n"
    assert CANARY in ok(run("get", "web", "--reveal"))
    result = run("export", "web", "--format", "json", "--reveal")
    assert json.loads(ok(result)) == {"n": [1.1], "s": CANARY}
    assert "left out" not in result.stderr
    rows = ok(run("audit")).splitlines()
    assert len(rows) == 4
    assert all("admin" in row and "reveal" in row and "web@dev" in row for row in rows[1:])
    assert len(json.loads(ok(run("audit", "--limit", "2", "-o", "json")))["acts"]) == 2


def test_who_may_not_is_refused_whatever_it_calls_itself(run: Run) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    for command in (("get", "web", "s"), ("get", "web"), ("export", "web", "--format", "json")):
        result = run(*command, "--reveal", "--token", "u")
        assert (result.exit_code, "may not see secrets" in result.stderr) == (77, True)
        assert CANARY not in result.output
    result = run("audit")
    assert (ok(result), "no secret was shown yet" in result.stderr) == ("", True)


def test_the_audit_has_the_tokens_name_beside_what_the_client_calls_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    monkeypatch.setenv("LOGNAME", "somebody-else")
    ok(run("get", "web", "s", "--reveal"))
    (act,) = json.loads(ok(run("audit", "-o", "json")))["acts"]
    assert (act["who"], act["said"], act["keys"]) == ("admin", "somebody-else", ["s"])


def test_a_revealed_answer_is_for_nobodys_cache(run: Run, context: Context) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    import os

    client = Client(HttpTransport(os.environ["CONFD_SERVER"]), token="t")
    for path in ("/v1/apps/web/envs/dev/settings", "/v1/apps/web/envs/dev/settings/s"):
        headers = client.call("GET", path, {"reveal": "true"}).headers
        assert (headers["cache-control"], "etag" in headers) == ("no-store", False)
        assert "etag" in client.call("GET", path).headers


def test_a_secret_stays_one_until_plain(run: Run, context: Context) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    assert "s: kept secret" in run("set", "web", f"s={CANARY}-2").stderr
    assert secrets_of(context) == {"s"}
    ok(run("set", "web", "s=open", "--plain"))
    assert secrets_of(context) == set()
    assert run("set", "web", "s=1", "--plain", "--secret").exit_code == 2


def test_a_file_is_imported_with_secrets_by_globs(run: Run, context: Context) -> None:
    text = f"DB_PASSWORD={CANARY}\nDB_HOST=db\nAPI_TOKEN={CANARY}\n"
    result = run("import", "web", "-", "--secret", "*PASSWORD", "--secret", "API_*", text=text)
    assert result.exit_code == 0, result.output
    assert secrets_of(context) == {"DB_PASSWORD", "API_TOKEN"}
    assert "canary" not in result.output
    result = run("import", "web", "-", "--secret", "*PASWORD", text=text)
    assert (result.exit_code, "matches no key" in result.stderr) == (2, True)


def test_a_secret_of_kubernetes_is_one_by_itself(run: Run, context: Context) -> None:
    text = f'kind: Secret\napiVersion: v1\nmetadata: {{name: web}}\nstringData: {{PASSWORD: "{CANARY}"}}\n'
    ok(run("import", "web", "-", "--format", "k8s-secret", text=text))
    assert secrets_of(context) == {"PASSWORD"}
    assert ok(run("get", "web", "PASSWORD", "--reveal")) == f"{CANARY}\n"


def test_export_says_what_it_leaves_out(run: Run) -> None:
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    ok(run("set", "web", "n=1"))
    result = run("export", "web", "--format", "json")
    assert (json.loads(result.stdout), "1 secrets are left out" in result.stderr) == ({"n": "1"}, True)
    assert run("export", "web", "--reveal").exit_code == 2


def test_keys_are_rotated_with_progress_and_without_a_change(run: Run, context: Context) -> None:
    assert run("rotate").exit_code == 66
    ok(run("set", "web", f"s={CANARY}", "--secret"))
    history, old = ok(run("history", "web")), context.fresh().layers[WEB.layer]["s"].text
    assert "0 data keys put under the first master key (envs: dev)" in run("rotate").stderr
    result = run("rotate", "--reencrypt", "-o", "json")
    assert "2 of 2 settings and records gone through" in result.stderr
    assert "2 of them sealed anew, 1 old data key dropped (envs: dev)" in result.stderr
    assert json.loads(ok(result))["next"] is None
    assert context.fresh().layers[WEB.layer]["s"].text != old
    assert ok(run("history", "web")) == history
    assert ok(run("get", "web", "s", "--reveal")) == f"{CANARY}\n"
    acts: list[dict[str, Any]] = json.loads(ok(run("audit", "-o", "json")))["acts"]
    assert [act["what"] for act in acts] == ["reveal", "rotate --reencrypt"]
    assert "rotate --reencrypt  dev" in ok(run("audit"))


def test_what_keeps_changing_under_a_rotation_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    step = {"total": 3, "done": 3, "rewritten": 1, "envs": ["dev"], "next": "", "dropped": 0, "kept": []}
    monkeypatch.setattr(Client, "reencrypt", lambda self, after="": step)
    result = run("rotate", "--reencrypt")
    assert (result.exit_code, "3 are sealed anew, and others still change" in result.stderr) == (75, True)
    step |= {"next": None, "kept": ["/confd/envs/dev/x"]}
    assert "an old key stays, since this needs it: /confd/envs/dev/x" in run("rotate", "--reencrypt").stderr


def test_a_wrong_step_is_refused(run: Run) -> None:
    import os

    client = Client(HttpTransport(os.environ["CONFD_SERVER"]), token="t")
    answer = client.call("POST", "/v1/rotate", body={"reencrypt": True, "after": 1}, accept=(400,))
    assert (answer.status, json.loads(answer.body)["pointer"]) == (400, "/after")
