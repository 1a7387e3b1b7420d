"""Keeps one child process running: started again after a growing pause, except where it says 78."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

from confd.ports import Clock

__all__ = ["Child"]

log = logging.getLogger(__name__)

LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0
CONFIGURATION = 78
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        print(f"{sys.argv[2]} cannot be started: {error.strerror}", file=sys.stderr)
        sys.exit(127)
"""
"""Becomes the command, which is asked to end when its parent (the first argument) is killed: PR_SET_PDEATHSIG.

A process that holds gRPC's threads may not run anything of its own between fork and exec, as `preexec_fn` does: the
child then aborts now and then.
"""


class Child:
    """See the module. `start` once, then `stop`."""

    def __init__(self, name: str, command: Sequence[str], clock: Clock) -> None:
        self._name = name
        self._command = list(command)
        self._clock = clock
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.starts = 0
        self._thread = threading.Thread(target=self._run, name=f"child-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 0.9) -> None:
        """Ask it to end, and end it when it does not in time."""
        self._stop.set()
        with self._lock:
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
        if self._thread.ident is not None:  # else it never was started
            self._thread.join(1.0)

    def _run(self) -> None:
        pause_s = 1.0
        while not self._stop.is_set():
            began = self._clock.now()
            code = self._once()
            if self._stop.is_set():
                return
            if code == CONFIGURATION:
                log.error("%s does not run: its configuration is wrong, see above", self._name)
                return
            if self._clock.now() - began > STEADY_S:
                pause_s = 1.0
            log.warning("%s ended with %s; it is started again in %.0f s", self._name, code, pause_s)
            self._clock.wait(self._stop, pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _once(self) -> int | None:
        with self._lock:
            if self._stop.is_set():
                return None
            self.starts += 1
            try:
                self._process = process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *self._command],
                    stdin=subprocess.DEVNULL,
                )
            except OSError as exc:
                log.error("%s cannot be started: %s", self._name, exc.strerror)
                return 127
        return process.wait()
