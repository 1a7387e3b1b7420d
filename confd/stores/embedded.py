"""etcd as a child process, for trying and for one machine: reachable only through sockets in its data directory.

The directory has mode 0700, so that nobody gets round the API's token. One process owns it at a time, by a file
lock that ends with the process; an etcd left over from an owner that was killed is ended first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from confd.config import EtcdConfig
from confd.errors import ConfdError, Configuration, Unavailable
from confd.listening import MAX_SOCKET_PATH
from confd.stores.etcd import EtcdStore

__all__ = ["EmbeddedEtcd"]

CLIENT, PEER = "client:1", "peer:1"
ARGUMENTS = (
    *("--name", "embedded", "--data-dir", "etcd", "--logger", "zap"),
    *("--listen-client-urls", f"unix://{CLIENT}", "--advertise-client-urls", f"unix://{CLIENT}"),
    *("--listen-peer-urls", f"unix://{PEER}", "--initial-advertise-peer-urls", f"unix://{PEER}"),
    *("--initial-cluster", f"embedded=unix://{PEER}"),
)


class EmbeddedEtcd:
    """Start it once; `stop` ends it. Its keys stay in the data directory."""

    def __init__(self, data_dir: Path, *, program: str = "etcd") -> None:
        self._folder = Path(data_dir).absolute()
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def endpoint(self) -> str:
        return f"unix:{self._folder / CLIENT}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = 20.0) -> None:
        """Returns when etcd answers. Raises `Configuration`, or `Unavailable` when it does not come up."""
        program = self._find()
        self._own()
        try:
            self._end_orphan()
            self._clear_sockets()
            with (self._folder / "etcd.log").open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - a fixed command, found by PATH or given by the user
                    [program, *ARGUMENTS],
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._pid_file.write_text(str(self._process.pid))
            self._await(timeout_s)
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_s: float = 10.0) -> None:
        """End etcd and give the directory back; fine when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._pid_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    @property
    def _pid_file(self) -> Path:
        return self._folder / "etcd.pid"

    def _find(self) -> str:
        program = shutil.which(self._program)
        if program is None:
            raise Configuration(
                f"the program {self._program} is not there; install etcd (`apt-get install etcd-server`), "
                "or use --etcd to name one that runs"
            )
        if len(str(self._folder / CLIENT).encode()) > MAX_SOCKET_PATH:
            raise Configuration(f"the path {self._folder} is too long for a socket; use a shorter --data")
        return program

    def _own(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._lock = (self._folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self.stop()
            raise Configuration(
                f"another server already uses {self._folder}; stop it or give another --data"
            ) from exc
        except OSError as exc:
            self.stop()
            raise Configuration(f"the data directory {self._folder} cannot be used: {exc.strerror}") from exc

    def _end_orphan(self) -> None:
        try:
            pid = int(self._pid_file.read_text())
            ours = (
                Path(f"/proc/{pid}/cwd").samefile(self._folder)
                and CLIENT in Path(f"/proc/{pid}/cmdline").read_text()
            )
        except (OSError, ValueError):
            return
        if ours:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 10
            while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < deadline:
                if not _alive(pid):
                    break
                time.sleep(0.05)

    def _clear_sockets(self) -> None:
        """Sockets that a killed etcd left behind: it would take them for another one's. The lock is ours by now."""
        for name in (CLIENT, PEER):
            (self._folder / name).unlink(missing_ok=True)

    def _await(self, timeout_s: float) -> None:
        store = EtcdStore(EtcdConfig((self.endpoint,), timeout_s=1.0))
        deadline = time.monotonic() + timeout_s
        try:
            while self.running and time.monotonic() < deadline:
                try:
                    store.read(["/"])
                except ConfdError:
                    time.sleep(0.05)
                else:
                    return
        finally:
            store.close()
        ended = "did not answer in time" if self.running else "ended at once"
        raise Unavailable(f"the embedded etcd {ended}; its log is {self._folder / 'etcd.log'}")


def _alive(pid: int) -> bool:
    """Whether it runs: a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
