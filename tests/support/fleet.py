"""Several hosts on one store: an API, and an agent with an engine of its own for each host.

def test_...(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1", "h2")
    fleet.engines["h2"].run("web", SERVE, labels={"confd.app": "web"})
    fleet.kill_agent("h2")
    fleet.await_lost("h2")
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until

__all__ = ["Fleet", "StartFleet", "more_engines", "start_fleet"]

LEASE_S = 10.0
"""How long a killed agent's claim on its host outlives it."""


class Fleet(Apart):
    """`confd-server api`, and a `confd-agent` for each host of `engines`; `agent_flags` go to every agent."""

    def __init__(
        self, folder: Path, etcd: EtcdProcess, engines: Mapping[str, EngineProcess], *agent_flags: str
    ) -> None:
        super().__init__(folder, next(iter(engines.values())).docker_host, etcd.endpoint)
        self.engines = engines
        self._flags = agent_flags
        self._agents: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        self.begin_api()
        self._process = self._programs[0]
        for host in self.engines:
            self.begin_agent(host)

    def begin_agent(self, host: str = "h1", *flags: str) -> None:
        """Start a host's agent; `flags` are added to its command line."""
        agent = ["--env", "dev", "--docker-host", self.engines[host].docker_host, "--host-name", host]
        self._begin("agent", *agent, "--data", str(self.agent_folder(host)), *self._flags, *flags)
        self._agents[host] = self._programs[-1]

    def agent_folder(self, host: str) -> Path:
        """The data folder of a host's agent."""
        return self._folder / f"agent-{host}"

    def kill_agent(self, host: str = "h1") -> None:
        """As when its machine is cut off; `begin_agent` starts another."""
        self._end_agent(host, signal.SIGKILL)

    def stop_agent(self, host: str) -> None:
        """It ends in order, and gives its claim on the host back."""
        self._end_agent(host, signal.SIGTERM)

    def agent_id(self, host: str = "h1") -> int:
        agent = self._agents.get(host)
        return agent.pid if agent is not None and agent.poll() is None else 0

    def host(self, name: str) -> dict[str, Any]:
        """What the API knows of a host; empty for one it does not know."""
        found: list[dict[str, Any]] = self.json("hosts")["hosts"]
        return next((one for one in found if one["host"] == name), {})

    def await_lost(self, *hosts: str) -> None:
        """Wait until the claims of killed agents have run out."""
        for host in hosts:
            until(lambda host=host: self.host(host).get("alive") is False, LEASE_S + 20)  # type: ignore[misc]

    def await_alive(self, *hosts: str) -> None:
        for host in hosts:
            until(lambda host=host: self.host(host).get("alive") is True, 30)  # type: ignore[misc]

    def _end_agent(self, host: str, number: int) -> None:
        agent = self._agents.pop(host)
        self._programs.remove(agent)
        agent.send_signal(number)
        agent.wait(20)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        done = self._run("hosts", "-o", "json")
        return done.returncode == 0 and done.stdout.replace(" ", "").count('"alive":true') == len(self.engines)


StartFleet: TypeAlias = Callable[..., Fleet]


@pytest.fixture(scope="session")
def more_engines() -> Iterator[Callable[[int], EngineProcess]]:
    """Engines beside the session's first, each started when it is first asked for, by a number from 0."""
    started: list[EngineProcess] = []
    folders: list[Path] = []

    def engine_at(number: int) -> EngineProcess:
        while len(started) <= number:
            folders.append(Path(tempfile.mkdtemp(prefix="confd-engine-")))
            started.append(EngineProcess(folders[-1]))
            started[-1].start()
            started[-1].make_image()
        return started[number]

    yield engine_at
    for process, folder in zip(started, folders, strict=True):
        process.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_fleet(
    engine: EngineProcess, etcd: EtcdProcess, more_engines: Callable[[int], EngineProcess], tmp_path: Path
) -> Iterator[StartFleet]:
    """Start the programs for some hosts, the first of them on the session's engine. `flags` go to every agent."""
    fleets: list[Fleet] = []

    def start(*hosts: str, flags: tuple[str, ...] = ()) -> Fleet:
        others = {host: more_engines(number) for number, host in enumerate(hosts[1:])}
        fleet = Fleet(tmp_path, etcd, {hosts[0]: engine, **others}, *flags)
        fleets.append(fleet)
        fleet.start()
        fleet.plant_first()
        return fleet

    yield start
    for fleet in fleets:
        for one in fleet.engines.values():
            fleet.canaries.look_at_engine(one)
        fleet.canaries.look_at_files(etcd.folder)
        fleet.stop()
        for one in fleet.engines.values():
            one.clear()
