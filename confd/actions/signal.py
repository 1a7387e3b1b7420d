"""Send the main process a signal, in the way that leaves the container's restart policy alive.

By host pid where agent and engine share the pid namespace; else by the engine's API where that keeps the policy
(moby 41302: a signal through the API counts as a stop unless the container names another stop signal, and for the
policy `unless-stopped` always); else by `kill` inside the container.
"""

from __future__ import annotations

import os
import signal as signals
import sys
from pathlib import Path
from typing import Protocol

from confd.errors import ContainerGone, EngineRefused, NotReady
from confd.hostprocess import PROC, is_in
from confd.model import Reach
from confd.ports import Execs, Inspect, Signals, Target

__all__ = ["NAME", "REACH", "REQUIRES", "apply", "number_of"]

NAME = "signal"
REACH = Reach.IN_PLACE
REQUIRES = (Signals, Execs)

EXEC_TIMEOUT_S = 5.0
_UNCATCHABLE = ("SIGKILL", "SIGSTOP")


class _Able(Target, Signals, Execs, Protocol):
    pass


def number_of(name: str) -> signals.Signals:
    """`HUP`, `SIGHUP` or `1`. Raises `EngineRefused` for what is no signal."""
    try:
        if name.isdigit():
            return signals.Signals(int(name))
        return signals.Signals["SIG" + name.upper().removeprefix("SIG")]
    except (KeyError, ValueError):
        raise EngineRefused(f"{name!r} is no signal; use a name like HUP") from None


def apply(target: _Able, inspect: Inspect, name: str, proc: Path = PROC) -> None:
    """Raises `NotReady` while the process does not catch the signal, `ContainerGone`, `EngineRefused`."""
    number = number_of(name)
    container, pid = str(inspect["Id"]), int((inspect.get("State") or {}).get("Pid") or 0)
    if pid and is_in(container, pid, proc):
        _by_pid(proc, pid, container, number)
    elif _api_keeps_policy(inspect, number):
        target.signal(container, number.name)
    else:
        _by_exec(target, container, number)


def _by_pid(proc: Path, pid: int, container: str, number: signals.Signals) -> None:
    """The descriptor is opened first and the pid checked again: it cannot be another process's by then."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise ContainerGone("its process has just ended; looking again") from None
    try:
        if not is_in(container, pid, proc):
            raise ContainerGone("its process has just ended; looking again")
        if number.name not in _UNCATCHABLE and not _catches(proc, pid, number):
            raise NotReady(
                f"its process does not catch {number.name} (yet): it would miss it or die of it; "
                "let the program handle it, or choose restart in the binding"
            )
        signals.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        raise ContainerGone("its process has just ended; looking again") from None
    finally:
        os.close(handle)


def _catches(proc: Path, pid: int, number: signals.Signals) -> bool:
    """Caught by a handler, or kept by a thread for sigwait or signalfd.

    While a thread is in sigwait the kernel shows the signals it waits for as not blocked; its call names them.
    """
    bit = 1 << (number - 1)
    try:
        threads = list((proc / str(pid) / "task").iterdir())
        return any((_masks(thread) | _awaited(thread)) & bit for thread in threads)
    except OSError:
        raise ContainerGone("its process has just ended; looking again") from None


def _awaited(thread: Path) -> int:
    """The signals that a thread waits for in sigwait: its call's first argument says where their set stands."""
    try:
        if "sigtimedwait" not in (thread / "wchan").read_text():
            return 0
        at = int((thread / "syscall").read_text().split()[1], 16)
        with (thread / "mem").open("rb") as memory:
            memory.seek(at)
            return int.from_bytes(memory.read(8), sys.byteorder)
    except (OSError, ValueError, IndexError):
        return 0  # it runs again, or may not be looked at: what the masks show counts


def _masks(thread: Path) -> int:
    """The signals that have a handler or are blocked."""
    lines = (thread / "status").read_text().splitlines()
    masks = {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}
    return int(masks.get("SigCgt", "0"), 16) | int(masks.get("SigBlk", "0"), 16)


def _api_keeps_policy(inspect: Inspect, number: signals.Signals) -> bool:
    policy = (inspect["HostConfig"].get("RestartPolicy") or {}).get("Name") or "no"
    stop = inspect["Config"].get("StopSignal") or ""
    if policy in ("no", "unless-stopped"):  # for the latter the engine notes any signal as a stop by hand
        return policy == "no"
    return stop != "" and number_of(stop) != number


def _by_exec(target: _Able, container: str, number: signals.Signals) -> None:
    code, output = target.execute(container, ["kill", "-s", number.name[3:], "1"], EXEC_TIMEOUT_S)
    if code != 0:
        raise EngineRefused(
            f"{number.name} through the engine would switch its restart policy off, and in the container "
            f"`kill` cannot be run ({output.strip() or code}); give it --restart always --stop-signal SIGTERM, or "
            "choose restart"
        )
