"""A recreate cut off before or after any one of its engine calls: exactly one container runs after the heal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from confd.actions import recreate
from confd.actions.fidelity import Wanted
from confd.clock import SystemClock
from confd.errors import StartFailed
from confd.options import observed_options
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess

CALLS = ("create", "update", "stop", "rename", "start", "remove")
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
FAILS = ["sh", "-c", "exit 3"]


class Cut(BaseException):
    """The process ends here: nothing of it goes on, as after a kill -9."""


class CutOff:
    """A target whose n-th writing call never comes back; with `done` the engine did it, without it did not."""

    def __init__(self, target: DockerTarget, at: int, *, done: bool) -> None:
        self._target, self._left, self._done = target, at, done

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._target, name)
        if name not in CALLS:
            return call

        def cut(*arguments: Any) -> Any:
            self._left -= 1
            if self._left != 0:
                return call(*arguments)
            if self._done:
                call(*arguments)
            raise Cut

        return cut


@pytest.mark.parametrize("command", [SERVE, FAILS], ids=["starts", "fails"])
def test_every_point_of_a_recreate_heals_to_one_running_container_b78(
    engine: EngineProcess, command: list[str]
) -> None:
    target = DockerTarget(engine.docker_host)
    points = 0
    for at in range(1, 20):
        ended = [_walk(engine, target, command, at, done=done) for done in (False, True)]
        points += 2 - sum(ended)
        if all(ended):
            break
    target.close()
    assert points >= 14


def _walk(engine: EngineProcess, target: DockerTarget, command: list[str], at: int, *, done: bool) -> bool:
    """Whether the swap came to its end before the point."""
    engine.clear()
    policy = {"Name": "always", "MaximumRetryCount": 0}
    old = engine.run("web", SERVE, labels={"confd.app": "web"}, host={"RestartPolicy": policy})
    notes: list[Mapping[str, Any]] = []
    text = '["' + '","'.join(word.replace('"', '\\"') for word in command) + '"]'
    wanted = Wanted(IMAGE, {"A": "1"}, {**observed_options(engine.inspect(old)), "command": text})
    swap = recreate.Swap(stop_timeout_s=1, monitor_s=0.2)
    ended = True
    try:
        cut: Any = CutOff(target, at, done=done)
        recreate.apply(cut, target.inspect(old), wanted, swap, SystemClock(), lambda more: notes.append(dict(more)))
    except Cut:
        ended = False
        for _ in range(2):  # and once more, which changes nothing
            recreate.heal(target, old, notes[-1]["recreate"], SystemClock(), 0.3)
    except StartFailed:
        assert command is FAILS
    assert engine.names() == ["web"], f"call {at}, done {done}"
    now = engine.inspect("web")
    assert now["State"]["Running"], f"call {at}, done {done}"
    assert now["HostConfig"]["RestartPolicy"] == policy
    return ended
