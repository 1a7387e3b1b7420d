"""A container follows the files of a directory, through a server that goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Apart, Confd
from tests.support.syncing import Syncing
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def _saved(path: Path, text: str) -> None:
    """As an editor saves."""
    new = path.with_name(f".{path.name}.swp")
    new.write_text(text)
    new.rename(path)


def test_a_container_follows_the_files_of_a_directory(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    app, folder = "synced", tmp_path / "files"
    folder.mkdir()
    (folder / "app.yaml").write_text("log: {level: info}\nrate: 1.10\n")
    (folder / "limits.json").write_text('{"run/memory": "64m"}')
    engine.run(app, SERVE, labels={"confd.app": app})
    until(lambda: confd.status(app), 20)
    with Syncing(confd.environ, tmp_path / "log", app, str(folder), "-e", "dev") as sync:
        until(lambda: engine.has(app, "LOG_LEVEL", "info"), 60)
        assert engine.variables(app)["rate"] == "1.10"
        assert engine.inspect(app)["HostConfig"]["Memory"] == 64 * 2**20
        _saved(folder / "app.yaml", "log: {level: debug}\nrate: 1.10\n")
        until(lambda: engine.has(app, "LOG_LEVEL", "debug"), 60)
        confd.ctl("set", app, "log/level=by-hand", "-e", "dev")
        sync.await_said("changed by others, set back")
        assert confd.ctl("get", app, "log/level", "-e", "dev") == "debug\n"
        assert sync.stop() == 0, sync.said


@pytest.mark.parametrize("host", [[], ["--host", "h1"]], ids=["env", "host"])
def test_a_layer_is_brought_in_once(confd: Confd, tmp_path: Path, host: list[str]) -> None:
    app, folder = "synced-once" + "-host" * bool(host), tmp_path / "files"
    folder.mkdir()
    (folder / "app.toml").write_text('name = "x"\n')
    confd.ctl("sync", app, str(folder), "-e", "dev", "--once", *host)
    assert confd.json("get", app, "--own", "-e", "dev", *host)["settings"]["name"]["value"] == "x"


@pytest.mark.parametrize(("app", "env"), [("_default", "dev"), ("synced-everywhere", "_default")])
def test_a_shared_layer_is_followed_too(confd: Confd, tmp_path: Path, app: str, env: str) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "app.json").write_text('{"SHARED": 1, "BOTH": 1}')
    with Syncing(confd.environ, tmp_path / "log", app, str(folder), "-e", env, "--yes") as sync:
        sync.await_said("following it")
        confd.ctl("set", app, "SHARED=2", "-e", env, "--yes")
        sync.await_said("changed by others, set back")
        assert sync.stop() == 0, sync.said
        confd.ctl("unset", app, "SHARED", "BOTH", "-e", env, "--yes", "--force")


def test_the_last_state_wins_when_the_server_comes_back(apart: Apart, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    _saved(folder / "app.json", '{"WORD": "one"}')
    with Syncing(apart.environ, tmp_path / "log-of-sync", "synced-through", str(folder), "-e", "dev") as sync:
        sync.await_said("following it")
        apart.end_each()
        for word in ("two", "three"):
            _saved(folder / "app.json", f'{{"WORD": "{word}"}}')
        sync.await_said("it is tried again")
        apart.begin()
        until(lambda: apart.told("get", "synced-through", "-e", "dev")["settings"]["WORD"]["value"] == "three", 60)
        assert sync.stop() == 0, sync.said
