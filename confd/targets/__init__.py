"""Where containers live: each target's name, and how it is made from an address and a timeout."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from confd.ports import Engine
from confd.targets.docker import DockerTarget

__all__ = ["TARGETS"]

TARGETS: Mapping[str, Callable[[str | None, float], Engine]] = {"docker": DockerTarget}
