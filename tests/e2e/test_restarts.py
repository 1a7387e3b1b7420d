"""API and agent as programs of their own; etcd dies, the engine ends, both come back, and the path goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart, Confd
from tests.support.wait import until

SIGNALS = {
    "variables": {"exclude": ["**"]},
    "files": [{"path": "/etc/app/app.json", "format": "json"}],
    "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
}
RELOAD = ["sh", "-c", 'trap "echo hup" HUP; trap "exit 0" TERM; while :; do sleep 0.1; done']
AGAIN = [("pending", True)]
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def test_etcd_dies_and_comes_back(apart: Apart, engine: EngineProcess, etcd: EtcdProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"})
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    before = engine.inspect("web")["Id"]
    etcd.kill()
    apart.words("set", "web", "A=2", "-e", "dev", expect=69)
    assert engine.inspect("web")["Id"] == before
    etcd.start()
    until(lambda: apart._run("set", "web", "A=3", "-e", "dev").returncode == 0, 40)
    until(lambda: engine.has("web", "A", "3"), 40)


def test_the_engine_ends_and_comes_back_b114(apart: Apart, engine: EngineProcess) -> None:
    policy = {"RestartPolicy": {"Name": "always"}}
    engine.run("web", SERVE, labels={"confd.app": "web"}, host=policy)
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    agent = apart.agent_id()
    engine.halt()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: "reaches no Docker Engine" in apart._run("doctor").stdout, 30)
    # the host's news and the container's are told on their own, in any order
    until(
        lambda: [(one["state"], "will be tried again" in one["detail"]) for one in apart.status("web")] == AGAIN, 30
    )
    engine.start()
    until(lambda: engine.has("web", "A", "2") and engine.names(running=True) == ["web"], 60)
    until(lambda: apart._run("doctor").returncode == 0, 30)
    assert apart.agent_id() == agent


def test_an_agent_outlives_what_its_actions_meet_b114(apart: Apart, engine: EngineProcess, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "binding.json").write_text(json.dumps(SIGNALS))
    apart.ctl("binding", "set", "sig", str(tmp_path / "binding.json"), "-e", "dev")
    bind = {"Binds": [f"{tmp_path}/etc:/etc/app"]}
    for name in ("sig", "sig2"):
        engine.run(name, RELOAD, labels={"confd.app": "sig"}, host=bind)
    agent = apart.agent_id()
    apart.ctl("set", "sig", "A=1", "-e", "dev", "--wait", "30s")
    engine.client.kill("sig", "KILL")  # there is nothing to signal any more, and nothing to tell of
    apart.ctl("set", "sig", "A=2", "-e", "dev")
    until(lambda: json.loads((tmp_path / "etc" / "app.json").read_text()) == {"A": "2"}, 20)
    engine.remove("sig")
    apart.ctl("set", "sig", "A=3", "-e", "dev", "--wait", "30s")
    assert json.loads((tmp_path / "etc" / "app.json").read_text()) == {"A": "3"}
    assert [one["name"] for one in apart.status("sig")] == ["sig2"]
    assert apart.agent_id() == agent


def test_up_starts_its_etcd_again(confd: Confd, engine: EngineProcess) -> None:
    engine.run("again2", SERVE, labels={"confd.app": "again2"})
    confd.ctl("set", "again2", "A=1", "-e", "dev", "--wait", "30s")
    os.kill(confd.child("etcd"), signal.SIGKILL)
    until(lambda: confd._run("set", "again2", "A=2", "-e", "dev").returncode == 0, 40)
    until(lambda: engine.has("again2", "A", "2"), 40)
