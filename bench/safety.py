"""What an operator trusts: an agent that starts again touches nothing, and a brake stops a roll-out at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import etcd3

from bench.rig import ENV, IMAGE, Rig, await_answer, median_of, say
from bench.rows import Row, at_most
from confd.client import Brake, Scope

__all__ = ["freezes", "restarts"]

CONTAINERS, APPS, STARTS = 200, 20, 5
ROLLED, ROLLS, BEFORE, LATER_S = 10, 8, 3, 0.04
WRITES = ("create", "start", "stop", "kill", "die", "restart", "rename", "update", "destroy", "pause", "unpause")
BY_RESTART: dict[str, Any] = {
    "variables": {"exclude": ["**"]},
    "files": [{"path": "/etc/app/app.json", "format": "json"}],
    "on_change": [{"keys": "**", "action": "restart"}],
}
SLEEPS = ["sleep", "1000000"]
SERVES = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def restarts(rig: Rig) -> list[Row]:
    """The agent ends and starts again beside containers that are all in sync."""
    say(f"{CONTAINERS} containers in sync")
    for number in range(CONTAINERS):
        labels = {"confd.app": f"still-{number % APPS}"}
        rig.engine.run(f"still-{number}", SLEEPS, Image=IMAGE, labels=labels, Env=["LEVEL=info"])
    for number in range(APPS):
        rig.set(f"still-{number}", {"LEVEL": "info"})
    for number in range(APPS):
        rig.settle(f"still-{number}")
    began = time.time()
    starts = [_start(rig) for _ in range(STARTS)]
    writes = len(_events(rig, began, time.time()))
    floors = [_bare_start(rig) for _ in range(STARTS)]
    _clear(rig)
    return [
        at_most(
            f"agent, restart with {CONTAINERS} in sync: ready, p50", "s", median_of(starts), median_of(floors), 2
        ),
        at_most(f"engine writes in {STARTS} such restarts", "calls", writes, 0, 0),
    ]


def _start(rig: Rig) -> float:
    """Seconds from the start of the agent's process until it has told of every container."""
    (agent,) = (one for one in rig.confd._programs[-1:])
    agent.send_signal(signal.SIGTERM)
    agent.wait(20)
    rig.confd._programs.pop()
    before = max(_told(rig))
    began = time.monotonic()
    rig.confd.begin_agent()
    await_answer(lambda: sum(revision > before for revision in _told(rig)) >= CONTAINERS)
    return time.monotonic() - began


def _bare_start(rig: Rig) -> float:
    """The floor: an interpreter with the libraries, one read of the settings, one look at each container."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import signal, grpc, etcd3, docker, jsonschema"], check=True)
    list(_raw(rig).get_prefix(f"/confd/envs/{ENV}/settings/"))
    for one in rig.engine.client.containers(all=True):
        rig.engine.client.inspect_container(one["Id"])
    return time.monotonic() - began


def _told(rig: Rig) -> list[int]:
    """The store revisions at which the agent told of its containers."""
    return [int(meta.mod_revision) for _, meta in _raw(rig).get_prefix("/confd/hosts/h1/status/")]


def _raw(rig: Rig) -> etcd3.Etcd3Client:
    host, _, port = rig.etcd.endpoint.rpartition(":")
    return etcd3.client(host=host, port=int(port), grpc_options={"grpc.max_receive_message_length": -1}.items())


def freezes(rig: Rig) -> list[Row]:
    """A change restarts one container after the other; after a few of them the brake is put on."""
    (rig.folder / "brake-etc").mkdir()
    rig.bind("brake", BY_RESTART)
    for number in range(ROLLED):
        binds = {"Binds": [f"{rig.folder}/brake-etc/{number}:/etc/app"]}
        labels = {"confd.app": "brake"}
        rig.engine.run(f"brake-{number}", SERVES, Image=IMAGE, labels=labels, host=binds)
    rig.set("brake", {"level": "start"})
    rig.settle("brake")
    ours = [_brake(rig, number) for number in range(ROLLS)]
    floors = [_bare_restart(rig) for _ in range(ROLLS)]
    _clear(rig)
    return [at_most("freeze to the end of the last step, worst", "s", max(ours), max(floors), 1)]


def _brake(rig: Rig, number: int) -> float:
    """Seconds from asking for the freeze to the last thing that happened to a container; 0: nothing after it.

    Each time a little later after a step, so that one of them comes in the midst of the next.
    """
    with _counting(rig) as enough:
        rig.set("brake", {"level": str(number)})
        enough.wait(60)
        time.sleep(number * LATER_S)
        asked = time.time()
        rig.client.freeze(ENV, Brake("brake", message="bench"))
    await_answer(lambda: _at_rest(rig))
    last = max(float(event["timeNano"]) / 1e9 for event in _events(rig, asked - 5, time.time()))
    left = sum(one["state"] == "held" for one in rig.client.status(Scope("brake", ENV))["containers"])
    if not left:
        raise RuntimeError("the roll-out was over before the brake came on")
    rig.client.unfreeze(ENV, Brake("brake"), yes=True)
    rig.settle("brake")
    return max(last - asked, 0.0)


def _at_rest(rig: Rig) -> bool:
    found = rig.client.status(Scope("brake", ENV))["containers"]
    return all(one["state"] in ("held", "in-sync") for one in found) and any(
        one["state"] == "held" for one in found
    )


def _bare_restart(rig: Rig) -> float:
    began = time.monotonic()
    rig.engine.client.restart("brake-0")
    return time.monotonic() - began


@contextmanager
def _counting(rig: Rig) -> Iterator[threading.Event]:
    """Set once some containers have been started again."""
    enough = threading.Event()
    stream = rig.engine.client.events(decode=True, filters={"event": ["start"]})

    def count() -> None:
        for number, _ in enumerate(stream, 1):
            if number >= BEFORE:
                enough.set()

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield enough
    finally:
        stream.close()
        thread.join(5)


def _events(rig: Rig, since: float, until: float) -> list[dict[str, Any]]:
    """What the engine has noted of writes to containers."""
    found = rig.engine.client.events(since=int(since), until=int(until) + 1, decode=True)
    return [
        event
        for event in found
        if event.get("Type") == "container"
        and event["Action"] in WRITES
        and since <= float(event["timeNano"]) / 1e9 <= until
    ]


def _clear(rig: Rig) -> None:
    for one in rig.engine.client.containers(all=True):
        rig.engine.remove(one["Id"])
