"""How far an action goes."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["REACHES", "Reach"]


class Reach(IntEnum):
    """How far an action goes."""

    NONE = 0
    IN_PLACE = 1
    NEW_PROCESS = 2
    NEW_CONTAINER = 3

    @property
    def word(self) -> str:
        return ("none", "in-place", "new-process", "new-container")[self.value]


REACHES = {reach.word: reach for reach in Reach}
"""Each by its word."""
