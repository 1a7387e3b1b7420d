"""The child as a process: its environment, its signals and terminal, its group and whether that lives."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys

from confd.shim.limits import read_limits, read_text
from confd.shim.told import CANNOT_EXECUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from confd.shim.options import Base, Options
    from confd.shim.settings import Variables

__all__ = ["SUSPENDS", "Signals", "Terminal", "child_environment", "group_lives", "heeds", "spawn"]

PRISTINE_KEEPS = (b"PATH", b"HOME", b"HOSTNAME", b"TERM")
NEVER_FORWARDED = frozenset({
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD,  # not catchable, or ours
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS,
    signal.SIGPIPE, signal.SIGXFSZ,  # the shim's own writes raise them; Python ignores them, the child does not
})  # fmt: skip
EVERY = sum(1 << (number - 1) for number in range(1, 32) if number not in (signal.SIGKILL, signal.SIGSTOP))
SUSPENDS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})


def child_environment(options: Options, base: Base, variables: Variables) -> dict[bytes, bytes]:
    """The base, overlaid with limits and variables: one entry a name; what is unset shows the base again."""
    environment = {name: base[name] for name in PRISTINE_KEEPS if name in base} if options.pristine else dict(base)
    if options.limits:
        environment.update(read_limits())
    for name, value in variables.items():
        if value is None:
            environment.pop(name.encode(), None)
        else:
            environment[name.encode()] = value.encode()
    return environment


class Signals:
    """Handlers that only put the signal's number into a pipe, and what the child needs to start clean."""

    __slots__ = ("_reads", "forwarded", "wake")

    def __init__(self) -> None:
        self._reads, self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        # What was ignored when we started (nohup) stays so, for us and for the child.
        self.forwarded = [
            number
            for number in signal.valid_signals() - NEVER_FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN
        ]
        for number in (*self.forwarded, signal.SIGCHLD):
            signal.signal(number, _noted)

    def wait(self, timeout_s: float | None) -> list[int]:
        """The signals that arrived, and 0 for news of the feed. Waits for the first until the time is over."""
        poll = select.poll()
        poll.register(self._reads, select.POLLIN)
        poll.poll(None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999)))
        try:
            return list(os.read(self._reads, 4096))
        except BlockingIOError:
            return []

    def reset(self) -> None:
        """Give a forked child the default dispositions."""
        signal.set_wakeup_fd(-1)
        for number in (*self.forwarded, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)


def _noted(_number: int, _frame: object) -> None:
    """The wake-up pipe has the number already."""


class Terminal:
    """The terminal, when we own its foreground: the child's group gets it, at the end we take it back."""

    __slots__ = ("ours",)

    def __init__(self) -> None:
        try:
            self.ours = os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            self.ours = False

    def give(self, group: int) -> None:
        """Put the group into the foreground. SIGTTOU must be blocked, as we may be in the background."""
        if self.ours:
            try:
                os.tcsetpgrp(0, group)
            except OSError:
                return

    def take_back(self) -> None:
        """Put our own group into the foreground."""
        if self.ours:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            self.give(os.getpgrp())


def spawn(command: list[str], environment: Base, signals: Signals, terminal: Terminal) -> int:
    """Start the command in a process group of its own; its id. Raises OSError when it cannot be executed."""
    reads, writes = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # none may hit the child half made
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            terminal.give(os.getpid())
            signals.reset()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.execvpe(command[0], command, environment)  # noqa: S606 - starting the command is what this is for
        except OSError as exc:
            os.write(writes, str(exc.errno or errno.EACCES).encode())
        finally:
            os._exit(CANNOT_EXECUTE)
    os.close(writes)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    failed = os.read(reads, 16)
    os.close(reads)
    if failed:
        os.waitpid(pid, 0)
        raise OSError(int(failed), os.strerror(int(failed)))
    return pid


def group_lives(group: int) -> bool:
    """Whether any process of the group still runs; a zombie that someone else must reap holds no port."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stats = (
        read_text(f"/proc/{name}/stat").rpartition(")")[2].split()
        for name in os.listdir("/proc")
        if name.isdecimal()
    )
    return any(len(stat) > 2 and stat[2] == str(group) and stat[0] not in "ZX" for stat in stats)


def heeds(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal, or a thread keeps it back to wait for it; else it may die.

    While a thread is in sigwait the kernel shows the signals it waits for as not blocked: its call names them. Who
    blocks every signal may do so for the moment of a fork only, as shells do: that alone says nothing.
    """
    if number in (signal.SIGKILL, signal.SIGSTOP):
        return True
    try:
        threads = [f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return True  # nothing is to be known here
    lines = [line for thread in threads for line in read_text(f"{thread}/status").splitlines()]
    known = [(line[:7], int(line[7:], 16)) for line in lines if line.startswith(("SigCgt:", "SigBlk:"))]
    bit = 1 << (number - 1)
    if any(mask & bit and (name == "SigCgt:" or mask & EVERY != EVERY) for name, mask in known):
        return True
    return any(_awaited(thread) & bit for thread in threads) or bool(_by_descriptor(pid) & bit)


def _by_descriptor(pid: int) -> int:
    """The signals that the process reads from a signalfd."""
    found = 0
    try:
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            for line in read_text(f"/proc/{pid}/fdinfo/{name}").splitlines():
                found |= int(line[8:], 16) if line.startswith("sigmask:") else 0
    except OSError:
        pass
    return found


def _awaited(thread: str) -> int:
    """The signals that a thread waits for in sigwait: its call's first argument says where their set stands."""
    if "sigtimedwait" not in read_text(f"{thread}/wchan"):
        return 0
    try:
        at = int(read_text(f"{thread}/syscall").split()[1], 16)
        with open(f"{thread}/mem", "rb") as memory:
            memory.seek(at)
            return int.from_bytes(memory.read(8), sys.byteorder)
    except PermissionError:
        return -1  # it may not be looked at: it waits for something
    except (OSError, ValueError, IndexError):
        return 0  # it runs again: what the masks show counts
