"""Writes what is observed of each container to the store, and only what is new."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from confd.keys import Container, Host, Keyspace
from confd.model import Observed, Step
from confd.ports import Clock, Expect, Operation, Put, Store
from confd.published import Told, status_text

__all__ = ["Report", "Reporter"]


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to tell of one container after a pass: what failed for good, or what will be tried again."""

    observed: Observed
    steps: Sequence[Step]
    digest: str
    failed: str = ""
    again: str = ""


class Reporter:
    """Statuses of all containers of an app go in one commit, fenced by the claim on the host."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, clock: Clock) -> None:
        self._store = store
        self._keyspace = keyspace
        self._host = host
        self._clock = clock
        self._fence: Expect | None = None
        self._lock = threading.Lock()
        self._last: dict[Container, str] = {}

    def refence(self, fence: Expect) -> None:
        """Write under another claim from now on; everything is told anew."""
        with self._lock:
            self._fence = fence
            self._last.clear()

    def tell(self, revision: int, reports: Sequence[Report]) -> None:
        """Publish the reports that say something new. Raises `Unavailable`, or `Conflict` when fenced off."""
        told = Told(revision, "")
        fresh: dict[Container, str] = {}
        operations: list[Operation] = []
        for report in reports:
            container, this = report.observed.id, replace(told, failed=report.failed, again=report.again)
            timeless = status_text(report.observed, report.steps, report.digest, this)
            if self._last.get(container) == timeless:
                continue
            fresh[container] = timeless
            operations.append(Put(self._keyspace.status(self._host, container), self.text(revision, report)))
        if operations:
            self._store.commit(operations, [self._fence] if self._fence else [])
            with self._lock:
                self._last.update(fresh)

    def text(self, revision: int, report: Report) -> str:
        """The report as a status document of now."""
        told = Told(revision, self._clock.utc(), failed=report.failed, again=report.again)
        return status_text(report.observed, report.steps, report.digest, told)

    def forget(self, container: Container) -> None:
        with self._lock:
            self._last.pop(container, None)
