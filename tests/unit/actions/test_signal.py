"""Which processes may be sent a signal, by what the kernel says of real ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from confd.actions import signal as action
from confd.errors import EngineRefused, EngineUnavailable, NotReady
from confd.targets.docker import DockerTarget
from tests.support.wait import until

HUP = "import select, signal as s; "
WAIT = "s.pthread_sigmask(s.SIG_BLOCK, {s.SIGHUP}); print(flush=True); s.sigwait({s.SIGHUP})"
ELSEWHERE = (
    "import threading; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGHUP}); "
    "threading.Thread(target=s.sigwait, args=({s.SIGHUP},)).start(); print(flush=True)"
)
HANDLER = (
    "got = []; s.signal(s.SIGHUP, lambda *_: got.append(1)); print(flush=True)\n"
    "while not got: select.select((), (), (), 0.05)"
)
OTHER = "s.pthread_sigmask(s.SIG_BLOCK, {s.SIGUSR1}); print(flush=True); s.sigwait({s.SIGUSR1})"
NONE = "s.signal(s.SIGHUP, s.SIG_DFL); print(flush=True); s.pause()"


@contextmanager
def _process(program: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen([sys.executable, "-c", HUP + program], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


def _send(pid: int) -> None:
    """To a process that has the container's id in the name of its control group, as an engine's has."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    container = lines[0].rpartition(":")[2]
    inspect = {"Id": container, "State": {"Pid": pid}, "Config": {}, "HostConfig": {}}
    action.apply(DockerTarget("unix:///no/such/socket"), inspect, "HUP")


@pytest.mark.parametrize("program", [WAIT, ELSEWHERE, HANDLER], ids=["sigwait", "sigwait in a thread", "handler"])
def test_a_process_that_takes_the_signal_gets_it(program: str) -> None:
    with _process(program) as running:
        if program is not HANDLER:
            tasks = list(Path(f"/proc/{running.pid}/task").iterdir())
            until(lambda: any("sigtimedwait" in (task / "wchan").read_text() for task in tasks), 10)
        _send(running.pid)
        assert running.wait(10) == 0


@pytest.mark.parametrize("program", [NONE, OTHER], ids=["no handler", "sigwait for another signal"])
def test_a_process_that_would_die_of_the_signal_is_spared(program: str) -> None:
    with _process(program) as running:
        until(lambda: "S" in Path(f"/proc/{running.pid}/stat").read_text().rpartition(")")[2].split()[0], 10)
        if program is OTHER:
            until(lambda: "sigtimedwait" in Path(f"/proc/{running.pid}/wchan").read_text(), 10)
        with pytest.raises(NotReady, match="does not catch SIGHUP"):
            _send(running.pid)
        assert running.poll() is None


def test_a_pid_that_is_another_process_s_by_now_gets_nothing_b136() -> None:
    """The way by the engine is taken then; there is none here."""
    with _process(HANDLER) as running:
        inspect = {"Id": "f" * 64, "State": {"Pid": running.pid}, "Config": {}, "HostConfig": {}}
        with closing(DockerTarget("tcp://127.0.0.1:1", 1.0)) as target, pytest.raises(EngineUnavailable):
            action.apply(target, inspect, "HUP")
        assert running.poll() is None


def test_what_is_no_signal_is_refused() -> None:
    with pytest.raises(EngineRefused, match="no signal"):
        action.number_of("NO-SUCH")


@pytest.mark.parametrize("name", ["HUP", "SIGHUP", "hup", "1"])
def test_a_signal_goes_by_name_or_number(name: str) -> None:
    assert action.number_of(name) is signal.SIGHUP
