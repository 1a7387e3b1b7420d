"""The embedded etcd: one owner, nothing left behind, clear words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from confd.config import EtcdConfig
from confd.errors import Configuration, Unavailable
from confd.ports import Put
from confd.stores.embedded import EmbeddedEtcd
from confd.stores.etcd import EtcdStore
from tests.support.wait import until


def test_keys_stay_over_a_restart_and_nobody_else_gets_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    etcd = EmbeddedEtcd(data)
    for number in (2, 3):
        etcd.start()
        store = EtcdStore(EtcdConfig((etcd.endpoint,)))
        assert store.commit([Put("/confd/meta", "{}")]) == number
        assert data.stat().st_mode & 0o777 == 0o700
        store.close()
        etcd.stop()
        assert not etcd.running


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    etcd = EmbeddedEtcd(tmp_path)
    etcd.start()
    with pytest.raises(Configuration, match="already uses"):
        EmbeddedEtcd(tmp_path).start()
    assert etcd.running
    etcd.stop()


def test_what_a_killed_owner_left_is_taken_over(tmp_path: Path) -> None:
    owner = (
        "import os, signal, sys; from pathlib import Path; from confd.stores.embedded import EmbeddedEtcd\n"
        "EmbeddedEtcd(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", owner, str(tmp_path)], env=os.environ, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    left = int((tmp_path / "etcd.pid").read_text())
    etcd = EmbeddedEtcd(tmp_path)
    etcd.start()
    assert int((tmp_path / "etcd.pid").read_text()) != left
    etcd.stop()


@pytest.mark.parametrize("whose", ["another's", "ours", "nobody's"])
def test_a_pid_that_means_somebody_else_by_now_gets_no_signal_b136(tmp_path: Path, whose: str) -> None:
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as other:
        pid = {"another's": other.pid, "ours": os.getpid(), "nobody's": 2**22 + 1}[whose]
        (tmp_path / "etcd.pid").write_text(str(pid))
        etcd = EmbeddedEtcd(tmp_path)
        etcd.start()
        assert (etcd.running, other.poll()) == (True, None)
        etcd.stop()
        other.kill()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="apt-get install etcd-server"):
        EmbeddedEtcd(tmp_path, program="no-such-etcd").start()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="too long"):
        EmbeddedEtcd(tmp_path / ("x" * 120)).start()


def test_it_starts_again_after_it_was_killed_and_has_its_keys(tmp_path: Path) -> None:
    embedded = EmbeddedEtcd(tmp_path)
    embedded.start()
    store = EtcdStore(EtcdConfig((embedded.endpoint,), timeout_s=3.0))
    try:
        store.commit([Put("/kept", "1")])
        os.kill(int((tmp_path / "etcd.pid").read_text()), signal.SIGKILL)
        until(lambda: not embedded.running, 10)
        embedded.stop()
        embedded.start()
        until(lambda: _kept(store), 10)
    finally:
        store.close()
        embedded.stop()


def _kept(store: EtcdStore) -> bool:
    try:
        return "/kept" in store.read(["/kept"]).entries
    except Unavailable:
        return False
