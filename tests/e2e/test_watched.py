"""What an unchanged value, a signal and a half-written import do to containers: nothing, exactly one, and never."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
RELOAD = ["sh", "-c", 'trap "echo hup" HUP; trap "exit 0" TERM; echo up; while :; do sleep 0.1; done']


def _signalled(confd: Confd, engine: EngineProcess, app: str, folder: Path) -> Path:
    """A container whose file is replaced and whose process then gets HUP; the file."""
    etc = folder / "etc"
    etc.mkdir()
    binding = {
        "variables": {"exclude": ["**"]},
        "files": [{"path": "/etc/app/app.json", "format": "json"}],
        "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
    }
    (folder / "binding.json").write_text(json.dumps(binding))
    engine.run(app, RELOAD, labels={"confd.app": app}, host={"Binds": [f"{etc}:/etc/app"]}, Env=["OWN=1"])
    until(lambda: engine.client.logs(app) == b"up\n", 10)
    confd.ctl("binding", "set", app, str(folder / "binding.json"), "-e", "dev")
    return etc / "app.json"


def test_the_same_file_again_is_no_change_no_signal_and_no_restart_b83(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _signalled(confd, engine, "same", tmp_path)
    (tmp_path / "web.env").write_text("A=1\nB=two words\n")
    words = ("import", "same", str(tmp_path / "web.env"), "-e", "dev", "--wait", "30s")
    confd.ctl(*words)
    said, before = engine.client.logs("same"), engine.inspect("same")
    history = confd.json("history", "same", "-e", "dev")["changes"]
    confd.ctl(*words)
    confd.pass_over("same", "A", '"1"')  # and straight in etcd, where the same value again is an event
    now = engine.inspect("same")
    assert (now["Id"], now["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    assert engine.client.logs("same") == said
    assert confd.json("history", "same", "-e", "dev")["changes"] == history


def test_a_signal_is_one_signal_to_the_same_process_whose_variables_stay_b115(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    file = _signalled(confd, engine, "hup", tmp_path)
    confd.ctl("set", "hup", "A=1", "-e", "dev", "--wait", "30s")
    until(lambda: engine.client.logs("hup").endswith(b"hup\n"), 10)
    before, environ = engine.inspect("hup"), engine.environ("hup")
    hups = engine.client.logs("hup").count(b"hup")
    confd.ctl("set", "hup", "A=2", "-e", "dev", "--wait", "30s")
    until(lambda: engine.client.logs("hup").count(b"hup") > hups, 10)
    confd.pass_over("hup", "A", '"2"')
    now = engine.inspect("hup")
    assert (now["State"]["Pid"], now["Id"]) == (before["State"]["Pid"], before["Id"])
    assert (engine.client.logs("hup").count(b"hup"), engine.environ("hup")) == (hups + 1, environ)
    assert (json.loads(file.read_text()), confd.ctl("get", "hup", "A", "-e", "dev")) == ({"A": "2"}, "2\n")


@pytest.mark.parametrize("count", [128, 129, 1000])
def test_an_import_of_any_number_of_keys_is_one_change_and_one_container_b96(
    confd: Confd, engine: EngineProcess, tmp_path: Path, count: int
) -> None:
    app = f"many-{count}"
    old = engine.run(app, SERVE, labels={"confd.app": app})
    (tmp_path / "web.env").write_text("".join(f"K{number}=v\n" for number in range(count)))
    confd.ctl("import", app, str(tmp_path / "web.env"), "-e", "dev", "--wait", "60s")
    assert [len(one["diff"]) for one in confd.json("history", app, "-e", "dev")["changes"]] == [count]
    assert engine.inspect(app)["Config"]["Labels"]["confd.replaces"] == old
    assert sum(entry.startswith("K") for entry in engine.environ(app)) == count
