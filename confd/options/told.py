"""The limits in force, as a program is told of them in its variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confd.options.texts import load

__all__ = ["TOLD", "limits_told", "told_in"]

_PREFIX = "CONFD_LIMIT_"
TOLD = tuple(_PREFIX + word for word in ("MEMORY_BYTES", "CPUS", "PIDS", "NOFILE"))
_LABEL = ".limits"
_PERIOD_US = 100_000
"""An engine's own length of a CPU period."""


def limits_told(options: Mapping[str, str]) -> dict[str, str]:
    """The variables for these options; of what is not limited there is none."""
    memory, cpus, pids = _above_zero(options.get("memory")), _cpus(options), _above_zero(options.get("pids-limit"))
    files = load(options.get("ulimit", "{}")).get("nofile", [-1])[0]
    limits = {
        "MEMORY_BYTES": None if memory is None else str(memory),
        "CPUS": None if cpus is None else f"{cpus:.3f}".rstrip("0").rstrip("."),
        "PIDS": None if pids is None else str(pids),
        "NOFILE": str(files) if files >= 0 else None,
    }
    return {_PREFIX + word: text for word, text in limits.items() if text is not None}


def told_in(inspect: Mapping[str, Any]) -> frozenset[str]:
    """The variables that an agent has told a container of, by the label that says so."""
    labels: Mapping[str, str] = inspect["Config"].get("Labels") or {}
    said = (set(text.split(",")) for name, text in labels.items() if name.endswith(_LABEL))
    return frozenset(word for words in said if words <= set(TOLD) for word in words)


def _above_zero(text: str | None) -> int | None:
    number = int(text or 0)
    return number if number > 0 else None


def _cpus(options: Mapping[str, str]) -> float | None:
    """Whatever is the least: the quota, or as many as it may run on."""
    counts: list[float] = []
    nano, quota = _above_zero(options.get("cpus")), _above_zero(options.get("cpu-quota"))
    if nano is not None:
        counts.append(nano / 1_000_000_000)
    if quota is not None:
        counts.append(quota / (_above_zero(options.get("cpu-period")) or _PERIOD_US))
    if "cpuset-cpus" in options:
        counts.append(float(len(set(_members(load(options["cpuset-cpus"]))))))
    return min(counts, default=None)


def _members(text: str) -> Iterable[int]:
    """The numbers of `0-2,4`."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
