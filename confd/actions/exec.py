"""Run a command inside the container, so that its app takes over what has changed.

Exit code 0 is done, 75 asks to be skipped for now and is tried again, any other is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from confd.errors import CommandFailed, NotReady
from confd.model import Reach
from confd.ports import Execs, Inspect, Target

__all__ = ["NAME", "REACH", "REQUIRES", "SKIP", "apply"]

NAME = "exec"
REACH = Reach.IN_PLACE
REQUIRES = (Execs,)

SKIP = 75
"""EX_TEMPFAIL of sysexits.h."""


class _Able(Target, Execs, Protocol):
    pass


def apply(target: _Able, inspect: Inspect, command: Sequence[str], timeout_s: float) -> str:
    """The command's output. Raises `CommandFailed` with it, and `NotReady` where the command asks to be skipped."""
    code, output = target.execute(str(inspect["Id"]), command, timeout_s)
    if code == SKIP:
        raise NotReady(f"{command[0]} asks to be skipped for now (exit code {SKIP})")
    if code != 0:
        last = output.strip().rpartition("\n")[2][:200]
        said = f", its last words: {last}" if last else ""
        raise CommandFailed(f"{command[0]} ended with {code}{said}", log=output)
    return output
