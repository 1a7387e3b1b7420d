"""Words that errors and commands have in common. Pure."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, what: str) -> str:
    """`1 container`, `2 containers`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
