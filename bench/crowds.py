"""Very many containers of one app, recreated several at a time, against the same engine calls without an agent."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from bench.rig import IMAGE, Rig, say
from bench.rows import Row, times
from confd.actions.fidelity import as_it_is, replacement_of
from confd.targets.docker import DockerTarget

__all__ = ["recreated"]

CONTAINERS, AT_ONCE = 200, 10
WAITS = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]


def recreated(rig: Rig) -> list[Row]:
    """From the change to the last container in sync; the floor: to the last bare call, at the same parallelism."""
    say(f"{CONTAINERS} containers, {AT_ONCE} at a time")
    watched = {"health": {"monitor": "0s"}, "keep_logs": {"lines": 0}}
    rig.bind("crowd", {"rollout": {"max_parallel": AT_ONCE}, **watched})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda number: _run(rig, f"crowd-{number}", "crowd"), range(CONTAINERS)))
        rig.set("crowd", {"STAMP": "0"})
        rig.settle("crowd")
        began = time.monotonic()
        rig.set("crowd", {"STAMP": "1"})
        rig.settle("crowd")
        ours = time.monotonic() - began
        names = [f"crowd-{number}" for number in range(CONTAINERS)]
        rig.confd.kill_agent()
        target = DockerTarget(rig.engine.docker_host)
        began = time.monotonic()
        list(pool.map(lambda name: _bare(target, name), names))
        floor = time.monotonic() - began
        list(pool.map(rig.engine.remove, names))
    target.close()
    rig.confd.begin_agent()
    return [times(f"{CONTAINERS} containers recreated, {AT_ONCE} at a time", "s", ours, floor, 1.2)]


def _run(rig: Rig, name: str, app: str) -> None:
    rig.engine.run(name, WAITS, Image=IMAGE, labels={"confd.app": app})


def _bare(target: DockerTarget, name: str) -> None:
    """The calls of a recreate, and nothing else."""
    old = target.inspect(name)
    new = target.create(replacement_of(old, f"{name}-next", as_it_is(old, IMAGE)))
    target.update(str(old["Id"]), {"RestartPolicy": {"Name": "no"}})
    target.stop(str(old["Id"]), None)
    target.rename(str(old["Id"]), f"{name}-old")
    target.rename(new, name)
    target.start(new)
    target.inspect(new)
    target.remove(str(old["Id"]))
