"""Words that errors and commands have in common. Pure."""

from __future__ import annotations

__all__ = ["counted", "not_again", "not_start_first"]


def counted(number: int, what: str) -> str:
    """`1 container`, `2 containers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def not_again(why: str) -> str:
    """Of a recreate that failed for good, when it fails and for as long as it stands."""
    return f"{why}; change a setting to try again"


def not_start_first(why: str) -> str:
    """Of a recreate whose binding has the new container start beside the old one, where two cannot be."""
    return (
        f"order start-first: {why}; set order: stop-first in the binding, or have the engine choose what only one "
        "can have"
    )
