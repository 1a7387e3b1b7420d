"""In which order containers were looked at and changed, so that what a slow look saw hides nothing newer. Pure."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["Looks"]


class Looks:
    """Looks and changes are counted in one order. Not for several threads at once: its owner has a lock."""

    def __init__(self) -> None:
        self._count = 0
        self._looked: dict[str, int] = {}
        self._changed: dict[str, int] = {}

    def begin(self) -> int:
        """Before a look: its place in the order."""
        self._count += 1
        return self._count

    def change(self, container: str) -> None:
        """Something happened to the container."""
        self._changed[container] = self.begin()

    def end(self, container: str) -> None:
        """It is gone: a look that began before saw what is no more."""
        self._changed.pop(container, None)
        self._looked[container] = self.begin()

    def take(self, container: str, began: int) -> bool:
        """Whether what a look saw is the newest that is known of the container; it counts as looked at then."""
        if began < self._looked.get(container, 0):
            return False
        self._looked[container] = began
        if self._changed.get(container, began) < began:
            del self._changed[container]
        return True

    def is_stale(self, container: str) -> bool:
        """Whether it changed after the newest look at it began."""
        return container in self._changed

    def stale(self) -> set[str]:
        return set(self._changed)

    def forget(self, keep: Collection[str], before: int) -> None:
        """Remember of what ended before a look began nothing more, but of these."""
        self._looked = {one: at for one, at in self._looked.items() if one in keep or at >= before}
