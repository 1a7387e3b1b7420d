"""API and agent as programs of their own; etcd dies, the engine ends, both come back, and the path goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


class Apart(Confd):
    """`confd-server api` and `confd-agent` on an etcd that is somebody else's."""

    def __init__(self, folder: Path, docker_host: str, etcd: str) -> None:
        super().__init__(folder, docker_host)
        self._etcd = etcd
        self._programs: list[subprocess.Popen[bytes]] = []
        self.environ |= {"CONFD_SERVER": f"http://127.0.0.1:{self.port}", "CONFD_TOKEN_FILE": str(folder / "token")}

    def start(self) -> None:
        token = ["--token-file", str(self._folder / "token"), "--listen", f"127.0.0.1:{self.port}"]
        agent = ["--env", "dev", "--docker-host", self._docker_host, "--host-name", "h1"]
        for arguments in (["server", "api", *token], ["agent", *agent, "--data", str(self._folder / "agent")]):
            command = [sys.executable, "-m", "confd.main", *arguments, "--etcd", self._etcd]
            with (self._folder / "log").open("ab") as log:
                self._programs.append(subprocess.Popen(command, env=self.environ, stdout=log, stderr=log))
        self._process = self._programs[0]
        until(self._ready, 30)

    def stop(self, number: int = signal.SIGTERM) -> None:
        for program in self._programs:
            program.send_signal(number)
        assert [program.wait(20) for program in self._programs] == [0, 0]


@pytest.fixture
def apart(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    programs.start()
    yield programs
    programs.stop()


def test_etcd_dies_and_comes_back(apart: Apart, engine: EngineProcess, etcd: EtcdProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"})
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    before = engine.inspect("web")["Id"]
    etcd.kill()
    apart.words("set", "web", "A=2", "-e", "dev", expect=69)
    assert engine.inspect("web")["Id"] == before
    etcd.start()
    until(lambda: apart._run("set", "web", "A=3", "-e", "dev").returncode == 0, 40)
    until(lambda: "web" in engine.names() and engine.variables("web")["A"] == "3", 40)


def test_the_engine_ends_and_comes_back_b114(apart: Apart, engine: EngineProcess) -> None:
    policy = {"RestartPolicy": {"Name": "always"}}
    engine.run("web", SERVE, labels={"confd.app": "web"}, host=policy)
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    engine.halt()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    engine.start()
    until(lambda: engine.names(running=True) == ["web"] and engine.variables("web")["A"] == "2", 60)


def test_up_starts_its_etcd_again(confd: Confd, engine: EngineProcess) -> None:
    engine.run("again2", SERVE, labels={"confd.app": "again2"})
    confd.ctl("set", "again2", "A=1", "-e", "dev", "--wait", "30s")
    os.kill(confd.child("etcd"), signal.SIGKILL)
    until(lambda: confd._run("set", "again2", "A=2", "-e", "dev").returncode == 0, 40)
    until(lambda: "again2" in engine.names() and engine.variables("again2").get("A") == "2", 40)
