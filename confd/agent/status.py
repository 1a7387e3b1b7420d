"""Writes what is observed of each container to the store, and only what is new."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confd.keys import App, Container, Env, Host, Keyspace
from confd.model import Cause, Observed, Rendered, Step
from confd.ports import Area, Clock, Delete, Expect, Operation, Put, Store
from confd.published import WAITS, Told, in_effect_of, state_of, status_text

__all__ = ["Report", "Reporter", "Standing"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to tell of one container after a pass: what failed for good, or what will be tried again.

    `waits`: whose turn comes first. `paused`: what else comes first, and `after_s` when to look again.
    """

    observed: Observed
    rendered: Rendered
    steps: Sequence[Step]
    failed: str = ""
    again: str = ""
    waits: str = ""
    paused: str = ""
    after_s: float | None = None

    @property
    def digest(self) -> str:
        return self.rendered.target(shim=bool(self.observed.shim))

    @property
    def left_out(self) -> str:
        return "; ".join(f"left out: {problem.detail}" for problem in self.rendered.problems)

    @property
    def settled(self) -> bool:
        """Whether all is in effect that the container is due."""
        return not (self.steps or self.failed or self.again)

    def told(self, at: str, in_effect: int) -> Told:
        waits = WAITS + self.waits if self.waits else self.paused
        return Told(self.rendered.revision, at, self.failed, self.again, self.left_out, waits, in_effect)


PART_BYTES = 512 * 1024
"""What the statuses of one commit take at most, more or less: a store has a limit."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a container stands, in words, what keeps steps of it from being done, and what it has for certain.

    `in_effect` is the newest revision at which nothing was left to do.
    """

    app: App
    env: Env
    state: str
    causes: frozenset[str]
    in_effect: int


class Reporter:
    """Statuses of an app's containers go together, fenced by the claim on the host."""

    def __init__(self, store: Store, keyspace: Keyspace, host: Host, clock: Clock) -> None:
        self._store = store
        self._keyspace = keyspace
        self._host = host
        self._clock = clock
        self._fence: Expect | None = None
        self._lock = threading.Lock()
        self._last: dict[Container, str] = {}
        self._left_out: dict[Container, str] = {}
        self._in_effect: dict[Container, int] | None = None
        self._stands: dict[Container, Standing] = {}

    def refence(self, fence: Expect) -> None:
        """Write under another claim from now on; everything is told anew."""
        with self._lock:
            self._fence = fence
            self._last.clear()
            self._in_effect = None

    def tell(self, reports: Sequence[Report]) -> None:
        """Publish the reports that say something new. Raises `Unavailable`, or `Conflict` when fenced off."""
        fresh: dict[Container, str] = {}
        operations: list[Put] = []
        for report in reports:
            container = report.observed.id
            timeless = self._text(report, "", container)
            self._stand(report)
            if self._last.get(container) == timeless:
                continue
            self._note(report)
            fresh[container] = timeless
            operations.append(
                Put(self._keyspace.status(self._host, container), self._text(report, self._clock.utc(), container))
            )
        for some in _parts(operations):
            self._store.commit(some, [self._fence] if self._fence else [])
        if operations:
            with self._lock:
                self._last.update(fresh)

    def succession(self, report: Report, before: Container) -> str:
        """The first status of a container that takes the place of the one `before`. Raises `Unavailable`."""
        text = self._text(report, self._clock.utc(), before)
        with self._lock:
            known = self._known()
            known[report.observed.id] = known.get(before, 0)
        return text

    def _text(self, report: Report, at: str, known_as: Container) -> str:
        """The report as a status document, with the newest revision at which nothing was left to do."""
        with self._lock:
            known = self._known()
            if report.settled:
                known[known_as] = report.rendered.revision
            in_effect = known.get(known_as, 0)
        return status_text(report.observed, report.steps, report.digest, report.told(at, in_effect))

    def _known(self) -> dict[Container, int]:
        """What was in effect in each container, from what this agent or the one before it has told of it."""
        if self._in_effect is None:
            prefix = self._keyspace.status(self._host, Container(""))
            told = self._store.snapshot([Area(prefix)]).entries
            self._in_effect = {Container(key.removeprefix(prefix)): in_effect_of(e.text) for key, e in told.items()}
        return self._in_effect

    def _stand(self, report: Report) -> None:
        container, rendered = report.observed.id, report.rendered
        state, _ = state_of(report.steps, report.told("", 0))
        causes = frozenset(str(step.cause or Cause.RULE) for step in report.steps if step.blocked is not None)
        with self._lock:
            in_effect = self._known().get(container, 0)
            self._stands[container] = Standing(rendered.app, rendered.env, state, causes, in_effect)

    def _note(self, report: Report) -> None:
        """Log what a container has to do without, when that is news."""
        container = report.observed.id
        with self._lock:
            news = self._left_out.get(container, "") != report.left_out
            self._left_out[container] = report.left_out
        if news and report.left_out:
            log.warning("%s: %s", report.observed.name, report.left_out)

    def stands(self) -> Mapping[Container, Standing]:
        """Where each container stood after the last pass over it."""
        with self._lock:
            return dict(self._stands)

    def withdraw(self, container: Container) -> None:
        """Tell no more of a container that is none of ours any longer. Raises as `tell` does."""
        with self._lock:
            self._stands.pop(container, None)
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
            self._stands.pop(container, None)
            self._last.pop(container, None)
            self._left_out.pop(container, None)
            if self._in_effect is not None:
                self._in_effect.pop(container, None)


def _parts(puts: Sequence[Put]) -> Iterator[list[Operation]]:
    """The puts in commits of a size that a store takes."""
    part, size = list[Operation](), 0
    for put in puts:
        if part and size + len(put.text) > PART_BYTES:
            yield part
            part, size = [], 0
        part.append(put)
        size += len(put.text)
    if part:
        yield part
