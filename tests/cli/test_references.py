"""References as users of confctl meet them: shown, and exported and imported as they are due or written."""

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
from confd.formats import FORMATS
from confd.jsontext import parse, plain
from confd.keys import App, Env, Layer
from confd.ports import Put
from confd.services import delivery, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.cli.conftest import Confctl, Server
from tests.support.contexts import context_on
from tests.support.live import served
from tests.support.secrets import KEYS

DEV = Env("dev")
Values = dict[str, Any]
Ctl = Callable[..., Result]
WRITTEN: Values = {
    "URL": "pg://${db:host}:${port}/x",
    "port": "5432",
    "RAW": "$${db:host} $$${x} ${VAR:-y} ${@pg:address}",
}


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield replace(made, keys=KEYS)


@pytest.fixture
def ctl(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ctl]:
    """confctl with a whole API behind it, where web refers to db."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.setenv("CONFD_ENV", "dev")
    settings.edit(context, Scope(DEV, App("db")), Edit({"host": "h"}))
    settings.edit(context, Scope(DEV, App("web")), Edit(WRITTEN))
    with served(application(context, {"t": "admin"})) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield lambda *args, text=None: CliRunner().invoke(confctl, args, input=text)


def stored(context: Context, app: str) -> Values:
    entries = context.fresh().layers[Layer(DEV, App(app))]
    return {key: plain(parse(entry.text)) for key, entry in entries.items()}


def due(context: Context, app: str) -> Values:
    return dict(delivery.config(context, context.fresh(), Scope(DEV, App(app)))["variables"])


def test_what_is_shown_is_what_is_due_and_the_own_layer_what_is_written(ctl: Ctl) -> None:
    assert ctl("get", "web", "URL").stdout == "pg://h:5432/x\n"
    assert ctl("get", "web", "URL", "--own").stdout == "pg://${db:host}:${port}/x\n"
    assert ctl("get", "web", "RAW").stdout == "${db:host} $${x} ${VAR:-y} ${@pg:address}\n"
    shown = json.loads(ctl("get", "web", "URL", "-o", "json").stdout)
    assert (shown["value"], shown["written"]) == ("pg://h:5432/x", "pg://${db:host}:${port}/x")


def test_explain_shows_both_and_who_reads_a_key(ctl: Ctl) -> None:
    lines = ctl("explain", "web", "URL").stdout.splitlines()
    assert lines[0] == "URL = pg://${db:host}:${port}/x"
    assert lines[2:5] == [
        "  is due    pg://h:5432/x",
        "  refers to db:host, dev/db = h",
        "  refers to web:port, dev/web = 5432",
    ]
    assert "  read by   web:URL" in ctl("explain", "db", "host").stdout.splitlines()


def test_explain_shows_what_is_not_set(ctl: Ctl, context: Context) -> None:
    context.store.commit([*_put("web", BROKEN="${db:nope}")])
    context.mirror.wait(context.fresh().revision, 5)
    shown = ctl("explain", "web", "BROKEN").stdout
    assert "  refers to db:nope, not set\n" in shown
    assert "is due" not in shown


def _put(app: str, **values: Any) -> Iterator[Any]:
    for key, value in values.items():
        yield Put(f"/confd/envs/dev/settings/{app}/{key}", json.dumps(value))


@pytest.mark.parametrize("form", sorted({name for name in FORMATS if not FORMATS[name].keyed} - {"k8s-secret"}))
def test_variables_are_exported_as_they_are_due_and_imported_as_that_text(
    ctl: Ctl, context: Context, tmp_path: Path, form: str
) -> None:
    settings.edit(context, Scope(DEV, App("web")), Edit({"RAW": "$${db:host} $$${x} ${VAR:-y}"}))
    exported = ctl("export", "web", "--format", form)
    assert dict(FORMATS[form].load(exported.stdout)) == due(context, "web")
    (tmp_path / "file").write_text(exported.stdout)
    done = ctl("import", "copy", str(tmp_path / "file"), "--format", form)
    assert (done.exit_code, "warning" in done.stderr) == (0, False), done.output
    assert due(context, "copy") == due(context, "web") | {"URL": "pg://h:5432/x"}
    assert stored(context, "copy")["RAW"] == "$${db:host} $$${x} $${VAR:-y}"


@pytest.mark.parametrize("form", sorted(name for name in FORMATS if FORMATS[name].keyed))
@pytest.mark.parametrize("own", [(), ("--own",)])
def test_keys_are_exported_as_they_are_written_and_imported_so(
    ctl: Ctl, context: Context, tmp_path: Path, form: str, own: tuple[str, ...]
) -> None:
    exported = ctl("export", "web", "--format", form, *own)
    (tmp_path / "file").write_text(exported.stdout)
    done = ctl("import", "copy", str(tmp_path / "file"), "--format", form)
    assert done.exit_code == 0, done.output
    assert stored(context, "copy") == WRITTEN
    assert due(context, "copy") == due(context, "web")


def test_what_a_compose_file_or_a_container_has_is_text(ctl: Ctl, context: Context, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services: {a: {environment: {U: 'http://$${HOST}'}, volumes: ['/srv:/$${HOST}'], labels: {l: '$${b:c}'}}}"
    )
    assert ctl("import", "one", str(file)).exit_code == 0
    assert stored(context, "one") == {
        "U": "http://$${HOST}",
        "run/volume": ["/srv:/$${HOST}"],
        "run/label": {"l": "$${b:c}"},
    }
    assert due(context, "one") == {"U": "http://${HOST}"}
    document = [{"Config": {"Env": ["U=http://${HOST}"]}, "HostConfig": {}, "Name": "/x", "Image": "i"}]
    done = ctl("import", "two", "-", "--format", "inspect", text=json.dumps(document))
    assert done.exit_code == 0, done.output
    assert stored(context, "two")["U"] == "http://$${HOST}"


def test_a_circle_and_a_slip_are_told_with_what_to_do(ctl: Ctl) -> None:
    done = ctl("set", "web", "a=${b}", "b=${c}", "c=${a}")
    assert (done.exit_code, "a: a -> b -> c -> a goes round in a circle" in done.stderr) == (65, True)
    done = ctl("set", "web", "HOME_DIR=${HOME}/x")
    assert (done.exit_code, "write $${ for a plain ${" in done.stderr) == (65, True)
    done = ctl("set", "web", "V=${VAR:-x}")
    assert (done.exit_code, "warning: V: '${VAR:-x' is no reference" in done.stderr) == (0, True)


def test_what_refers_to_a_secret_is_exported_as_it_is_written_alone(run: Confctl, server: Server) -> None:
    server.answers["GET /v1/apps/web/envs/dev/settings"] = {
        "settings": {
            "A": {"value": "***", "secret": True},
            "B": {"value": "***", "secret": True, "written": "x${A}"},
            "C": {"value": "1", "secret": False},
        }
    }
    done = run("export", "web", "-e", "dev", "--format", "json")
    assert json.loads(done.stdout) == {"B": "x${A}", "C": "1"}
    assert "1 secrets are left out" in done.stderr


def test_a_wait_follows_the_containers_of_the_dependents_too(run: Confctl, server: Server) -> None:
    def told(name: str, app: str) -> Values:
        return {"name": name, "host": "h1", "app": app, "state": "in-sync", "revision": 7, "alive": True}

    which = [
        {"name": name, "host": "h1", "app": app, "env": "dev", "action": "recreate", "blocked": None}
        for name, app in (("db-1", "db"), ("web-1", "web"))
    ]
    reaches = {
        "apps": 2,
        "hosts": 1,
        "containers": 2,
        "needs_yes": True,
        "actions": {"recreate": 2},
        "which": which,
    }
    server.answers["PATCH /v1/apps/db/envs/dev/settings"] = {
        "change": 1,
        "revision": 7,
        "diff": [{"key": "A", "before": None, "after": "b"}],
        "reaches": reaches,
    }
    server.answers["GET /v1/apps/db/envs/dev/status"] = {"containers": [told("db-1", "db")]}
    behind = {**told("web-2", "web"), "revision": 1}
    server.answers["GET /v1/apps/web/envs/dev/status"] = {"containers": [told("web-1", "web"), behind]}
    done = run("set", "db", "A=b", "-e", "dev", "--yes", "--wait", "5s")
    assert done.exit_code == 0, done.output
    assert "in effect in 2 of 2 containers" in done.stderr
