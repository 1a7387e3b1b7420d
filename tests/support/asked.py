"""A target that notes which of its calls are made."""

from __future__ import annotations

from typing import Any

from confd.ports import Target

__all__ = ["Asked"]


class Asked:
    """`calls` has the name of each call, in order."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._target, name)
