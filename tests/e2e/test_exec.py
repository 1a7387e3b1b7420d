"""A command in the container as what a change does: once, after its file, its output kept, where a host lets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


@pytest.fixture(scope="module")
def executing_up(engine_process: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confd]:
    folder: Path = tmp_path_factory.mktemp("executing")
    server = Confd(folder, engine_process.docker_host, "--allow-run", "exec")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def executing(executing_up: Confd, engine: EngineProcess) -> Confd:
    """A server whose agent lets the store run commands in containers."""
    return executing_up


def _bind(confd: Confd, app: str, folder: Path, **rule: Any) -> Path:
    """Every key goes into a file of the folder `etc`, and then the command is run; the folder."""
    (folder / "etc").mkdir(exist_ok=True)
    binding = {
        "variables": {"exclude": ["**"]},
        "files": [{"path": "/etc/app/app.json", "format": "json"}],
        "on_change": [{"keys": "**", "action": "exec", **rule}],
    }
    (folder / "binding.json").write_text(json.dumps(binding))
    confd.ctl("binding", "set", app, str(folder / "binding.json"), "-e", "dev")
    return folder / "etc"


def _run(engine: EngineProcess, app: str, etc: Path) -> str:
    return engine.run(app, SERVE, labels={"confd.app": app}, host={"Binds": [f"{etc}:/etc/app"]})


def test_a_command_is_run_after_its_file_and_its_output_is_kept(
    executing: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    etc = _bind(executing, "reload", tmp_path, command=["cat", "/etc/app/app.json"])
    container = _run(engine, "reload", etc)
    executing.ctl("set", "reload", "A=1", "B=2", "-e", "dev", "--wait", "30s")
    executing.ctl("set", "reload", "A=2", "B=3", "-e", "dev", "--wait", "30s")
    now = engine.inspect("reload")
    assert (now["Id"], now["RestartCount"]) == (container, 0)
    last = executing.json("why", "reload", "-e", "dev")["outcomes"][0]
    assert (last["action"], last["result"]) == ("exec", "done")
    assert json.loads(last["log"]) == {"A": "2", "B": "3"}


def test_a_command_that_fails_is_told_with_what_it_said(
    executing: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    etc = _bind(executing, "bad", tmp_path, command=["sh", "-c", "echo no such vhost; exit 3"])
    container = _run(engine, "bad", etc)
    said = executing.words("set", "bad", "A=1", "-e", "dev", "--wait", "30s", expect=3)
    assert "sh ended with 3, its last words: no such vhost" in said
    assert engine.inspect("bad")["Id"] == container


def test_a_command_that_takes_too_long_is_ended(executing: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    command = ["sh", "-c", "sleep 98765 & wait"]
    etc = _bind(executing, "slow", tmp_path, command=command, timeout="300ms")
    _run(engine, "slow", etc)
    said = executing.words("set", "slow", "A=1", "-e", "dev", "--wait", "30s", expect=3)
    assert "sh took longer than 0.3 s" in said
    until(lambda: not any("98765" in " ".join(line) for line in engine.client.top("slow")["Processes"]), 10)


def test_one_that_asks_to_be_skipped_is_tried_again(
    executing: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    etc = _bind(executing, "busy", tmp_path, command=["sh", "-c", "test -e /etc/app/idle || exit 75"])
    _run(engine, "busy", etc)
    executing.ctl("set", "busy", "A=1", "-e", "dev")
    until(lambda: "asks to be skipped for now" in executing.status("busy")[0]["detail"], 20)
    assert executing.status("busy")[0]["state"] == "pending"
    (etc / "idle").touch()
    until(lambda: executing.status("busy")[0]["state"] == "in-sync", 30)


def test_a_host_that_lets_no_command_in_says_what_to_add(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    etc = _bind(confd, "barred", tmp_path, command=["true"])
    _run(engine, "barred", etc)
    said = confd.words("set", "barred", "A=1", "-e", "dev", "--wait", "30s", expect=3)
    assert 'put allow-run = ["exec"] into the file of its agent' in said


def test_a_command_for_what_only_variables_carry_is_refused(confd: Confd, tmp_path: Path) -> None:
    confd.ctl("set", "never", "A=1", "-e", "dev")
    rule = {"keys": "**", "action": "exec", "command": ["true"]}
    (tmp_path / "binding.json").write_text(json.dumps({"on_change": [rule]}))
    said = confd.words("binding", "set", "never", str(tmp_path / "binding.json"), "-e", "dev", expect=65)
    assert "exec can never bring A into effect" in said


def test_a_limit_the_engine_refuses_live_has_a_new_container_where_the_binding_climbs(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    hungry = ["sh", "-c", f"[ -e /dev/shm/full ] || cat /dev/zero >/dev/shm/full; echo it is full; {SERVE[2]}"]
    rule = {"keys": "run/**", "action": "update", "escalate": True}
    (tmp_path / "binding.json").write_text(json.dumps({"on_change": [rule]}))
    confd.ctl("binding", "set", "climbs", str(tmp_path / "binding.json"), "-e", "dev")
    before = engine.run("climbs", hungry, labels={"confd.app": "climbs"}, host={"ShmSize": 8 * 1024 * 1024})
    until(lambda: b"it is full" in engine.client.logs("climbs"), 20)
    confd.ctl("set", "climbs", "run/memory=64m", "-e", "dev", "--wait", "30s")
    assert engine.inspect("climbs")["Id"] == before
    confd.ctl("set", "climbs", "run/memory=7m", "-e", "dev")
    until(lambda: confd.json("why", "climbs", "-e", "dev")["outcomes"][0]["action"] == "recreate", 30)
    recreated, refused, *_ = confd.json("why", "climbs", "-e", "dev")["outcomes"]
    assert (refused["action"], refused["result"]) == ("update", "failed")
    assert [reason["key"] for reason in recreated["reasons"]] == ["run/memory"]
