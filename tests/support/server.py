"""`confd-server api` as a process of its own, in front of an etcd that a test started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confd.client import Client, HttpTransport
from confd.errors import Unavailable
from tests.support.etcd import EtcdProcess
from tests.support.wait import until

__all__ = ["ApiProcess", "start_api"]


class ApiProcess:
    """One API process on a unix socket in its folder."""

    def __init__(self, folder: Path, etcd: EtcdProcess) -> None:
        self._log = folder / "log"
        token, socket = folder / "token", folder / "s"
        token.write_text("t" * 40)
        token.chmod(0o600)
        command = [sys.executable, "-m", "confd.main", "server", "api", "--etcd", etcd.endpoint]
        command += ["--listen", f"unix:{socket}", "--token-file", str(token), "--data", str(folder / "data")]
        environ = {name: text for name, text in os.environ.items() if not name.startswith("CONFD_")}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.client = Client(HttpTransport(f"unix:{socket}"), token="t" * 40)
        until(self._ready, 30)

    def kill(self) -> None:
        """As when the machine takes its power away."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def _ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self.client.call("GET", "/readyz", accept=(503,)).status == 200
        except Unavailable:
            return False


@pytest.fixture
def start_api(etcd: EtcdProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ApiProcess]]:
    """Start one or more on the test's etcd."""
    started: list[ApiProcess] = []

    def start() -> ApiProcess:
        started.append(ApiProcess(tmp_path_factory.mktemp("api"), etcd))
        return started[-1]

    yield start
    for process in started:
        process.kill()
