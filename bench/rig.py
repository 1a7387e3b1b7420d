"""What the measures run on: etcd, an engine, the product, and an app that tells what it does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confd.client import Client, Edit, HttpTransport, Scope, integer
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart

__all__ = ["APP", "ENV", "IMAGE", "ROOT", "Ear", "Rig", "await_answer", "median_of", "rig", "say"]

ROOT = Path(__file__).parents[1]
IMAGE = "confd-bench:1"
ENV = "dev"
ALIVE_S = 30.0

APP = """
import os, signal, socket
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.connect(os.environ.get("EAR", "/ear/socket"))
tell = lambda word: ear.send((word + " " + os.environ.get("STAMP", "")).encode())
awaited = {signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
tell("started")
while signal.sigwait(awaited) == signal.SIGHUP:
    tell("signal")
"""
"""The app of all measures: it tells when it started, with the value it sees, and when it got a signal."""


def say(text: str) -> None:
    """Progress, beside the table."""
    print(f"   {text}", flush=True)


class Ear:
    """A datagram socket in a folder that containers mount; hears what the app tells."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.path = folder / "socket"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(ALIVE_S)

    def hear(self, words: str) -> float:
        """Wait until the app tells just this; when that was, in seconds of the monotonic clock."""
        while True:
            heard = self._socket.recv(256).decode()
            at = time.monotonic()
            if heard == words:
                return at

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Rig:
    """An etcd, an engine, and the API and the agent as programs of their own."""

    folder: Path
    etcd: EtcdProcess
    engine: EngineProcess
    confd: Apart
    client: Client
    revisions: dict[str, int] = field(default_factory=dict)

    def ear(self, name: str) -> Ear:
        return Ear(self.folder / name)

    def set(self, app: str, values: Mapping[str, str]) -> float:
        """One change; when it was acknowledged, in seconds of the monotonic clock."""
        answer = self.client.change(Scope(app, ENV), Edit(set=dict(values)))
        acknowledged = time.monotonic()
        self.revisions[app] = integer(answer["revision"])
        return acknowledged

    def bind(self, app: str, binding: Mapping[str, Any]) -> None:
        self.client.put_binding(Scope(app, ENV), dict(binding), Edit())

    def settle(self, app: str) -> None:
        """Wait until all containers of the app are in sync with its last change."""
        scope, revision = Scope(app, ENV), self.revisions.get(app, 0)

        def settled() -> bool:
            found = self.client.status(scope, revision)["containers"]
            return all(one["state"] == "in-sync" and integer(one["revision"]) >= revision for one in found)

        await_answer(settled)

    def run(self, name: str, ear: Ear, app: str | None, *binds: str, **more: Any) -> str:
        """A container of the app; labelled when it takes settings of that app."""
        labels = {"confd.app": app} if app else more.pop("labels", {})
        host = {"Binds": [f"{ear.folder}:/ear", *binds]}
        return self.engine.run(
            name, ["python3", "-I", "-S", "-c", APP], Image=IMAGE, labels=labels, host=host, **more
        )


def await_answer(answers: Any, timeout_s: float = 120.0) -> None:
    """Ask until the answer is true."""
    until = time.monotonic() + timeout_s
    while not answers():
        if time.monotonic() > until:
            raise TimeoutError("what the bench waits for did not happen")
        time.sleep(0.005)


def median_of(samples: Sequence[float]) -> float:
    return sorted(samples)[len(samples) // 2]


@contextmanager
def rig() -> Iterator[Rig]:
    """Start all of it and take it away again."""
    subprocess.run([str(ROOT / "scripts" / "need.sh"), "etcd", "docker"], check=True)
    with ExitStack() as over:
        folder = Path(tempfile.mkdtemp(prefix="confd-bench-"))
        over.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("etcd", "engine", "programs"):
            (folder / name).mkdir()
        say("starting etcd, an engine, the API and an agent")
        etcd = EtcdProcess(folder / "etcd")
        etcd.start()
        over.callback(etcd.kill)
        engine = EngineProcess(folder / "engine")
        engine.start()
        over.callback(engine.stop)
        image = [str(ROOT / "scripts" / "image.sh"), IMAGE, "--python"]
        subprocess.run(image, env={**os.environ, "DOCKER_HOST": engine.docker_host}, check=True)
        confd = Apart(folder / "programs", engine.docker_host, etcd.endpoint)
        confd.start()
        over.callback(confd.stop)
        token = (folder / "programs" / "token").read_text().strip()
        yield Rig(folder, etcd, engine, confd, Client(HttpTransport(confd.environ["CONFD_SERVER"]), token))
