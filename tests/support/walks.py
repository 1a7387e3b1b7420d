"""A recreate cut off before or after any one of its engine calls, and healed: exactly one container runs then."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd.actions import recreate
from confd.actions.fidelity import Wanted
from confd.actions.gate import Gate
from confd.actions.heal import heal
from confd.actions.stopping import Stop
from confd.actions.swap import Swap
from confd.clock import SystemClock
from confd.errors import EngineUnavailable, StartFailed
from confd.options import observed_options
from confd.targets.docker import DockerTarget
from tests.support.cuts import Cut, CutOff
from tests.support.engine import IMAGE, EngineProcess

__all__ = ["ALWAYS", "NONE", "SERVE", "WALKS", "Walk", "walk_all"]

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
FAILS = ["sh", "-c", "exit 3"]
ALWAYS = {"Name": "always", "MaximumRetryCount": 0}
NONE = {"Name": "no", "MaximumRetryCount": 0}


@dataclass(frozen=True)
class Walk:
    """A container, how it is made anew, and how many calls that has at least."""

    command: Sequence[str] = tuple(SERVE)
    start_first: bool = False
    removed: bool = False
    stopped: bool = False
    least: int = 7

    @property
    def policy(self) -> dict[str, Any]:
        if self.stopped:
            return {"Name": "unless-stopped", "MaximumRetryCount": 0}  # the engine itself starts others again
        return NONE if self.removed else ALWAYS

    def make(self, engine: EngineProcess) -> str:
        host = {"RestartPolicy": self.policy, "AutoRemove": self.removed}
        old = engine.run("web", SERVE, labels={"confd.app": "web"}, host=host, Volumes={"/data": {}})
        if self.stopped:
            engine.client.stop(old, timeout=1)
        return old

    def swap(self, journal: Callable[[Mapping[str, Any]], None]) -> Swap:
        return Swap(Stop(timeout_s=1), Gate(0.2), start_first=self.start_first, journal=journal)


FAILING = tuple(FAILS)
WALKS = {
    "starts": Walk(),
    "fails": Walk(FAILING),
    "start-first": Walk(start_first=True),
    "start-first, fails": Walk(FAILING, start_first=True, least=4),
    "rm": Walk(removed=True, least=6),
    "rm, fails": Walk(FAILING, removed=True),
    "rm, start-first": Walk(start_first=True, removed=True, least=6),
    "stopped": Walk(stopped=True, least=6),
}


def walk_all(engine: EngineProcess, walk: Walk, lose: Callable[[], None] | None) -> None:
    """Cut it off before and after each of its calls, and heal; `lose` ends something more at that point."""
    target = DockerTarget(engine.docker_host)
    points = 0
    for at in range(1, 24):
        ended = [_walk(engine, target, walk, CutOff(target, at, done=done, lose=lose)) for done in (False, True)]
        points += 2 - sum(ended)
        if all(ended):
            break
    target.close()
    assert points >= 2 * walk.least


def _walk(engine: EngineProcess, target: DockerTarget, walk: Walk, cut: CutOff) -> bool:
    """Whether the swap came to its end before the point."""
    engine.clear()
    old = walk.make(engine)
    volume = engine.inspect(old)["Mounts"][0]["Name"]
    notes: list[Mapping[str, Any]] = []
    wanted = Wanted(
        IMAGE,
        {"A": "1"},
        {**observed_options(engine.inspect(old)), "command": json.dumps(walk.command, separators=(",", ":"))},
        labels={"confd.replaces": old},
    )
    ended = True
    able: Any = cut
    try:
        recreate.apply(
            able, target.inspect(old), wanted, walk.swap(lambda more: notes.append(dict(more))), Ticking()
        )
    except (Cut, EngineUnavailable):
        ended = False
        if cut.lost:
            assert len(engine.names(running=True)) <= 1, cut.point
        for _ in range(2):  # and once more, which changes nothing
            swap = Swap(gate=Gate(0.3), journal=lambda more: notes.append(dict(more)))
            heal(target, old, notes[-1]["recreate"], SystemClock(), swap)
    except StartFailed:
        assert walk.command == FAILING
    assert engine.names() == ["web"], cut.point
    now = engine.inspect("web")
    assert now["State"]["Running"] is not walk.stopped, cut.point
    assert now["HostConfig"]["RestartPolicy"] == walk.policy, cut.point
    assert now["HostConfig"]["AutoRemove"] is walk.removed
    assert now["Mounts"][0]["Name"] == volume
    return ended


class Ticking(SystemClock):
    """It does not wait longer than a test needs."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        return super().wait(event, min(timeout_s or 0.0, 0.1))
