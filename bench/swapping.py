"""What clients see of a recreate: how long nobody answers, and with `start-first` that nobody notices."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import docker.errors

from bench.rig import ENV, IMAGE, Rig, await_answer, median_of, say
from bench.rows import Row, at_most, beside, times
from confd.client import Scope

__all__ = ["CLIENT", "SERVER", "downtime", "put_back", "start_first"]

TURNS, REQUESTS, SWAPS = 15, 10_000, 10
QUICK: dict[str, Any] = {"health": {"monitor": "200ms", "timeout": "20s"}}

SERVER = """
import os, select, signal, socket
ear, (told, tell) = socket.create_server(("0.0.0.0", 80), backlog=128), socket.socketpair()
signal.signal(signal.SIGTERM, lambda *_: tell.send(b"!"))
asked, ends = [ear, told], False
while not ends:
    ends = told in select.select(asked, [], [])[0]
    while select.select([ear], [], [], 0)[0]:
        peer, _ = ear.accept()
        peer.recv(64)
        peer.sendall(os.environ.get("STAMP", "-").encode())
        peer.close()
"""
"""Answers each request with what it was started with; told to end, it answers all who have asked before."""

CLIENT = """
import json, socket, sys, time
count, name, pause = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
def ask():
    with socket.create_connection((name, 80), timeout=5) as peer:
        peer.sendall(b"?")
        return peer.recv(64).decode()
failed, retried, seen, why = 0, 0, set(), ""
for _ in range(count):
    try:
        try:
            answer = ask()
        except ConnectionRefusedError:
            retried += 1
            answer = ask()
        if not answer:
            raise OSError("no answer")
        seen.add(answer)
    except OSError as error:
        failed, why = failed + 1, repr(error)
    time.sleep(pause)
print(json.dumps({"failed": failed, "retried": retried, "seen": sorted(seen), "why": why}))
"""
"""Asks so many times, and once more where a connection is refused."""


def downtime(rig: Rig) -> list[Row]:
    """From the signal that ends the old one to the start of the new one; the floor: of the same one, bare."""
    command = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]
    rig.bind("swapped", QUICK)
    rig.engine.run("swapped", command, Image=IMAGE, labels={"confd.app": "swapped"})
    rig.engine.run("bare", command, Image=IMAGE)
    ours: list[float] = []
    floor: list[float] = []
    for number in range(-1, TURNS):
        for name, samples in (("swapped", ours), ("bare", floor)):
            began = time.time()
            if name == "swapped":
                rig.set("swapped", {"STAMP": str(number)})
                rig.settle("swapped")
            else:
                rig.engine.client.stop("bare")
                rig.engine.client.start("bare")
            if number >= 0:
                samples.append(_down(rig, name, began))
    for name in ("swapped", "bare"):
        rig.engine.remove(name)
    return [times("downtime of a recreate, stop-first, p50", "ms", median_of(ours), median_of(floor), 1.2)]


def _down(rig: Rig, name: str, since: float) -> float:
    """Milliseconds between the signal to one and the start of the next, by the engine's own times."""
    found = rig.engine.client.events(since=int(since), until=int(time.time()) + 1, decode=True)
    at: dict[str, float] = {}
    for event in found:
        about = event.get("Actor", {}).get("Attributes", {}).get("name", "")
        if event.get("Type") == "container" and about.startswith(name) and event["timeNano"] / 1e9 >= since:
            at.setdefault(event["Action"], event["timeNano"] / 1e6)
    return at["start"] - at["kill"]


def put_back(rig: Rig) -> list[Row]:
    """From the end of `docker run` by a hand until a container of that name runs with its settings again.

    Another name each time: who recreates one over and over is not fought. The floor: the engine calls of a
    recreate, bare.
    """
    command = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]
    ours: list[float] = []
    floor: list[float] = []
    for number in range(TURNS):
        app = f"back-{number}"
        rig.bind(app, QUICK)
        rig.set(app, {"STAMP": "here"})
        rig.engine.run(app, command, Image=IMAGE, labels={"confd.app": app})
        await_answer(partial(_is_alone, rig, app))
        rig.engine.remove(app)
        rig.engine.run(app, command, Image=IMAGE, labels={"confd.app": app})
        began = time.monotonic()
        await_answer(partial(_runs_with, rig, app, "STAMP=here"))
        ours.append(time.monotonic() - began)
        await_answer(partial(_is_alone, rig, app))
        rig.engine.remove(app)
        old = rig.engine.run("bare", command, Image=IMAGE)
        began = time.monotonic()
        new = str(rig.engine.client.create_container(IMAGE, command, name="bare-next")["Id"])
        rig.engine.client.rename(old, "bare-old")
        rig.engine.client.rename(new, "bare")
        rig.engine.client.stop(old)
        rig.engine.client.start(new)
        floor.append(time.monotonic() - began)
        rig.engine.remove(old)
        rig.engine.remove(new)
    return [at_most("recreated by hand: settings back, slowest", "s", max(ours), max(floor), 2)]


def _runs_with(rig: Rig, name: str, variable: str) -> bool:
    try:
        found = rig.engine.inspect(name)
    except docker.errors.NotFound:  # between two names
        return False
    return bool(found["State"]["Running"]) and variable in found["Config"]["Env"]


def _is_alone(rig: Rig, app: str) -> bool:
    """Whether the app has one container, which is in sync, and nothing is left of the one before."""
    told = [(one["container"], one["state"]) for one in rig.client.status(Scope(app, ENV), 0)["containers"]]
    there = rig.engine.client.containers(all=True, filters={"label": f"confd.app={app}"})
    return told == [(one["Id"], "in-sync") for one in there]


def start_first(rig: Rig) -> list[Row]:
    """A client in the same network asks all the time, while the server that it finds by its name is recreated.

    Each server is as `docker run` made it; further on one that a `start-first` has made, which keeps its name as an
    alias, and by that is found until it has ended.
    """
    rig.engine.client.create_network("asked")
    failed = sum(_asked(rig, str(number), 1) for number in range(SWAPS))
    again = _asked(rig, "again", SWAPS)
    return [
        at_most(f"start-first, one retry: failed of {REQUESTS}", "requests", failed, 0, 0),
        beside(f"the same, {SWAPS} times in a row", "requests", again, 0),
    ]


def _asked(rig: Rig, stamp: str, swaps: int) -> int:
    """How many requests failed while one server was recreated so many times."""
    client, app = rig.engine.client, f"served-{stamp}"
    rig.bind(app, {**QUICK, "order": "start-first"})
    words = [str(REQUESTS * swaps // SWAPS), app, "0.002"]
    for name, text, labels in ((app, SERVER, {"confd.app": app}), ("asking", CLIENT, {})):
        command = ["python3", "-I", "-S", "-c", text, *(words if name == "asking" else [])]
        rig.engine.run(name, command, Image=IMAGE, labels=labels, host={"NetworkMode": "asked"})
        rig.settle(app)
        time.sleep(0.3)  # the server listens
    for number in range(swaps):
        rig.set(app, {"STAMP": f"{stamp}-{number}"})
        rig.settle(app)
    await_answer(lambda: not client.inspect_container("asking")["State"]["Running"])
    told = json.loads(client.logs("asking"))
    say(f"{len(told['seen'])} servers seen, {told['failed']} failed, {told['retried']} retries {told['why']}")
    for name in (app, "asking"):
        rig.engine.remove(name)
    if len(told["seen"]) < 2:
        raise RuntimeError("the server was not recreated while it was asked")
    return int(told["failed"])
