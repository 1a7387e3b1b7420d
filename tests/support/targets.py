"""Each registered target for the tests of the contract, with the programs that run on it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from confd.ports import Engine, Replacement, TargetEvent
from confd.targets import TARGETS
from confd.targets.docker import DockerTarget
from confd.targets.memory import MemoryTarget, Program
from tests.support.engine import IMAGE, EngineProcess
from tests.support.wait import until

__all__ = [
    "ALWAYS",
    "DEAF",
    "EACH_TARGET",
    "FAILS",
    "MIB",
    "MISSING",
    "NO",
    "NOBODY",
    "QUITS",
    "RIGS",
    "SERVES",
    "UNLESS_STOPPED",
    "WRITES",
    "Rig",
    "rig",
    "unheard",
]

EACH_TARGET = pytest.mark.parametrize("rig", sorted(TARGETS), indirect=True)

NOBODY = "tcp://127.0.0.1:1"
"""An address at which no engine is."""

SERVES = ["sh", "-c", 'trap "exit 0" TERM; trap "echo hup" HUP; echo ready; while :; do sleep 0.05; done']
QUITS = ["sh", "-c", 'trap "exit 7" QUIT; echo ready; while :; do sleep 0.05; done']
DEAF = ["sh", "-c", "echo ready; while :; do sleep 0.05; done"]
FAILS = ["sh", "-c", "echo one; echo two; exit 3"]
MISSING = ["no-such-program"]
WRITES = ["sh", "-c", "echo 1 > /written; echo ready; while :; do sleep 0.05; done"]

TOOLS: Mapping[str, tuple[int, str] | None] = {
    "echo": (0, "hi\n"),
    "test": (1, ""),
    "kill": (0, ""),
    "sleep": None,
}
PROGRAMS = {
    tuple(SERVES): Program(says="ready\n", heeds={"SIGTERM": 0, "SIGHUP": "hup"}, tools=TOOLS),
    tuple(QUITS): Program(says="ready\n", heeds={"SIGQUIT": 7}),
    tuple(DEAF): Program(says="ready\n", heeds={}),
    tuple(FAILS): Program(exits=3, says="one\ntwo\n"),
    tuple(MISSING): Program(found=False),
    tuple(WRITES): Program(says="ready\n", heeds={}, writes=("/written",)),
}
"""What each of these commands does, for the target that runs no real process."""

ALWAYS = {"Name": "always", "MaximumRetryCount": 0}
UNLESS_STOPPED = {"Name": "unless-stopped", "MaximumRetryCount": 0}
NO = {"Name": "no", "MaximumRetryCount": 0}
MIB = 1024 * 1024


class Made(NamedTuple):
    """A target, another one of its kind that is out of reach, and what the port has no call for."""

    target: Engine
    away: Engine
    make_network: Callable[[str], object]
    volumes: Callable[[], set[str]]


def _docker(request: pytest.FixtureRequest) -> Made:
    process: EngineProcess = request.getfixturevalue("engine")

    def volumes() -> set[str]:
        return {one["Name"] for one in process.client.volumes()["Volumes"] or ()}

    away = DockerTarget(NOBODY, 1.0)
    return Made(DockerTarget(process.docker_host), away, process.client.create_network, volumes)


def _memory(_: pytest.FixtureRequest) -> Made:
    target = MemoryTarget({IMAGE: lambda inspect: PROGRAMS[tuple(inspect["Config"]["Cmd"])]}, ["front"])
    away = MemoryTarget()
    away.set_reachable(False)
    return Made(target, away, lambda name: None, lambda: set(target.volumes()))


RIGS: Mapping[str, Callable[[pytest.FixtureRequest], Made]] = {"docker": _docker, "memory": _memory}
"""How each registered target is made for these tests. A new target takes one more."""


def unheard(about: str, result: str) -> None:
    """Hears of an engine's calls, and does nothing with that."""


@dataclass(frozen=True)
class Rig:
    """A target, with what the tests say often."""

    made: Made

    @property
    def target(self) -> Engine:
        return self.made.target

    def create(self, name: str, command: Sequence[str] | None = SERVES, **more: Any) -> str:
        """`host` is the HostConfig, `networks` what is connected, the rest are members of the create body."""
        host, networks = more.pop("host", {}), more.pop("networks", {})
        body = {"Image": IMAGE, "Cmd": command, **more, "HostConfig": host}
        return self.target.create(Replacement(name, body, networks))

    def run(self, name: str, command: Sequence[str] = SERVES, **more: Any) -> str:
        """A container whose program is ready for signals."""
        container = self.create(name, command, **more)
        self.target.start(container)
        until(lambda: "ready" in self.target.logs(container, 10), 10)
        return container

    def state(self, container: str) -> dict[str, Any]:
        return dict(self.target.inspect(container)["State"])

    def host(self, container: str) -> Mapping[str, Any]:
        host: Mapping[str, Any] = self.target.inspect(container)["HostConfig"]
        return host

    def ends(self, container: str) -> dict[str, Any]:
        """Wait for its end; the state then."""
        until(lambda: not self.state(container)["Running"], 10)
        return self.state(container)

    def end_from_inside(self, container: str) -> None:
        code, _ = self.target.execute(container, ["kill", "-s", "TERM", "1"], 10)
        assert code in (0, 137)  # the end of the first process may be quicker than that of the command

    @contextlib.contextmanager
    def events(self) -> Iterator[list[TargetEvent]]:
        """What is told while the block runs; when it is entered, `resync` was."""
        seen: list[TargetEvent] = []
        stop = threading.Event()

        def listen() -> None:
            for event in self.target.events(stop):
                seen.append(event)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            until(lambda: seen, 10)
            yield seen
        finally:
            stop.set()
            listener.join(5)
            assert not listener.is_alive()


@pytest.fixture
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = RIGS[request.param](request)
    yield Rig(made)
    made.target.close()
    made.away.close()
