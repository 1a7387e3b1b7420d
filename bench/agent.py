"""The agent with 1,000 apps of 50 keys: its start, what one change costs it, its memory."""

from __future__ import annotations

import json
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
from confd.client import Client, Edit, HttpTransport, Scope
from tests.support.etcd import free_port

__all__ = ["many_apps"]

APPS, KEYS, CONTAINERS, FEW = 1000, 50, 20, 10
STARTS, BLOCKS, CHANGES = 5, 6, 100
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SERVES = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
WAITS = "import signal, grpc, etcd3, docker, jsonschema; signal.pause()"


def many_apps(rig: Rig) -> list[Row]:
    """Two agents side by side, one with few apps: their changes are counted in turn."""
    with ExitStack() as over:
        few, many = (over.enter_context(_side(rig, name)) for name in ("few", "many"))
        for side, apps in ((few, FEW), (many, APPS)):
            say(f"{apps} apps with {KEYS} keys each")
            side.prepare(apps)
        with few.agent() as small, many.agent() as large:
            blocks = [(few.cpu_of_changes(small), many.cpu_of_changes(large)) for _ in range(BLOCKS)]
            memory, bare = _resident(large), _bare_memory()
        starts, floors = zip(*((many.start(), many.bare_start()) for _ in range(STARTS)), strict=True)
    floor, ours = (min(samples) for samples in zip(*blocks, strict=True))
    start = f"agent, {APPS} apps, {CONTAINERS} containers: start to full reconcile, p50"
    return [
        at_most(start, "s", median_of(starts), median_of(floors), 3),
        times(f"agent, CPU of one change with {APPS} apps against {FEW}", "ms", ours, floor, 1.2),
        at_most(f"agent, memory with {APPS * KEYS} keys", "MiB", memory, bare, 150),
    ]


@dataclass(frozen=True, slots=True)
class _Side:
    """An API with an agent on a prefix and a label of their own. `rig` speaks to this API."""

    name: str
    rig: Rig
    command: tuple[str, ...]
    ear: Ear

    def prepare(self, apps: int) -> None:
        """Fill the apps; the first have a container each, and one more is that whose changes are counted."""
        label, etc = f"{self.name}.app", self.rig.folder / f"{self.name}-etc"
        etc.mkdir()
        _fill(self.rig, range(apps))
        for number in range(CONTAINERS - 1):
            command = ["sh", "-c", SERVES]
            labels = {label: f"app-{number % apps}"}
            self.rig.engine.run(f"{self.name}-{number}", command, Image=IMAGE, labels=labels)
        self.rig.run(f"{self.name}-counted", self.ear, None, f"{etc}:/etc/app", labels={label: "counted"})
        self.ear.hear("started ")
        self.rig.bind("counted", BY_SIGNAL)

    def cpu_of_changes(self, process: subprocess.Popen[bytes]) -> float:
        """The CPU time of the agent for one change of one key that leads to a signal, in ms."""
        self.rig.settle("counted")
        before = _ticks(process.pid)
        for number in range(CHANGES):
            self.rig.set("counted", {"level": f"{number} {time.monotonic()}"})
            self.ear.hear("signal ")
            self.rig.settle("counted")
        return (_ticks(process.pid) - before) / TICKS_PER_S / CHANGES * 1000

    @contextmanager
    def agent(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.rig.folder / f"{self.name}.log").open("ab") as log:
            running = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            self._await_statuses(0)
            self._adopt()
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(20)

    def _adopt(self) -> None:
        """The containers ran before their host was watched: have them taken up, and wait until they have it all."""
        told = [json.loads(text) for text, _ in self._statuses()]
        apps = sorted({str(one["app"]) for one in told})
        for app in apps:
            self.rig.client.adopt(Scope(app, ENV), Edit(yes=True))
        for app in apps:
            self.rig.settle(app)

    def start(self) -> float:
        """Seconds from the start of the agent's process until it has told of every container."""
        before = self._revisions()[0]
        began = time.monotonic()
        with (self.rig.folder / f"{self.name}.log").open("ab") as log:
            running = subprocess.Popen(self.command, stdout=log, stderr=log)
        self._await_statuses(before)
        took = time.monotonic() - began
        running.send_signal(signal.SIGTERM)
        running.wait(20)
        return took

    def bare_start(self) -> float:
        """The floor: an interpreter with the libraries, one read of the settings, one look at each container."""
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", WAITS.replace("signal.pause()", "None")], check=True)
        store = _raw(self.rig)
        for _ in store.get_prefix(f"/{self.name}/envs/{ENV}/settings/"):
            pass
        store.close()
        client = docker.APIClient(base_url=self.rig.engine.docker_host, version="1.41")
        for one in client.containers(all=True, filters={"label": f"{self.name}.app"}):
            client.inspect_container(one["Id"])
        client.close()
        return time.monotonic() - began

    def _await_statuses(self, after: int) -> None:
        await_answer(lambda: sum(told > after for told in self._revisions()[1]) >= CONTAINERS)

    def _revisions(self) -> tuple[int, list[int]]:
        """When the agent told of its containers, as revisions of the store: the last, and all."""
        told = [revision for _, revision in self._statuses()]
        return max(told, default=0), told

    def _statuses(self) -> list[tuple[bytes, int]]:
        """Each container's status, and the revision that wrote it."""
        store = _raw(self.rig)
        try:
            found = store.get_prefix(f"/{self.name}/hosts/{self.name}/status/")
            return [(text, int(meta.mod_revision)) for text, meta in found]
        finally:
            store.close()


@contextmanager
def _side(rig: Rig, name: str) -> Iterator[_Side]:
    port, token, host = free_port(), rig.folder / f"{name}-token", rig.engine.docker_host
    main = (sys.executable, "-m", "confd.main")
    shared = ("--etcd", rig.etcd.endpoint, "--prefix", f"/{name}")
    server = (*main, "server", "api", *shared, "--listen", f"127.0.0.1:{port}", "--token-file", str(token))
    data = ("--data", str(rig.folder / f"{name}-agent"))
    agent = (*main, "agent", *shared, "--env", ENV, "--host-name", name, "--label-prefix", f"{name}.", *data)
    with ExitStack() as over:
        log = over.enter_context((rig.folder / f"{name}.log").open("ab"))
        running = subprocess.Popen(server, stdout=log, stderr=log)
        over.callback(running.wait, 20)
        over.callback(running.send_signal, signal.SIGTERM)
        await_answer(lambda: token.exists() and token.read_text() and _answers(port))
        client = Client(HttpTransport(f"http://127.0.0.1:{port}"), token.read_text().strip())
        ear = rig.ear(name)
        over.callback(ear.close)
        yield _Side(name, replace(rig, client=client, revisions={}), (*agent, "--docker-host", host), ear)


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
