"""Many containers of one app on one host, a few recreated at a time; beside it the engine's own calls, as many."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.rig import ENV, IMAGE, Rig, say
from bench.rows import Row, times
from confd.actions.fidelity import as_it_is, replacement_of
from confd.client import Edit, Scope, integer
from confd.targets.docker import DockerTarget

__all__ = ["crowd"]

CONTAINERS, AT_ONCE = 200, 10
SERVES = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]
BINDING: dict[str, Any] = {
    "rollout": {"max_parallel": AT_ONCE},
    "health": {"monitor": "0s"},
    "keep_logs": {"lines": 0},
}
LOOK_S, LONGEST_S = 0.5, 600.0


def crowd(rig: Rig) -> list[Row]:
    """From a change of one variable until all are in sync; the floor: the engine calls of a recreate, bare."""
    rig.bind("crowd", BINDING)
    floor = _made(rig, None, lambda: _bare(rig))
    ours = _made(rig, "crowd", lambda: _changed(rig))
    return [times(f"{CONTAINERS} containers recreated, {AT_ONCE} at a time", "s", ours, floor, 1.2)]


def _made(rig: Rig, app: str | None, measure: Callable[[], float]) -> float:
    say(f"{CONTAINERS} containers {'of an app' if app else 'of the floor'}")
    names = [f"crowd-{number}" for number in range(CONTAINERS)]
    labels = {"confd.app": app} if app else {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: rig.engine.run(name, SERVES, Image=IMAGE, labels=labels), names))
        took_s = measure()
        say(f"{took_s:.1f} s")
        list(pool.map(lambda name: rig.engine.client.remove_container(name, force=True), names))
    return took_s


def _changed(rig: Rig) -> float:
    _await_told(rig, 0)
    before = {str(one["container"]) for one in _told(rig)}
    began = time.monotonic()
    answer = rig.client.change(Scope("crowd", ENV), Edit(set={"STAMP": "1"}, yes=True))
    _await_told(rig, integer(answer["revision"]))
    took_s = time.monotonic() - began
    if before & {str(one["container"]) for one in _told(rig)}:
        raise RuntimeError("a container was not recreated")
    return took_s


def _told(rig: Rig) -> list[Any]:
    return list(rig.client.status(Scope("crowd", ENV), 0)["containers"])


def _await_told(rig: Rig, revision: int) -> None:
    """Ask now and then: what asks all the time would be measured too."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        found = _told(rig)
        there = [one for one in found if one["state"] == "in-sync" and integer(one["revision"]) >= revision]
        if len(there) == CONTAINERS:
            return
        time.sleep(LOOK_S)
    raise TimeoutError("the crowd did not come to rest")


def _bare(rig: Rig) -> float:
    target = DockerTarget(rig.engine.docker_host)

    def swap(number: int) -> None:
        old = target.inspect(f"crowd-{number}")
        new = target.create(replacement_of(old, f"crowd-{number}-next", as_it_is(old, IMAGE)))
        target.update(str(old["Id"]), {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}})
        target.rename(str(old["Id"]), f"crowd-{number}-old")
        target.rename(new, f"crowd-{number}")
        rig.engine.client.stop(str(old["Id"]))
        rig.engine.client.start(new)
        target.inspect(new)
        target.remove(str(old["Id"]))

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(swap, range(CONTAINERS)))
    took_s = time.monotonic() - began
    target.close()
    return took_s
