"""A few containers as an engine tells of them, and actions that count what they did."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confd.agent.reconcile import Work
from confd.errors import ConfdError, ContainerGone
from confd.keys import Container
from confd.model import Step
from confd.ports import Inspect, TargetEvent


class Engine:
    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.all: dict[str, dict[str, Any]] = {}
        self.done: list[tuple[str, str]] = []
        self.fault: ConfdError | None = None
        self.listings = 0

    def run(self, name: str, labels: Mapping[str, str], variables: Sequence[str] = ("BASE=1",)) -> str:
        container = f"{next(self._ids):064x}"
        self.all[container] = {
            "Id": container,
            "Name": f"/{name}",
            "Image": "sha256:1",
            "State": {"Running": True, "StartedAt": "2026-01-01T00:00:00Z"},
            "Config": {"Labels": dict(labels), "Env": list(variables), "Cmd": ["run"]},
            "HostConfig": {},
            "Mounts": [],
        }
        return container

    def engine(self) -> Mapping[str, Any]:
        return {"id": "e1"}

    def containers(self, label: str) -> Sequence[Inspect]:
        self.listings += 1
        return [copy.deepcopy(one) for one in self.all.values() if label in one["Config"]["Labels"]]

    def inspect(self, container: str) -> Inspect:
        if container not in self.all:
            raise ContainerGone("no such container")
        return copy.deepcopy(self.all[container])

    def events(self, stop: threading.Event) -> Iterator[TargetEvent]:
        yield TargetEvent(Container(""), "resync")
        stop.wait()

    def close(self) -> None:
        pass

    def act(self, step: Step, work: Work) -> Container:
        if self.fault is not None:
            raise self.fault
        self.done.append((step.action, str(work.inspect["Name"])))
        container = Container(str(work.inspect["Id"]))
        if step.action == "update":
            self.all[container]["HostConfig"]["Memory"] = int(step.parameters["memory"])
            self.all[container]["HostConfig"]["MemorySwap"] = 2 * int(step.parameters["memory"])
        if step.action == "recreate":
            old = self.all.pop(container)
            variables = {**work.entry.base.variables, **work.rendered.variables}
            new = self.run(
                old["Name"].strip("/"), old["Config"]["Labels"], [f"{n}={v}" for n, v in variables.items()]
            )
            return Container(new)
        return container
