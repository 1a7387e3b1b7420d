"""A private etcd per test: its own data, free ports, and the faults that tests need."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from confd.config import EtcdConfig
from confd.errors import ConfdError, StoreFull
from confd.ports import Delete, Put
from confd.stores.etcd import EtcdStore
from tests.support.wait import until

__all__ = ["EtcdProcess", "empty", "etcd", "fill", "free_port", "make_certificates", "start_etcd"]

_HOW = "is missing: `apt-get install etcd-server etcd-client`, or `make e2e-env`"


def make_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, as CA, server and client: (ca, cert, key)."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *words.split(), *extra], check=True, capture_output=True)
    return cert, cert, key


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EtcdProcess:
    """One member. `arguments` are added to etcd's command line (`--auth-token`, `--quota-backend-bytes` ...)."""

    def __init__(self, folder: Path, *arguments: str, tls: bool = False) -> None:
        self.folder = folder
        self.tls = make_certificates(folder) if tls else None
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._peer = f"http://127.0.0.1:{free_port()}"
        self.endpoint = f"127.0.0.1:{free_port()}"

    @property
    def config(self) -> EtcdConfig:
        if self.tls is None:
            return EtcdConfig((self.endpoint,), timeout_s=3.0)
        ca, cert, key = self.tls
        return EtcdConfig((f"https://{self.endpoint}",), ca=str(ca), cert=str(cert), key=str(key), timeout_s=3.0)

    def start(self) -> None:
        program = shutil.which("etcd")
        if program is None:
            pytest.fail(f"etcd {_HOW}")
        url = f"{'https' if self.tls else 'http'}://{self.endpoint}"
        arguments = list(self._arguments)
        if self.tls is not None:
            ca, cert, key = map(str, self.tls)
            arguments += ["--client-cert-auth", "--trusted-ca-file", ca, "--cert-file", cert, "--key-file", key]
        urls = ["--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls", self._peer]
        with (self.folder / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "--data-dir", str(self.folder / "data"), *urls, *arguments], stdout=log, stderr=log
            )
        until(self._answers, 20)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def save(self) -> Path:
        """A backup of the present state, as an operator takes one."""
        path = self.folder / f"backup-{len(list(self.folder.glob('backup-*')))}"
        self.ctl("snapshot", "save", str(path))
        return path

    def restore(self, backup: Path) -> None:
        """Be stopped, and start again from a backup on the same endpoint."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        self.ctl("snapshot", "restore", str(backup), "--data-dir", str(self.folder / "data"))
        self.start()

    def lose(self) -> None:
        """Its disk is lost: an empty one takes its place on the same endpoint."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        self.start()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """Run etcdctl against this member; its standard output."""
        program = shutil.which("etcdctl")
        if program is None:
            pytest.fail(f"etcdctl {_HOW}")
        command = [program, f"--endpoints={self.endpoint}", *arguments]
        done = subprocess.run(
            command, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "etcd.log").read_text()[-2000:]
        try:
            with socket.create_connection(("127.0.0.1", int(self.endpoint.rpartition(":")[2])), 1):
                pass
        except OSError:
            return False
        store = EtcdStore(self.config)
        try:
            store.read(["/"])
        except ConfdError as exc:
            return "user name is empty" in exc.detail  # it runs, and wants a user
        finally:
            store.close()
        return True

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(10)


def fill(store: EtcdStore) -> list[str]:
    """Write until it is refused (etcd looks at its size only now and then); the keys."""
    filled: list[str] = []
    with suppress(StoreFull):
        for number in itertools.count():
            filled.append(f"/confd/fill/{number}")
            store.commit([Put(filled[-1], "x" * 500_000)])
    return filled


def empty(etcd: EtcdProcess, store: EtcdStore, filled: list[str]) -> None:
    """Take that away again, and the alarm."""
    revision = store.commit([Delete(key) for key in filled])
    etcd.ctl("compact", str(revision))
    etcd.ctl("defrag")
    etcd.ctl("alarm", "disarm")


@pytest.fixture
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdProcess]:
    """A private etcd that runs."""
    process = EtcdProcess(tmp_path_factory.mktemp("etcd"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def start_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., EtcdProcess]]:
    """Start further ones: arguments are etcd's, `tls=True` for mutual TLS."""
    started: list[EtcdProcess] = []

    def start(*arguments: str, tls: bool = False) -> EtcdProcess:
        process = EtcdProcess(tmp_path_factory.mktemp("etcd"), *arguments, tls=tls)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()
