"""Where containers live: each target's name, and how it is made from an address, a timeout and a listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confd.ports import Engine, Heard
from confd.targets.docker import DockerTarget
from confd.targets.memory import MemoryTarget

__all__ = ["TARGETS"]


def _memory(_address: str | None, _timeout_s: float, _heard: Heard) -> MemoryTarget:
    """An engine of its own, with nothing in it: for an agent that is tried out where there is no engine."""
    return MemoryTarget()


TARGETS: Mapping[str, Callable[[str | None, float, Heard], Engine]] = {"docker": DockerTarget, "memory": _memory}
