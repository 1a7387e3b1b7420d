"""What a measure gives: a number of ours, the floor of the same run, and what was promised."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["Row", "at_most", "beside", "over", "percentile", "table", "times", "write"]


@dataclass(frozen=True, slots=True)
class Row:
    """`limit` is the promise in words, None where there is none; `holds` whether it was kept."""

    name: str
    unit: str
    ours: float
    floor: float
    ratio: float
    limit: str | None
    holds: bool


def times(name: str, unit: str, ours: float, floor: float, most: float) -> Row:
    """Ours may be at most so many times the floor."""
    return _row(name, unit, (ours, floor), f"{most:g} x floor", ours <= most * floor)


def over(name: str, unit: str, ours: float, floor: float, most: float) -> Row:
    """Ours may be at most so much more than the floor."""
    return _row(name, unit, (ours, floor), f"floor + {most:g}", ours - floor <= most)


def at_most(name: str, unit: str, ours: float, floor: float, most: float) -> Row:
    """Ours has a limit of its own; the floor tells how much of it this machine takes anyhow."""
    return _row(name, unit, (ours, floor), f"{most:g}", ours <= most)


def beside(name: str, unit: str, ours: float, floor: float) -> Row:
    """Nothing is promised; told because it explains another row."""
    return _row(name, unit, (ours, floor), None, True)


def _row(name: str, unit: str, values: tuple[float, float], limit: str | None, holds: bool) -> Row:
    ours, floor = values
    return Row(
        name, unit, round(ours, 3), round(floor, 3), round(ours / floor, 3) if floor else math.inf, limit, holds
    )


def percentile(samples: Sequence[float], share: float) -> float:
    """The sample that this share of all samples does not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def table(rows: Sequence[Row]) -> str:
    """All rows as text."""
    head = ("measure", "unit", "ours", "floor", "ratio", "limit", "holds")
    lines = [head]
    for row in rows:
        numbers = (f"{row.ours:.2f}", f"{row.floor:.2f}", f"{row.ratio:.2f}")
        lines.append((row.name, row.unit, *numbers, row.limit or "-", "yes" if row.holds else "NO"))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = (True, True, False, False, False, True, True)
    return "\n".join(
        "  ".join(
            text.ljust(width) if to_left else text.rjust(width)
            for text, width, to_left in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    )


def write(rows: Sequence[Row], path: Path) -> None:
    path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
