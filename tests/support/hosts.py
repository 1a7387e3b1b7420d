"""Hosts and containers as agents tell of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confd.keys import App, Container, Env, Host, Keyspace
from confd.model import Observed, Step, frozen
from confd.ports import Put, Store
from confd.published import Told, status_text

__all__ = ["FACTS", "HostStand"]

FACTS: Mapping[str, Any] = frozen({"cpus": 4, "memory_bytes": 8 * 2**30, "allow_run": []})
SPACE = Keyspace()


@dataclass(frozen=True, slots=True)
class HostStand:
    """One host in the store; writes what its agent would."""

    store: Store
    name: str
    facts: Mapping[str, Any] = field(default_factory=lambda: FACTS)

    @property
    def host(self) -> Host:
        return Host(self.name)

    def up(
        self, *, alive: bool = True, held: str = "", keys: Mapping[str, Sequence[str]] | None = None
    ) -> HostStand:
        about: dict[str, Any] = {
            "env": "dev",
            "engine_version": "20.10",
            "cpus": 4,
            "at": "2026-01-01T00:00:00.000Z",
        }
        about |= {"held": held} if held else {}
        about |= {"keys": dict(keys)} if keys is not None else {}
        puts = [Put(SPACE.about(self.host), json.dumps(about))]
        puts += [Put(SPACE.alive(self.host), "{}")] if alive else []
        self.store.commit(puts)
        return self

    def runs(self, name: str, app: str = "web", env: str = "dev", steps: Sequence[Step] = ()) -> Container:
        """A container that an agent has observed; its id is its name and host."""
        container = Container(f"{name}-on-{self.name}")
        observed = Observed(container, name, App(app), Env(env), True, facts=self.facts)
        text = status_text(
            observed, steps, "d1", Told(self.store.read([SPACE.meta]).revision, "2026-01-02T00:00:00Z")
        )
        self.store.commit([Put(SPACE.status(self.host, container), text)])
        return container
