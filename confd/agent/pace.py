"""Splay: how long a host waits before it follows a change, so that not all of them do so in the same moment.

The wait is drawn once for all changes that come while it lasts; a container that has nothing in effect yet is not
kept waiting.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from confd.agent.inventory import Place
from confd.ports import Clock

__all__ = ["Splay"]


class Splay:
    """See the module. Thread-safe. `draw` gives a part of the whole: from 0 up to, and not including, 1."""

    def __init__(self, clock: Clock, draw: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._draw = draw
        self._lock = threading.Lock()
        self._until: dict[Place, float] = {}

    def left_s(self, place: Place, splay_s: float) -> float:
        """How long the place has to wait still; 0 when it may go on. The first question draws the wait."""
        now = self._clock.now()
        with self._lock:
            if place not in self._until:
                self._until[place] = now + splay_s * self._draw()
            until = self._until[place]
        return max(min(until, now + splay_s) - now, 0.0)

    def over(self, place: Place) -> None:
        """It has followed the change, or there is none any more: the next one draws anew."""
        with self._lock:
            self._until.pop(place, None)
