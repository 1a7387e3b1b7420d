"""Words that errors and commands have in common. Pure."""

from __future__ import annotations

__all__ = ["counted", "not_again"]


def counted(number: int, what: str) -> str:
    """`1 container`, `2 containers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def not_again(why: str) -> str:
    """Of a recreate that failed for good, when it fails and for as long as it stands."""
    return f"{why}; change a setting to try again"
