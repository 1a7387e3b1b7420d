"""Files that a binding renders by template, checked before they take their places, on a real engine."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from confd.client import Client, HttpTransport
from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = [
    "sh",
    "-c",
    'trap "exit 0" TERM; trap "cat /etc/app/app.conf" HUP; echo ready; while :; do sleep 0.1; done',
]
TEMPLATE = """listen = {{ settings["web/port"] }};
{% for name, address in settings | below("upstream") | dictsort %}
upstream {{ name | json }} {{ address | quote }};
{% endfor %}
level {{ get("log/level", "info") }};
"""
ACCEPT = [
    "sh",
    "-c",
    'while read -r line; do test "$line" != "level bad;" || { echo "no such level"; exit 1; }; done < "$0"',
]
CHECK = {"command": [*ACCEPT, "{file}"], "timeout": "5s"}


@pytest.fixture(scope="module")
def checking_up(engine_process: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confd]:
    server = Confd(tmp_path_factory.mktemp("checking"), engine_process.docker_host, "--allow-run", "exec")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def checking(checking_up: Confd, engine: EngineProcess) -> Confd:
    """A server whose agent lets the store run commands in containers."""
    return checking_up


def _bind(confd: Confd, app: str, folder: Path, *files: dict[str, Any], expect: int = 0, **rule: Any) -> str:
    """What confctl says on the binding with these files, whose changes signal HUP."""
    binding = {
        "variables": {"exclude": ["**"]},
        "files": list(files),
        "on_change": [{"keys": "**", "action": "signal", "signal": "HUP", **rule}],
    }
    (folder / "binding.json").write_text(json.dumps(binding))
    return confd.words("binding", "set", app, str(folder / "binding.json"), "-e", "dev", expect=expect)


def _file(**more: Any) -> dict[str, Any]:
    return {"path": "/etc/app/app.conf", "template": TEMPLATE, **more}


def _run(engine: EngineProcess, app: str, folder: Path, **more: Any) -> str:
    (folder / "etc").mkdir(exist_ok=True)
    binds = {"Binds": [f"{folder / 'etc'}:/etc/app"]}
    container = engine.run(app, SERVE, labels={"confd.app": app}, host=binds, **more)
    until(lambda: b"ready" in engine.client.logs(app), 10)
    return container


def _state(confd: Confd, app: str) -> str:
    """Of the app's first container; empty while none is told of."""
    return next((str(one["state"]) for one in confd.status(app)), "")


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "etc").iterdir())


def test_a_home_made_format_is_rendered_and_a_signal_follows(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "homemade", "web/port=80", "upstream/b=it's", "upstream/a=10.0.0.1", "-e", "dev")
    _bind(confd, "homemade", tmp_path, _file(mode="0640", owner="1000:1001"))
    container = _run(engine, "homemade", tmp_path)
    written = tmp_path / "etc" / "app.conf"
    until(written.exists, 20)
    assert written.read_text() == (
        "listen = 80;\n\nupstream \"a\" '10.0.0.1';\n\nupstream \"b\" 'it'\"'\"'s';\n\nlevel info;\n"
    )
    about = written.stat()
    assert (about.st_mode & 0o777, about.st_uid, about.st_gid) == (0o640, 1000, 1001)
    until(lambda: _state(confd, "homemade") == "in-sync", 20)
    confd.ctl("set", "homemade", "log/level=debug", "-e", "dev", "--wait", "30s")
    until(lambda: b"level debug;" in engine.client.logs("homemade"), 10)
    before, heard = written.stat().st_ino, engine.client.logs("homemade")
    confd.ctl("set", "homemade", "other=1", "-e", "dev", "--wait", "30s")
    assert (written.stat().st_ino, engine.client.logs("homemade")) == (before, heard)
    assert engine.inspect("homemade")["Id"] == container
    assert _left(tmp_path) == ["app.conf"]


def test_a_write_that_takes_away_what_a_template_needs_is_refused(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    said = _bind(confd, "needs", tmp_path, _file(), expect=65)
    assert "/etc/app/app.conf: line 1: there is no setting web/port; set it, or give a default" in said
    confd.ctl("set", "needs", "web/port=80", "-e", "dev")
    _bind(confd, "needs", tmp_path, _file())
    said = confd.words("unset", "needs", "web/port", "-e", "dev", expect=65)
    assert "there is no setting web/port" in said
    confd.ctl("set", "needs", "web/port=81", "-e", "qa")
    confd.ctl("set", "needs", "web/host=x", "-e", "_default", "--yes")
    assert "line 2: unexpected" in _bind(confd, "needs", tmp_path, _file(template="a\n{{"), expect=65)
    assert "numbers, like 1000:1000" in _bind(confd, "needs", tmp_path, _file(owner="app:app"), expect=65)


def test_what_is_missing_all_the_same_blocks_and_the_old_file_stays_b156(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "gone", "web/port=80", "-e", "dev")
    _bind(confd, "gone", tmp_path, _file())
    _run(engine, "gone", tmp_path)
    until(lambda: _state(confd, "gone") == "in-sync", 20)
    old, pid = (tmp_path / "etc" / "app.conf").read_text(), engine.inspect("gone")["State"]["Pid"]
    confd.put("/confd/envs/dev/settings/gone/log/level", '"debug"')
    until(lambda: "debug" in (tmp_path / "etc" / "app.conf").read_text(), 20)
    old = (tmp_path / "etc" / "app.conf").read_text()
    confd.put("/confd/envs/dev/settings/gone/web/port", "null")
    until(lambda: _state(confd, "gone") == "blocked", 20)
    assert "there is no setting web/port" in confd.status("gone")[0]["detail"]
    assert (tmp_path / "etc" / "app.conf").read_text() == old
    assert engine.inspect("gone")["State"]["Pid"] == pid
    confd.put("/confd/envs/dev/settings/gone/web/port", "81")
    until(lambda: "listen = 81;" in (tmp_path / "etc" / "app.conf").read_text(), 20)
    until(lambda: _state(confd, "gone") == "in-sync", 20)


@pytest.mark.parametrize("where", ["container", "image"])
def test_a_file_that_its_check_refuses_changes_nothing_and_a_right_one_takes_its_place(
    checking: Confd, engine: EngineProcess, tmp_path: Path, where: str
) -> None:
    app = f"checked-{where}"
    checking.ctl("set", app, "web/port=80", "-e", "dev")
    _bind(checking, app, tmp_path, _file(check={**CHECK, "in": where}))
    container = _run(engine, app, tmp_path)
    until(lambda: _state(checking, app) == "in-sync", 20)
    until(lambda: b"level info;" in engine.client.logs(app), 10)
    written = tmp_path / "etc" / "app.conf"
    old, heard = written.read_text(), engine.client.logs(app)
    pid = engine.inspect(app)["State"]["Pid"]
    said = checking.words("set", app, "log/level=bad", "-e", "dev", "--wait", "30s", expect=3)
    assert "/etc/app/app.conf was not replaced: its check sh ended with 1, its last words: no such level" in said
    assert "change a setting to try again" in said
    outcomes = len(checking.json("why", app, "-e", "dev")["outcomes"])
    checking.pass_over(app, "web/port", '"80"')
    assert _state(checking, app) == "failed"
    again = checking.json("why", app, "-e", "dev")["outcomes"]
    assert (len(again), again[0]["action"], again[0]["log"]) == (outcomes, "files", "no such level")
    assert (written.read_text(), engine.client.logs(app)) == (old, heard)
    assert engine.inspect(app)["State"]["Pid"] == pid
    checking.ctl("set", app, "log/level=good", "-e", "dev", "--wait", "30s")
    until(lambda: b"level good;" in engine.client.logs(app), 10)
    assert (engine.inspect(app)["Id"], engine.inspect(app)["State"]["Pid"]) == (container, pid)
    assert (_left(tmp_path), engine.names()) == (["app.conf"], [app])


def test_a_check_that_takes_too_long_is_ended_and_leaves_nothing(
    checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    for where in ("container", "image"):
        app, folder = f"slow-{where}", tmp_path / where
        folder.mkdir()
        checking.ctl("set", app, "web/port=80", "-e", "dev")
        slow = {"command": ["sh", "-c", "echo begun; sleep 98764", "{file}"], "timeout": "500ms", "in": where}
        _bind(checking, app, folder, _file(check=slow))
        _run(engine, app, folder)
        until(lambda app=app: _state(checking, app) == "failed", 20)  # type: ignore[misc]
        assert "its check sh took longer than 0.5 s" in checking.status(app)[0]["detail"]
        assert _left(folder) == []
    assert engine.names() == ["slow-container", "slow-image"]


def test_a_check_in_its_image_has_the_folder_alone_and_the_user_of_the_container(
    checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    look = (
        "exec 2>&1; env; cat /proc/self/status; cat /proc/net/dev; echo x >/etc/app/y; "
        'test -e /data; echo "data: $?"; exit 1'
    )
    checking.ctl("set", "apart", "web/port=80", "-e", "dev")
    _bind(checking, "apart", tmp_path, _file(check={"command": ["sh", "-c", look, "{file}"], "in": "image"}))
    (tmp_path / "etc").mkdir()
    binds = [f"{tmp_path / 'etc'}:/etc/app", f"{tmp_path}:/data"]
    labels = {"confd.app": "apart"}
    engine.run("apart", SERVE, labels=labels, host={"Binds": binds}, User="1234", Env=["OWN=1"])
    until(lambda: _state(checking, "apart") == "failed", 20)
    log = checking.json("why", "apart", "-e", "dev")["outcomes"][0]["log"]
    assert "data: 1" in log
    assert "Read-only file system" in log
    assert "eth0" not in log


def test_of_two_files_neither_is_replaced_where_one_is_refused(
    checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    checking.ctl("set", "both", "web/port=80", "-e", "dev")
    first = {"path": "/etc/app/a.json", "format": "json"}
    _bind(checking, "both", tmp_path, first, _file(check=CHECK))
    _run(engine, "both", tmp_path)
    until(lambda: _state(checking, "both") == "in-sync", 20)
    old = {path.name: path.read_text() for path in (tmp_path / "etc").iterdir()}
    checking.ctl("set", "both", "log/level=bad", "-e", "dev", "--wait", "30s", expect=3)
    assert {path.name: path.read_text() for path in (tmp_path / "etc").iterdir()} == old


def test_a_stopped_container_has_its_file_checked_in_its_image(
    checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    checking.ctl("set", "asleep", "web/port=80", "-e", "dev")
    _bind(checking, "asleep", tmp_path, _file(check=CHECK))
    _run(engine, "asleep", tmp_path)
    until(lambda: _state(checking, "asleep") == "in-sync", 20)
    engine.client.stop("asleep", timeout=1)
    checking.ctl("set", "asleep", "log/level=bad", "-e", "dev", "--wait", "30s", expect=3)
    checking.ctl("set", "asleep", "log/level=good", "-e", "dev", "--wait", "30s")
    assert "level good;" in (tmp_path / "etc" / "app.conf").read_text()
    assert engine.names() == ["asleep"]


def test_a_host_that_lets_no_command_in_blocks_a_checked_file(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "unchecked", "web/port=80", "-e", "dev")
    _bind(confd, "unchecked", tmp_path, _file(check=CHECK))
    _run(engine, "unchecked", tmp_path)
    until(lambda: _state(confd, "unchecked") == "blocked", 20)
    assert 'put allow-run = ["exec"] into the file of its agent' in confd.status("unchecked")[0]["detail"]
    assert _left(tmp_path) == []


def test_a_file_that_is_mounted_as_such_is_not_written_by_rename_b158(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "inode", "web/port=80", "-e", "dev")
    _bind(confd, "inode", tmp_path, _file())
    (tmp_path / "own.conf").write_text("old\n")
    binds = {"Binds": [f"{tmp_path / 'own.conf'}:/etc/app/app.conf"]}
    engine.run("inode", SERVE, labels={"confd.app": "inode"}, host=binds)
    until(lambda: _state(confd, "inode") == "blocked", 20)
    assert "mount its directory instead" in confd.status("inode")[0]["detail"]
    assert (tmp_path / "own.conf").read_text() == "old\n"


def test_a_container_sees_the_new_text_through_its_mounted_folder_b158(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "seen", "web/port=80", "-e", "dev")
    _bind(confd, "seen", tmp_path, _file())
    _run(engine, "seen", tmp_path)
    for port in ("81", "82", "83"):
        confd.ctl("set", "seen", f"web/port={port}", "-e", "dev", "--wait", "30s")
        until(lambda port=port: f"listen = {port};".encode() in engine.client.logs("seen"), 10)  # type: ignore[misc]


def test_what_an_agent_that_died_has_left_of_a_check_is_removed(
    checking_up: Confd, checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    engine.run("confd-check-0123456789ab", SERVE, labels={"confd.check": "0123456789ab", "confd.app": ""})
    engine.run("mine", SERVE, labels={"confd.check": "no"})
    checking_up.stop()
    checking_up.start()
    until(lambda: engine.names() == ["mine"], 20)


def test_an_agent_that_is_killed_in_the_middle_of_a_check_does_it_again_and_leaves_nothing(
    checking: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    checking.ctl("set", "killed", "web/port=80", "-e", "dev")
    check = {
        "command": ["sh", "-c", "test -e /etc/app/go || sleep 98763", "{file}"],
        "timeout": "1m",
        "in": "image",
    }
    _bind(checking, "killed", tmp_path, _file(check=check))
    _run(engine, "killed", tmp_path)
    until(lambda: len(engine.names(running=True)) == 2, 20)
    (tmp_path / "etc" / "go").touch()
    old = checking.agent_pid()
    os.kill(old, signal.SIGKILL)
    until(lambda: checking.agent_pid() not in (0, old), 20)
    until(lambda: _state(checking, "killed") == "in-sync", 40)
    assert engine.names() == ["killed"]
    assert _left(tmp_path) == ["app.conf", "go"]


def test_a_binding_is_checked_against_the_present_settings_before_it_is_stored(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("set", "preview", "web/port=80", "-e", "dev")
    _bind(confd, "preview", tmp_path, _file(template="port {{ settings['web/port'] }}\nlevel info\n"))
    _run(engine, "preview", tmp_path)
    until(lambda: _state(confd, "preview") == "in-sync", 20)
    stored = tmp_path / "binding.json"
    words = ("binding", "check", "preview", str(stored), "-e", "dev")
    assert confd.ctl(*words) == ""
    assert "/etc/app/app.conf (mode 0644): 1 of 1 container with it as it would be" in confd.words(*words, expect=0)
    stored.write_text(stored.read_text().replace("info", "debug"))
    assert confd.ctl(*words).splitlines()[-3:] == [" port 80", "-level info", "+level debug"]
    (file,) = confd.json(*words)["files"]
    assert (file["content"], file["written"], file["keys"]) == ("port 80\nlevel debug\n", 0, ["web/port"])
    stored.write_text(stored.read_text().replace("web/port", "web/prot"))
    assert "there is no setting web/prot" in confd.words(*words, expect=65)
    assert "a right binding" in confd.words(*words, "--offline", expect=0)
    assert (tmp_path / "etc" / "app.conf").read_text() == "port 80\nlevel info\n"


def test_who_asks_for_config_has_the_rendered_file(confd: Confd, tmp_path: Path) -> None:
    confd.ctl("set", "asks", "web/port=80", "-e", "dev")
    _bind(confd, "asks", tmp_path, _file(template="port {{ settings['web/port'] }}\n", mode="0600", owner="7"))
    client = Client(HttpTransport(f"unix:{confd.sockets}/confd.sock"), token=confd.token_file.read_text().strip())
    document = json.loads(client.call("GET", "/v1/apps/asks/envs/dev/config").body)
    assert document["files"] == [
        {"path": "/etc/app/app.conf", "content": "port 80\n", "mode": "0600", "owner": [7, 7]}
    ]
