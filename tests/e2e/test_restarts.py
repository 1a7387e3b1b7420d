"""API and agent as programs of their own; etcd dies, the engine ends, both come back, and the path goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart, Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


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
    until(lambda: engine.has("web", "A", "3"), 40)


def test_the_engine_ends_and_comes_back_b114(apart: Apart, engine: EngineProcess) -> None:
    policy = {"RestartPolicy": {"Name": "always"}}
    engine.run("web", SERVE, labels={"confd.app": "web"}, host=policy)
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    engine.halt()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: "reaches no Docker Engine" in apart._run("doctor").stdout, 30)
    assert "pending" in apart.ctl("status", "web", "-e", "dev")
    engine.start()
    until(lambda: engine.has("web", "A", "2") and engine.names(running=True) == ["web"], 60)
    until(lambda: apart._run("doctor").returncode == 0, 30)


def test_up_starts_its_etcd_again(confd: Confd, engine: EngineProcess) -> None:
    engine.run("again2", SERVE, labels={"confd.app": "again2"})
    confd.ctl("set", "again2", "A=1", "-e", "dev", "--wait", "30s")
    os.kill(confd.child("etcd"), signal.SIGKILL)
    until(lambda: confd._run("set", "again2", "A=2", "-e", "dev").returncode == 0, 40)
    until(lambda: engine.has("again2", "A", "2"), 40)
