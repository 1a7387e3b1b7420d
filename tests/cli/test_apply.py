"""`confctl apply`: manifests of one or several files through a whole API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from confd.api.asgi import application
from confd.cli.program import confctl
from confd.errors import Invalid, Malformed, NeedsYes, Owned
from confd.keys import App, Env, Host, Layer
from confd.services.context import Context
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.live import served

WEB = """\
kind: settings
app: web
env: dev
settings:
  LOG_LEVEL: debug
  rate: 1.10
  run/memory: 64m
  list: [a, {b: 1}]
"""
TWO = f"""{WEB}---
# nothing
---
kind: settings
app: web
env: dev
host: h1
settings: {{LOG_LEVEL: trace}}
"""
Run = Callable[..., Result]


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield made


@pytest.fixture
def run(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """confctl with a whole API behind it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.delenv("CONFD_ENV", raising=False)
    monkeypatch.chdir(tmp_path)
    with served(application(context, {"t": "admin"})) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield lambda *args, text=None: CliRunner().invoke(confctl, args, input=text)


def stored(context: Context, host: str | None = None, app: str = "web") -> dict[str, str]:
    layer = Layer(Env("dev"), App(app), Host(host) if host else None)
    return {key: entry.text for key, entry in context.fresh().layers.get(layer, {}).items()}


def test_documents_of_a_file_are_brought_in_and_values_keep_their_text(run: Run, context: Context) -> None:
    Path("web.yaml").write_text(TWO)
    result = run("apply", "-f", "web.yaml")
    assert result.exit_code == 0, result.stderr
    assert stored(context) == {
        "LOG_LEVEL": '"debug"',
        "list": '["a",{"b":1}]',
        "rate": "1.10",
        "run/memory": '"64m"',
    }
    assert stored(context, "h1") == {"LOG_LEVEL": '"trace"'}
    assert "settings dev/web: stored (change 1, revision" in result.stderr
    assert "settings dev/web@h1: stored (change 1, revision" in result.stderr
    again = run("apply", "-f", "web.yaml")
    assert again.exit_code == 0
    assert again.stderr.count("nothing to change, it is already so") == 2


def test_a_directory_is_taken_in_the_order_of_its_names(run: Run, context: Context) -> None:
    folder = Path("config")
    folder.mkdir()
    (folder / "b.yml").write_text(WEB)
    (folder / "a.json").write_text(
        json.dumps({"kind": "policy", "env": "dev", "name": "p", "policy": {"schema": {}}})
    )
    (folder / "c.yaml").write_text('{kind: binding, app: web, env: dev, on_change: [{keys: "**", action: none}]}')
    (folder / "notes.txt").write_text("kind: nonsense")
    (folder / ".hidden.yaml").write_text("kind: nonsense")
    result = run("apply", "-f", "config", "-o", "json")
    assert result.exit_code == 0, result.stderr
    assert [one["kind"] for one in json.loads(result.stdout)["documents"]] == ["policy", "settings", "binding"]


def test_stdin_and_several_files_are_one_set(run: Run, context: Context) -> None:
    Path("two.yaml").write_text(WEB.replace("web", "api"))
    refused = run("apply", "-f", "-", "-f", "two.yaml", text=WEB)
    assert refused.exit_code == NeedsYes.exit_code
    assert "this reaches 2 apps" in refused.stderr
    assert stored(context) == {}
    assert run("apply", "-f", "-", "-f", "two.yaml", "--yes", text=WEB).exit_code == 0
    assert stored(context) == stored(context, app="api") != {}


def test_a_dry_run_prints_the_difference_and_stores_nothing(run: Run, context: Context) -> None:
    run("apply", "-f", "-", text=WEB)
    changed = WEB.replace("debug", "info").replace("  rate: 1.10\n", "")
    result = run("apply", "-f", "-", "--dry-run", text=changed)
    assert result.exit_code == 0
    assert result.stdout == "settings dev/web:\n~ LOG_LEVEL = debug -> info\n- rate = 1.10\n"
    assert "dry run: nothing is stored" in result.stderr
    assert stored(context)["LOG_LEVEL"] == '"debug"'


def test_what_others_have_set_is_told_and_stays(run: Run, context: Context) -> None:
    run("set", "web", "BY_HAND=1", "-e", "dev")
    result = run("apply", "-f", "-", text=WEB)
    assert "settings dev/web: set by others, and left as it is: BY_HAND" in result.stderr
    run("set", "web", *(f"K{index:02d}=1" for index in range(11)), "-e", "dev")
    assert "K08 and 2 more" in run("apply", "-f", "-", text=WEB).stderr
    assert "BY_HAND" in stored(context)


def test_a_key_of_another_manifest_is_taken_over_by_force(run: Run, context: Context) -> None:
    run("apply", "-f", "-", text=WEB)
    other = "kind: settings\nname: other\napp: web\nenv: dev\nsettings: {rate: 2}\n"
    refused = run("apply", "-f", "-", text=other)
    assert refused.exit_code == Owned.exit_code
    assert "rate belongs to the manifest dev/web; take it out of one of them" in refused.stderr
    forced = run("apply", "-f", "-", "--force", text=other)
    assert "warning: rate belongs to the manifest dev/web up to now: taken over" in forced.stderr
    assert stored(context)["rate"] == "2"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WEB + "---\nkind: Deployment\n", "w.yaml, document 2, line 10: kind 'Deployment' is unknown; known are: "),
        (WEB + "sett: 1\n", "w.yaml, document 1, line 9: the member 'sett' is unknown"),
        (WEB.replace("64m", "much"), "w.yaml, document 1, line 7: (settings dev/web): "),
        (WEB + "  'a b': 1\n", "w.yaml, document 1, line 9: (settings dev/web): key 'a b'"),
        (WEB + "\n  x: [\n", "w.yaml: line 11: this is no YAML"),
        (WEB + "env: qa\n", "w.yaml: line 9: 'env' stands again, first in line 3"),
        (f"{WEB}---\n{WEB}", "w.yaml, document 2, line 10: settings dev/web stands in document 1 too"),
        ("- 1\n", "w.yaml, document 1, line 1: a manifest is an object"),
    ],
)
def test_what_is_wrong_is_told_with_document_and_line(run: Run, context: Context, text: str, words: str) -> None:
    Path("w.yaml").write_text(text)
    result = run("apply", "-f", "w.yaml")
    assert result.exit_code in (Malformed.exit_code, Invalid.exit_code)
    assert f"error: {words}" in result.stderr
    assert stored(context) == {}


def test_a_json_file_tells_its_line_too(run: Run) -> None:
    Path("w.json").write_text('{\n  "kind": "settings",\n  "app": "W"\n}\n')
    assert "w.json, document 1, line 3: app 'W' is not allowed" in run("apply", "-f", "w.json").stderr
    Path("x.json").write_text('{"kind": }')
    assert "x.json: this is no JSON" in run("apply", "-f", "x.json").stderr


def test_a_place_without_manifests_is_a_usage_error(run: Run) -> None:
    Path("empty").mkdir()
    result = run("apply", "-f", "empty")
    assert (result.exit_code, "No manifest stands in empty." in result.stderr) == (2, True)
    assert run("apply", "-f", "nowhere").exit_code == 2
    assert run("apply").exit_code == 2


def test_wait_ends_where_no_container_has_the_settings(run: Run, context: Context) -> None:
    result = run("apply", "-f", "-", "--wait", "10ms", text=TWO)
    assert result.exit_code == 0
    assert result.stderr.count("nothing to wait for") == 2
