"""From an acknowledged write to its effect: a signal, a new container, a new process of the shim."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import etcd3

from bench.rig import APP, ENV, Ear, Rig, median_of
from bench.rows import Row, over, percentile, times
from tests.support.shim import packed

__all__ = ["recreates", "shim", "signals"]

SIGNALS, RECREATES, RESPAWNS = 200, 15, 60
BY_SIGNAL: dict[str, Any] = {
    "variables": {"exclude": ["**"]},
    "files": [{"path": "/etc/app/app.json", "format": "json"}],
    "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
}


class _Bare:
    """The floor: a raw etcd watch whose thread asks the engine to send the signal, and nothing else."""

    def __init__(self, rig: Rig, container: str) -> None:
        host, _, port = rig.etcd.endpoint.rpartition(":")
        self._writes, self._watches = (etcd3.client(host=host, port=int(port)) for _ in range(2))
        self._client = rig.engine.client
        self._container = container
        events, self._cancel = self._watches.watch("/bench/key")
        self._thread = threading.Thread(target=self._loop, args=(events,), daemon=True)
        self._thread.start()

    def put(self, text: str) -> float:
        self._writes.put("/bench/key", text)
        return time.monotonic()

    def close(self) -> None:
        self._cancel()
        self._thread.join(5)
        self._writes.close()
        self._watches.close()

    def _loop(self, events: Any) -> None:
        for _ in events:
            self._client.kill(self._container, "HUP")


def signals(rig: Rig) -> list[Row]:
    """Turn about: one change through the product, one through the bare loop."""
    folder = rig.folder / "etc"
    folder.mkdir()
    ours, floor = list[float](), list[float]()
    ears = [rig.ear(name) for name in ("told", "bare")]
    rig.bind("told", BY_SIGNAL)
    rig.run("told", ears[0], "told", f"{folder}:/etc/app")
    bare = _Bare(rig, rig.run("bare", ears[1], None))
    for ear in ears:
        ear.hear("started ")
    for number in range(-5, SIGNALS):
        began = rig.set("told", {"level": str(number)})
        _note(ours, number, ears[0].hear("signal ") - began)
        rig.settle("told")
        began = bare.put(str(number))
        _note(floor, number, ears[1].hear("signal ") - began)
    bare.close()
    p50, p95 = ((percentile(ours, share), percentile(floor, share)) for share in (0.5, 0.95))
    return [
        times("write to signal, its file replaced first, p50", "ms", *p50, 1.5),
        times("write to signal, its file replaced first, p95", "ms", *p95, 3.0),
    ]


def recreates(rig: Rig) -> list[Row]:
    """The floor is what any recreate needs of the engine: create, stop, two renames, start."""
    ears = [rig.ear(name) for name in ("made", "called")]
    rig.bind("made", {"health": {"monitor": "100ms"}})
    rig.run("made", ears[0], "made")
    old = rig.run("called", ears[1], None)
    for ear in ears:
        ear.hear("started ")
    ours: list[float] = []
    floor: list[float] = []
    for number in range(-1, RECREATES):
        began = rig.set("made", {"STAMP": str(number)})
        _note(ours, number, ears[0].hear(f"started {number}") - began)
        rig.settle("made")
        began = time.monotonic()
        new = _bare_recreate(rig, old, number)
        _note(floor, number, ears[1].hear(f"started {number}") - began)
        rig.engine.remove(old)
        old = new
    return [times("write to recreated container running, p50", "ms", median_of(ours), median_of(floor), 1.3)]


def _bare_recreate(rig: Rig, old: str, number: int) -> str:
    client = rig.engine.client
    seen = client.inspect_container(old)
    body = {**seen["Config"], "HostConfig": seen["HostConfig"], "Env": [f"STAMP={number}"], "Hostname": ""}
    url = f"http+docker://localhost/v1.41/containers/create?name=called-{number}"
    new = str(client.post(url, json=body, timeout=30).json()["Id"])
    client.stop(old)
    client.rename(old, f"old-{number}")
    client.rename(new, "called")
    client.start(new)
    return new


def shim(rig: Rig) -> list[Row]:
    """The floor: end such a child and start it again, as anyone would who holds it."""
    ears = [rig.ear(name) for name in ("shim", "child")]
    rig.set("shim", {"STAMP": "first"})
    ours: list[float] = []
    floor: list[float] = []
    with _shim(rig, ears[0]):
        ears[0].hear("started first")
        child = _child(ears[1], "first")
        ears[1].hear("started first")
        for number in range(-3, RESPAWNS):
            began = rig.set("shim", {"STAMP": str(number)})
            _note(ours, number, ears[0].hear(f"started {number}") - began)
            began = time.monotonic()
            _end(child)
            child = _child(ears[1], str(number))
            _note(floor, number, ears[1].hear(f"started {number}") - began)
        _end(child)
    return [over("write to child running again through the shim, p50", "ms", median_of(ours), median_of(floor), 60)]


@contextmanager
def _shim(rig: Rig, ear: Ear) -> Iterator[None]:
    command = [sys.executable, "-I", "-S", str(packed())]
    command += ["--app", "shim", "--env", ENV, "--server", rig.confd.environ["CONFD_SERVER"]]
    command += ["--token-file", rig.confd.environ["CONFD_TOKEN_FILE"], "--", sys.executable, "-I", "-S", "-c", APP]
    with (rig.folder / "shim.log").open("ab") as log:
        running = subprocess.Popen(command, env={**os.environ, "EAR": str(ear.path)}, stderr=log)
    try:
        yield
    finally:
        _end(running)


def _child(ear: Ear, stamp: str) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "EAR": str(ear.path), "STAMP": stamp}
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", APP], env=environ)


def _end(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGTERM)
    running.wait(20)


def _note(samples: list[float], number: int, seconds: float) -> None:
    """In milliseconds; the first few warm up and do not count."""
    if number >= 0:
        samples.append(seconds * 1000)
