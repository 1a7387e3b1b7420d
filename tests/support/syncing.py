"""`confctl sync` as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.wait import until

__all__ = ["Syncing"]


class Syncing:
    """Starts at once; `prefix` is a command that runs it."""

    def __init__(self, environ: Mapping[str, str], log: Path, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self._log = log
        command = [*prefix, sys.executable, "-m", "confd.cli", "sync", *arguments]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, env=dict(environ), stdout=file, stderr=file)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def await_said(self, words: str, times: int = 1) -> None:
        until(lambda: self.said.count(words) >= times or self.process.poll() is not None, 30)
        assert self.said.count(words) >= times, f"{words!r} in:\n{self.said}"

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def __enter__(self) -> Syncing:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)
