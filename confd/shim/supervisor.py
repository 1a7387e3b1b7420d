"""The one that starts, signals, stops and reaps the child: nothing else does."""

from __future__ import annotations

import errno
import os
import signal
import time

from confd.shim.feed import Feed, random_part
from confd.shim.process import SUSPENDS, Signals, Terminal, child_environment, group_lives, heeds, spawn
from confd.shim.settings import Settings
from confd.shim.told import CANNOT_EXECUTE, NOT_FOUND, UNAVAILABLE, FetchError, ShimError, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from confd.shim.options import Base, Options

__all__ = ["Supervisor"]

GROUP_POLL_S = 0.02
READY_POLL_S = 0.1
SHUTS_DOWN = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class Supervisor:
    """Runs the one child: forwards signals, reaps, and acts on changes of its settings."""

    def __init__(self, options: Options, base: Base) -> None:
        self._options, self._base = options, base
        self._signals, self._terminal = Signals(), Terminal()
        self._feed = Feed(options, self._signals.wake)
        self._group = 0  # the child's process id and group; it keeps its value when the child has ended
        self._exit_code: int | None = None  # of the ended child
        self._settings: Settings | None = None  # those the child has
        self._next: Settings | None = None  # those it is due
        self._act_at: float | None = None
        self._kill_at: float | None = None
        self._replacing = False  # the child was asked to end because of a change
        self._asked_rest = False  # so was what it left behind in its group
        self._shutting_down = False
        self._suspended = False
        self._out_of_reach = False
        self._told_unready = False
        self._held = ""
        self._shutdown_signals = {*SHUTS_DOWN, options.stop_signal}

    def run(self) -> int:
        """Live until the child ends for good; its exit code. Raises ShimError when none was started."""
        self._feed.start()
        self._settings = self._first_settings()
        if self._settings is None:
            return self._exit_code or 0
        try:
            self._start(self._settings)
            while self._exit_code is None or self._waits_for_group():
                self._handle(self._signals.wait(self._timeout_s()))
                self._read_feed()
                self._keep_time()
        finally:
            self._terminal.take_back()
        return self._exit_code

    def _first_settings(self) -> Settings | None:
        """The first settings; None when a signal ended the wait. Raises ShimError."""
        deadline = time.monotonic() + self._options.start_timeout_s
        failure = FetchError("the server did not answer in time")
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ShimError(UNAVAILABLE, f"no settings within the start timeout: {failure.detail}")
            for number in self._signals.wait(left_s):
                if number in self._shutdown_signals or number == signal.SIGHUP:
                    self._exit_code = 128 + number
                    return None
            self._reap()
            while self._feed.inbox:
                news = self._feed.inbox.pop(0)
                if isinstance(news, Settings):
                    return news
                failure = self._bear(news)

    def _bear(self, failure: FetchError) -> FetchError:
        """Tell of a failure before the start; raises ShimError when another try is of no use."""
        if failure.final_code is not None:
            raise ShimError(failure.final_code, failure.detail)
        self._tell_failure(failure)
        return failure

    def _start(self, settings: Settings) -> None:
        """Start the child. Where it cannot be executed, the exit code says so."""
        self._settings, self._exit_code = settings, None
        self._replacing = self._asked_rest = self._suspended = False
        self._kill_at = None
        command = self._options.command
        environment = child_environment(self._options, self._base, settings.variables)
        try:
            self._group = spawn(command, environment, self._signals, self._terminal)
        except OSError as exc:
            missing = exc.errno in (errno.ENOENT, errno.ENOTDIR)
            say(f"cannot execute {command[0]}: {os.strerror(exc.errno or 0)}")
            self._exit_code = NOT_FOUND if missing else CANNOT_EXECUTE

    # Signals

    def _handle(self, numbers: Sequence[int]) -> None:
        """Forward what arrived; then reap, whatever arrived."""
        for number in numbers:
            if number and number != signal.SIGCHLD:
                self._forward(number)
        self._reap()

    def _forward(self, number: int) -> None:
        if number in self._shutdown_signals:
            self._shutting_down = True
        job_control = number in SUSPENDS or number == signal.SIGCONT
        self._send(number, whole_group=job_control)
        if number in SUSPENDS:
            self._suspended = True
        elif self._suspended and (number == signal.SIGCONT or self._shutting_down):
            self._suspended = False
            if number != signal.SIGCONT:
                self._send(signal.SIGCONT, whole_group=True)

    def _send(self, number: int, *, whole_group: bool = False) -> None:
        """Signal the child, or its group; an ended child was reaped, and its id is never used again."""
        try:
            if whole_group:
                os.killpg(self._group, number)
            elif self._exit_code is None:
                os.kill(self._group, number)
        except (ProcessLookupError, PermissionError):
            return

    def _reap(self) -> None:
        """Reap every ended child: the one, and, as PID 1, all orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._group and self._exit_code is None:
                self._exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    # Changes

    def _read_feed(self) -> None:
        while self._feed.inbox:
            news = self._feed.inbox.pop(0)
            if isinstance(news, FetchError):
                self._tell_failure(news)
                continue
            if self._out_of_reach:
                self._out_of_reach = False
                say("the server answers again")
            self._take(news)

    def _tell_failure(self, failure: FetchError) -> None:
        if not self._out_of_reach:
            self._out_of_reach = True
            say(f"{failure.detail}; trying again")

    def _take(self, news: Settings) -> None:
        """Note what the child is due, and when to act; a change that was taken back needs nothing.

        What has gone without a change is not taken from the child, until it is back or a change says so.
        """
        current = (self._next if self._replacing else None) or self._settings
        held = news.lost(current) if current is not None else ""
        if held and held != self._held:
            say(f"{held}; the command keeps what it has")
        self._held = held
        if held:
            return
        if self._settings is None or self._replacing:
            self._next = news
            return
        if news.variables == self._settings.variables:
            self._settings, self._next, self._act_at = news, None, None
            return
        self._next = news
        if self._act_at is None:
            self._act_at = time.monotonic() + self._options.splay_s * random_part()

    def _act(self) -> None:
        """Do to the child what a change asks for."""
        self._act_at = None
        if self._next is None or self._shutting_down or self._exit_code is not None:
            return
        if self._options.on_change == "signal" and not heeds(self._group, self._options.signal_on_change):
            self._wait_until_ready()
            return
        self._told_unready = False
        say(f"settings changed at revision {self._next.revision}: {self._options.on_change}")
        if self._options.on_change == "signal":
            self._settings, self._next = self._next, None
            self._send(self._options.signal_on_change)
            return
        self._replacing = True
        self._kill_at = time.monotonic() + self._options.stop_timeout_s
        self._send(self._options.stop_signal)
        if self._suspended:
            self._send(signal.SIGCONT, whole_group=True)

    def _wait_until_ready(self) -> None:
        """Look again shortly: a signal that comes before its handler would end the child."""
        self._act_at = time.monotonic() + READY_POLL_S
        if not self._told_unready:
            self._told_unready = True
            number = self._options.signal_on_change
            say(f"settings changed, and the command does not catch signal {number} (yet): waiting until it does")

    def _waits_for_group(self) -> bool:
        """Whether an ended child is to be followed by a new one, once its whole group is gone."""
        return self._replacing and not self._shutting_down and self._options.on_change == "respawn"

    def _timeout_s(self) -> float | None:
        if self._exit_code is not None:
            return GROUP_POLL_S if group_lives(self._group) else 0.0
        times = [at for at in (self._act_at, self._kill_at) if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _keep_time(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if self._act_at is not None and now >= self._act_at:
            self._act()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            say("the stop timeout is over: killing the child's group")
            self._send(signal.SIGKILL, whole_group=True)
        if self._exit_code is not None and self._waits_for_group():
            self._succeed()

    def _succeed(self) -> None:
        """Start the successor of an ended child when its group is gone; what is left of it is asked to end."""
        if group_lives(self._group):
            if not self._asked_rest:
                self._asked_rest = True
                self._send(self._options.stop_signal, whole_group=True)
        elif self._next is not None:
            settings, self._next = self._next, None
            self._start(settings)
