"""Waiting for what another process or thread does."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["until"]


def until(predicate: Callable[[], object], timeout_s: float) -> None:
    """Wait until the predicate holds. Raises `AssertionError` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not predicate():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {predicate}"
        time.sleep(0.02)
