"""Writes what is observed of each container to the store, and only what is new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confd.keys import Container, Host, Keyspace
from confd.model import Observed, Rendered, Step
from confd.ports import Area, Clock, Delete, Expect, Operation, Put, Store
from confd.published import Told, status_text

__all__ = ["Report", "Reporter"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to tell of one container after a pass: what failed for good, or what will be tried again.

    `waits`: whose turn comes first.
    """

    observed: Observed
    rendered: Rendered
    steps: Sequence[Step]
    failed: str = ""
    again: str = ""
    waits: str = ""

    @property
    def digest(self) -> str:
        return self.rendered.target(shim=bool(self.observed.shim))

    @property
    def left_out(self) -> str:
        return "; ".join(f"left out: {problem.detail}" for problem in self.rendered.problems)

    def told(self, revision: int, at: str) -> Told:
        return Told(revision, at, self.failed, self.again, self.left_out, self.waits)


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
        self._left_out: dict[Container, str] = {}

    def refence(self, fence: Expect) -> None:
        """Write under another claim from now on; everything is told anew."""
        with self._lock:
            self._fence = fence
            self._last.clear()

    def tell(self, revision: int, reports: Sequence[Report]) -> None:
        """Publish the reports that say something new. Raises `Unavailable`, or `Conflict` when fenced off."""
        fresh: dict[Container, str] = {}
        operations: list[Operation] = []
        for report in reports:
            container = report.observed.id
            timeless = status_text(report.observed, report.steps, report.digest, report.told(revision, ""))
            if self._last.get(container) == timeless:
                continue
            self._note(report)
            fresh[container] = timeless
            operations.append(Put(self._keyspace.status(self._host, container), self.text(revision, report)))
        if operations:
            self._store.commit(operations, [self._fence] if self._fence else [])
            with self._lock:
                self._last.update(fresh)

    def text(self, revision: int, report: Report) -> str:
        """The report as a status document of now."""
        told = report.told(revision, self._clock.utc())
        return status_text(report.observed, report.steps, report.digest, told)

    def _note(self, report: Report) -> None:
        """Log what a container has to do without, when that is news."""
        container = report.observed.id
        with self._lock:
            news = self._left_out.get(container, "") != report.left_out
            self._left_out[container] = report.left_out
        if news and report.left_out:
            log.warning("%s: %s", report.observed.name, report.left_out)

    def withdraw(self, container: Container) -> None:
        """Tell no more of a container that is none of ours any longer. Raises as `tell` does."""
        with self._lock:
            told = self._last.pop(container, None) is not None
        if told:
            fence = [self._fence] if self._fence else []
            self._store.commit([Delete(self._keyspace.status(self._host, container))], fence)

    def sweep(self, is_here: Callable[[Container], bool]) -> None:
        """Withdraw what the store tells of containers that are not here. Raises as `tell` does."""
        prefix = self._keyspace.status(self._host, Container(""))
        told = self._store.snapshot([Area(prefix)], keys_only=True).entries
        ghosts = [key for key in told if not is_here(Container(key.removeprefix(prefix)))]
        if ghosts:
            self._store.commit([Delete(key) for key in ghosts], [self._fence] if self._fence else [])

    def forget(self, container: Container) -> None:
        with self._lock:
            self._last.pop(container, None)
            self._left_out.pop(container, None)
