"""The agent with 1,000 apps of 50 keys: its start, what one change costs it, its memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import etcd3

from bench.delivery import BY_SIGNAL
from bench.rig import ENV, IMAGE, Ear, Rig, await_answer, median_of, say
from bench.rows import Row, at_most, times
from confd.client import Client, HttpTransport
from tests.support.etcd import free_port

__all__ = ["many_apps"]

APPS, KEYS, CONTAINERS, FEW = 1000, 50, 20, 10
STARTS, BLOCKS, CHANGES = 5, 6, 100
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PREFIX = "/many"
SERVES = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
WAITS = "import signal, grpc, etcd3, docker, jsonschema; signal.pause()"


def many_apps(rig: Rig) -> list[Row]:
    """An API and an agent of their own, on a prefix of their own in the same etcd and a label of their own."""
    ear = rig.ear("many")
    for number in range(CONTAINERS - 1):
        rig.engine.run(f"many-{number}", ["sh", "-c", SERVES], Image=IMAGE, labels={"many.app": f"app-{number}"})
    etc = rig.folder / "many-etc"
    etc.mkdir()
    rig.run("counted", ear, None, f"{etc}:/etc/app", labels={"many.app": "counted"})
    ear.hear("started ")
    with _api(rig) as many:
        many.rig.bind("counted", BY_SIGNAL)
        _fill(many.rig, range(FEW))
        with many.agent() as process:
            few = [_cpu_of_changes(many.rig, ear, process) for _ in range(BLOCKS)]
            say(f"filling {APPS} apps with {KEYS} keys each")
            _fill(many.rig, range(FEW, APPS))
            for number in range(CONTAINERS - 1):
                many.rig.settle(f"app-{number}")
            much = [_cpu_of_changes(many.rig, ear, process) for _ in range(BLOCKS)]
            memory, bare = _resident(process), _bare_memory()
        starts, floors = zip(*((many.start(), many.bare_start(rig)) for _ in range(STARTS)), strict=True)
    start = f"agent, {APPS} apps, {CONTAINERS} containers: start to full reconcile, p50"
    return [
        at_most(start, "s", median_of(starts), median_of(floors), 3),
        times(f"agent, CPU of one change with {APPS} apps against {FEW}", "ms", min(much), min(few), 1.2),
        at_most(f"agent, memory with {APPS * KEYS} keys", "MiB", memory, bare, 150),
    ]


@dataclass(frozen=True, slots=True)
class _Many:
    """The second API, and how its agent is started. `rig` speaks to this API."""

    rig: Rig
    command: tuple[str, ...]

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.rig.folder / "many.log").open("ab") as log:
            running = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            self._await_statuses(0)
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(20)

    def start(self) -> float:
        """Seconds from the start of the agent's process until it has told of every container."""
        before = self._revisions()[0]
        began = time.monotonic()
        with (self.rig.folder / "many.log").open("ab") as log:
            running = subprocess.Popen(self.command, stdout=log, stderr=log)
        self._await_statuses(before)
        took = time.monotonic() - began
        running.send_signal(signal.SIGTERM)
        running.wait(20)
        return took

    def bare_start(self, rig: Rig) -> float:
        """The floor: an interpreter with the libraries, one read of the prefix, one look at each container."""
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", WAITS.replace("signal.pause()", "None")], check=True)
        store = _raw(rig)
        for _ in store.get_prefix(f"{PREFIX}/envs/"):
            pass
        store.close()
        client = docker.APIClient(base_url=rig.engine.docker_host, version="1.41")
        for one in client.containers(all=True, filters={"label": "many.app"}):
            client.inspect_container(one["Id"])
        client.close()
        return time.monotonic() - began

    def _await_statuses(self, after: int) -> None:
        await_answer(lambda: sum(told > after for told in self._revisions()[1]) >= CONTAINERS)

    def _revisions(self) -> tuple[int, list[int]]:
        """When the agent told of its containers, as revisions of the store: the last, and all."""
        store = _raw(self.rig)
        try:
            found = list(store.get_prefix(f"{PREFIX}/hosts/many/status/"))
        finally:
            store.close()
        told = [int(meta.mod_revision) for _, meta in found]
        return max(told, default=0), told


@contextmanager
def _api(rig: Rig) -> Iterator[_Many]:
    port, token = free_port(), rig.folder / "many-token"
    main = (sys.executable, "-m", "confd.main")
    shared = ("--etcd", rig.etcd.endpoint, "--prefix", PREFIX)
    server = (*main, "server", "api", *shared, "--listen", f"127.0.0.1:{port}", "--token-file", str(token))
    agent = (
        *main,
        "agent",
        *shared,
        "--env",
        ENV,
        "--host-name",
        "many",
        "--label-prefix",
        "many.",
        "--docker-host",
    )
    with ExitStack() as over:
        log = over.enter_context((rig.folder / "many.log").open("ab"))
        running = subprocess.Popen(server, stdout=log, stderr=log)
        over.callback(running.wait, 20)
        over.callback(running.send_signal, signal.SIGTERM)
        transport = HttpTransport(f"http://127.0.0.1:{port}")
        await_answer(lambda: token.exists() and token.read_text() and _answers(port))
        yield _Many(
            replace(rig, client=Client(transport, token.read_text().strip())), (*agent, rig.engine.docker_host)
        )


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _raw(rig: Rig) -> etcd3.Etcd3Client:
    host, _, port = rig.etcd.endpoint.rpartition(":")
    options = {"grpc.max_receive_message_length": -1}
    return etcd3.client(host=host, port=int(port), grpc_options=options.items())


def _fill(rig: Rig, numbers: range) -> None:
    def fill(number: int) -> None:
        values = {f"part{key % 5}/key{key}": f"value {key} of app {number}" for key in range(KEYS)}
        rig.set(f"app-{number}", values)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, numbers))


def _cpu_of_changes(rig: Rig, ear: Ear, process: subprocess.Popen[bytes]) -> float:
    """The CPU time of the agent for one change of one key that leads to a signal, in ms."""
    rig.settle("counted")
    before = _ticks(process.pid)
    for number in range(CHANGES):
        rig.set("counted", {"level": f"{number} {time.monotonic()}"})
        ear.hear("signal ")
        rig.settle("counted")
    return (_ticks(process.pid) - before) / TICKS_PER_S / CHANGES * 1000


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _resident(process: subprocess.Popen[bytes]) -> float:
    """Resident memory in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _bare_memory() -> float:
    """The floor: an interpreter that has imported the libraries and waits."""
    running = subprocess.Popen([sys.executable, "-c", WAITS])
    try:
        time.sleep(2)
        return _resident(running)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(20)
