"""One container of the engine in memory: its document, the program in it, and how its lives begin and end."""

from __future__ import annotations

import signal as signals
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from confd.errors import ContainerGone, EngineRefused
from confd.model import EMPTY

__all__ = ["Life", "Program", "signal_name"]

KILLED = 137
LIVES = 4
"""After so many lives one that ends at once stays between two of them, as where the engine's pauses grow."""

Tell: TypeAlias = Callable[["Life", str, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What the main process of a container does.

    It says `says` and then ends with the code `exits`, or runs where that is None. `heeds` tells what a signal
    does: it ends with a code, or says a line and goes on; any other signal but SIGKILL passes it by, as it does
    a first process without a handler. `tools` has what a command inside gives: its first word -> code and
    output, None for one that takes too long; with a `kill` among them, `kill -s NAME 1` sends the signal. One that
    is not `found` does not start. `writes` are the paths that it changes outside of all mounts; `health` is what
    its health check finds, `healthy` or `unhealthy`, where it has one.
    """

    exits: int | None = None
    says: str = ""
    heeds: Mapping[str, int | str] = field(default_factory=lambda: {"SIGTERM": 0})
    tools: Mapping[str, tuple[int, str] | None] = field(default_factory=lambda: EMPTY)
    found: bool = True
    writes: tuple[str, ...] = ()
    health: str = ""


@dataclass(slots=True)
class Life:
    """A container. `tell` is called with each event's action and what else it tells of; `now` gives the time."""

    document: dict[str, Any]
    program: Program
    tell: Tell
    now: Callable[[], str]
    output: list[str] = field(default_factory=list)
    _lives: int = 0
    _ends: bool = False
    """It was told to end: no policy starts it again."""
    _signalled: bool = False
    """Somebody sent it a signal, which for `unless-stopped` counts as a stop."""

    @property
    def id(self) -> str:
        return str(self.document["Id"])

    @property
    def name(self) -> str:
        return str(self.document["Name"]).lstrip("/")

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.document["State"]
        return state

    def begin(self) -> None:
        """The first life after somebody asked for it. Raises `EngineRefused`."""
        if not self.program.found:
            self.fail(127, "executable file not found in $PATH")
        self.document["RestartCount"] = 0
        self._ends = self._signalled = False
        self._run()

    def fail(self, code: int, why: str) -> None:
        """It cannot start. Raises `EngineRefused`."""
        self.state.update(ExitCode=code, Error=why)
        raise EngineRefused(why)

    def halt(self) -> None:
        """Stop it; nothing where it does not run."""
        if not self.state["Running"]:
            return
        self._ends = True
        if self.state["Restarting"]:
            self._stopped()
        else:
            heed = self.program.heeds.get(self._stop_signal or "SIGTERM")
            self._die(heed if isinstance(heed, int) else KILLED)
        self.tell(self, "stop", EMPTY)

    def signal(self, name: str) -> None:
        """A signal through the engine, which may count as a stop. Raises `ContainerGone`."""
        if not self.state["Running"]:
            raise ContainerGone(f"{self.id} is not running")
        self._ends = self._ends or self._stop_signal in ("", name) or name == "SIGKILL"
        self._signalled = True
        if self.state["Restarting"]:
            self._stopped()
        elif name == "SIGKILL":
            self._die(KILLED)
        else:
            self.send(name)

    def send(self, name: str) -> None:
        """A signal from inside: SIGKILL passes a first process by."""
        heed = self.program.heeds.get(name)
        if isinstance(heed, int):
            self._die(heed)
        elif heed is not None:
            self.output.append(f"{heed}\n")

    def take_policy(self) -> None:
        """Go by a restart policy that was changed: where it starts no more, a pause ends with one more life."""
        if self.state["Restarting"] and not self._starts_again():
            self._run()

    @property
    def _stop_signal(self) -> str:
        named = self.document["Config"].get("StopSignal")
        return signal_name(named) if named else ""

    def _run(self) -> None:
        self.state.update(Status="running", Running=True, Restarting=False, ExitCode=0, Error="")
        if self.program.health:
            failing = self.program.health != "healthy"
            probe = {"ExitCode": int(failing), "Output": f"{self.program.health}\n"}
            self.state["Health"] = {"Status": self.program.health, "Log": [probe]}
        self._lives += 1
        pid = 2**22 + 1000 * int(self.id[:4], 16) + self._lives  # one that no machine has
        self.state.update(Pid=pid, StartedAt=self.now())
        self.tell(self, "start", EMPTY)
        self.output += self.program.says.splitlines(keepends=True)
        if self.program.exits is not None:
            self._die(self.program.exits)

    def _die(self, code: int) -> None:
        self.state.update(ExitCode=code, FinishedAt=self.now(), Pid=0)
        self.tell(self, "die", {"exitCode": str(code)})
        if not self._starts_again():
            self._stopped()
            return
        self.document["RestartCount"] += 1
        if self.document["RestartCount"] < LIVES:
            self._run()
        else:
            self.state.update(Status="restarting", Restarting=True)

    def _stopped(self) -> None:
        self.state.update(Status="exited", Running=False, Restarting=False)

    def _starts_again(self) -> bool:
        """Whether its restart policy starts it again after the end it has just come to."""
        policy = self.document["HostConfig"]["RestartPolicy"] or {}
        name, maximum = policy.get("Name"), policy.get("MaximumRetryCount") or 0
        if self._ends or (name == "unless-stopped" and self._signalled):
            return False
        if name == "on-failure":
            return self.state["ExitCode"] != 0 and (not maximum or self.document["RestartCount"] < maximum)
        return name in ("always", "unless-stopped")


def signal_name(text: str) -> str:
    """`HUP`, `SIGHUP` or `1` as `SIGHUP`. Raises `EngineRefused`."""
    try:
        if text.isdigit():
            return signals.Signals(int(text)).name
        return signals.Signals["SIG" + text.upper().removeprefix("SIG")].name
    except (KeyError, ValueError):
        raise EngineRefused(f"there is no signal {text!r}") from None
