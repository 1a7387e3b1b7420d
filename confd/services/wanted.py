"""What somebody asks for beside what it is about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who asks, and why. `dry_run`: only to look; `yes`: whatever more it does than one asks for by the way."""

    author: str
    message: str = ""
    dry_run: bool = False
    yes: bool = False
