"""Asks an engine what containers use, many at once: each answer comes only with the engine's own next sample.

That is a second away. What has not come in the time that there is comes with a later question.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from confd.cgroup import Usage, stats_usage
from confd.errors import ConfdError

__all__ = ["Asker", "Stats"]

AT_ONCE = 24
IDLE_S = 60.0

Stats: TypeAlias = Callable[[str], Mapping[str, Any]]
"""What the engine tells of a container by its id. Raises `ConfdError`."""


class Asker:
    """See the module. Its threads come with the first question, and go when there is none for a while."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._state = threading.Condition()
        self._asked: set[str] = set()
        self._found: dict[str, Usage | None] = {}
        self._tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._threads = 0

    def ask(self, containers: Sequence[str], timeout_s: float) -> dict[str, Usage | None]:
        """What has come by then, of what was asked for before too; None where there is nothing to be had."""
        with self._state:
            for container in containers:
                if container not in self._asked:
                    self._asked.add(container)
                    self._tasks.put(container)
            while self._threads < min(AT_ONCE, len(self._asked)):
                self._threads += 1
                threading.Thread(target=self._work, name="stats", daemon=True).start()
            self._state.wait_for(lambda: self._asked.isdisjoint(containers), timeout_s)
            found, self._found = self._found, {}
            return found

    def _work(self) -> None:
        while True:
            try:
                container = self._tasks.get(timeout=IDLE_S)
            except queue.Empty:
                with self._state:
                    if not self._tasks.empty():
                        continue
                    self._threads -= 1
                    return
            usage = self._look(container)
            with self._state:
                self._found[container] = usage
                self._asked.discard(container)
                self._state.notify_all()

    def _look(self, container: str) -> Usage | None:
        try:
            stats = self._stats(container)
        except ConfdError:
            return None  # gone, or the engine is away: that is told elsewhere
        return stats_usage(stats) if stats else None
