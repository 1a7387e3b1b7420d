"""Processes of containers by their pids, where this process shares the engine's pid namespace."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PROC", "end_tree", "is_in"]

PROC = Path("/proc")


def is_in(container: str, pid: int, proc: Path = PROC) -> bool:
    """Whether that pid is, in this process's pid namespace, one of the container's."""
    try:
        return container in (proc / str(pid) / "cgroup").read_text()
    except OSError:
        return False


def end_tree(container: str, pid: int, proc: Path = PROC) -> None:
    """Kill a process of the container and all that it has started; nothing where the pid is none of its."""
    for one in [pid, *_descendants(pid, proc)]:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(one)
            try:
                if is_in(container, one, proc):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)


def _descendants(pid: int, proc: Path) -> Iterator[int]:
    try:
        children = [
            int(child)
            for thread in (proc / str(pid) / "task").iterdir()
            for child in (thread / "children").read_text().split()
        ]
    except OSError:
        return
    for child in children:
        yield child
        yield from _descendants(child, proc)
