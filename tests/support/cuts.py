"""Where a recreate is cut off: before or after its n-th writing call, by the end of the agent or of the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confd.errors import EngineUnavailable
from confd.ports import Engine

__all__ = ["CALLS", "Cut", "CutOff"]

CALLS = ("create", "update", "stop", "rename", "start", "remove", "signal")


class Cut(BaseException):
    """The process ends here: nothing of it goes on, as after a kill -9."""


class CutOff:
    """A target whose n-th writing call never comes back; with `done` the engine did it, without it did not.

    `lose` is called at that point: for an engine that ends there, so that the agent learns of it.
    """

    def __init__(self, target: Engine, at: int, *, done: bool, lose: Callable[[], None] | None = None) -> None:
        self._target, self._left, self._done, self._lose = target, at, done, lose
        self.point = f"{at}, {'done' if done else 'not done'}"

    @property
    def lost(self) -> bool:
        """Whether the engine has ended."""
        return self._lose is not None

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._target, name)
        if name not in CALLS:
            return call

        def cut(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.point = f"{name} {self.point}"
            if self._left != 0:
                return call(*arguments)
            if self._done:
                call(*arguments)
            if self._lose is None:
                raise Cut
            self._lose()
            raise EngineUnavailable("the engine has ended")

        return cut
