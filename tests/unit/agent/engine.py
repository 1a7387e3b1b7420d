"""An engine in memory for an agent's tests, and the actions on it, which are noted before they are done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confd.agent.apply import Work
from confd.agent.observe import Labels
from confd.agent.perform import acts_for
from confd.clock import ManualClock
from confd.errors import ConfdError
from confd.keys import Container
from confd.model import Step
from confd.ports import Inspect, Replacement
from confd.targets.document import connect
from confd.targets.memory import MemoryTarget, Program
from tests.support.asked import Asked

__all__ = ["Engine"]

IMAGE = "app:1"


class Hurried:
    """A clock on which every wait is over at once, and its time has passed."""

    def __init__(self) -> None:
        self._clock = ManualClock()

    def now(self) -> float:
        return self._clock.now()

    def utc(self) -> str:
        return self._clock.utc()

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        self._clock.advance(timeout_s or 0.0)
        return event.is_set()


class Engine:
    """`done` has each step's action and container name; with a `fault` a step fails before its action.

    `before` and `after` are called with an action, to have something happen around it.
    """

    def __init__(self) -> None:
        self.target = MemoryTarget({IMAGE: lambda inspect: Program()}, networks=["second"])
        self.asked = Asked(self.target)
        self.done: list[tuple[str, str]] = []
        self.fault: ConfdError | None = None
        self.before: Mapping[str, Callable[[], object]] = {}
        self.after: Mapping[str, Callable[[], object]] = {}
        self._acts = acts_for(self.target, Labels(), Hurried())

    def create(
        self, name: str, labels: Mapping[str, str], variables: Sequence[str] = ("BASE=1",), **host: Any
    ) -> Container:
        body = {"Image": IMAGE, "Cmd": ["run"], "Labels": labels, "Env": list(variables), "HostConfig": host}
        return self.target.create(Replacement(name, body, {}))

    def run(
        self, name: str, labels: Mapping[str, str], variables: Sequence[str] = ("BASE=1",), **host: Any
    ) -> Container:
        container = self.create(name, labels, variables, **host)
        self.target.start(container)
        return container

    def remove(self, container: str) -> None:
        self.target.stop(container, None)
        self.target.remove(container)

    def connect(self, container: str, network: str) -> None:
        """As by hand, `docker network connect`: no event of the container tells of it."""
        connect(self.target._find(container).document, network, {})

    def all(self) -> dict[str, Inspect]:
        """Every container by its id."""
        return {str(one["Id"]): one for one in self.target.containers("")}

    def act(self, step: Step, work: Work) -> Container:
        if self.fault is not None:
            raise self.fault
        self.done.append((step.action, str(work.inspect["Name"])))
        self.before.get(step.action, object)()
        current = self._acts[step.action](step, work)
        self.after.get(step.action, object)()
        return current
