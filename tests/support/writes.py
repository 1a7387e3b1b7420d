"""What an engine was made to do, by its own log of events."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.support.engine import EngineProcess

__all__ = ["Writes"]

READS = ("exec_", "top", "attach", "detach", "export", "archive-path", "health_status", "resize")
"""Events of what changes nothing."""


def _since() -> str:
    return f"{time.time():.9f}"


@dataclass(slots=True)
class Writes:
    """The engine's events since this was made, or since `again`."""

    engine: EngineProcess
    since: str = field(default_factory=_since)

    def again(self) -> None:
        """Count from now on."""
        self.since = _since()

    def all(self) -> list[tuple[str, str, str]]:
        """Kind, action and container name (or id) of each, oldest first."""
        span: Any = {"since": self.since, "until": _since()}  # the engine takes fractions of a second too
        events: list[dict[str, Any]] = list(self.engine.client.events(**span, decode=True))
        found = []
        for event in events:
            actor = event.get("Actor", {})
            name = actor.get("Attributes", {}).get("name", actor.get("ID", ""))
            if not event["Action"].startswith(READS):
                found.append((event["Type"], event["Action"], name))
        return found

    def count(self, action: str) -> Counter[str]:
        """How often an action was done, by container name."""
        return Counter(name for kind, done, name in self.all() if (kind, done) == ("container", action))
