from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from confd.clock import ManualClock, SystemClock
from confd.supervise import Child
from tests.support.wait import until

PYTHON = sys.executable


def test_a_child_that_ends_is_started_again_after_a_pause() -> None:
    clock = ManualClock()
    child = Child("x", [PYTHON, "-c", "raise SystemExit(3)"], clock)
    child.start()
    until(lambda: child.starts == 1, 10)

    def started_again() -> bool:
        clock.advance(1)
        return child.starts >= 3

    until(started_again, 20)
    child.stop()


def test_a_child_whose_configuration_is_wrong_is_left_alone() -> None:
    child = Child("x", [PYTHON, "-c", "raise SystemExit(78)"], SystemClock())
    child.start()
    child._thread.join(10)
    assert not child._thread.is_alive()
    assert child.starts == 1
    child.stop()


def test_stop_ends_even_a_child_that_does_not_listen(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    child = Child("x", [PYTHON, "-c", code], SystemClock())
    child.start()
    until(ready.exists, 10)
    began = time.monotonic()
    child.stop(0.2)
    assert time.monotonic() - began < 2
    assert not child._thread.is_alive()


def test_a_child_that_never_was_started_can_be_stopped() -> None:
    child = Child("x", ["/no/such/program"], ManualClock())
    child.stop()
    assert child.starts == 0


def test_a_program_that_is_not_there_does_not_end_the_supervisor() -> None:
    child = Child("x", ["/no/such/program"], ManualClock())
    child.start()
    until(lambda: child.starts == 1, 5)
    assert child._thread.is_alive()
    child.stop()


def test_a_supervisor_that_is_killed_takes_its_child_along(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(told)!r}).write_text(str(os.getpid())); time.sleep(60)"
    code = (
        "import sys, time; from confd.clock import SystemClock; from confd.supervise import Child; "
        f"Child('x', [sys.executable, '-c', {sleeper!r}], SystemClock()).start(); time.sleep(60)"
    )
    with subprocess.Popen([PYTHON, "-c", code]) as supervisor:
        until(lambda: told.exists() and bool(told.read_text()), 10)
        supervisor.kill()
    child = Path("/proc") / told.read_text()
    until(lambda: not child.exists() or " Z " in (child / "stat").read_text(), 10)
