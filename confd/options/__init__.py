"""The registry of run options: what `docker run` takes, as settings below `run/`.

Pure. Each option reads a setting's value into one canonical JSON text, reads the same text from an inspect, and
writes it into a create body, so that what the engine adds or rewrites never looks like a difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from confd.model import Problem
from confd.options.limits import LIMITS, MINIMUM_MEMORY, Option
from confd.options.others import OTHERS

__all__ = ["OPTIONS", "Option", "against_host", "conflicts", "observed_options", "same", "update_fields"]

OPTIONS: Mapping[str, Option] = {option.name: option for option in (*LIMITS, *OTHERS)}


def observed_options(inspect: Mapping[str, Any], *, swap_limit: bool = False) -> dict[str, str]:
    """Every option that the container has beyond the engine's defaults, by name.

    Without `swap_limit` (the engine's fact) the engine itself writes -1 as memory-swap, which is then no option.
    """
    found = {name: option.read(inspect) for name, option in OPTIONS.items()}
    if not swap_limit and found["memory-swap"] == "-1":
        found["memory-swap"] = None
    return {name: text for name, text in found.items() if text is not None}


def same(name: str, desired: str | None, observed: str | None) -> bool:
    """Whether the two come to the same for the engine: unset is the default; labels compare by name."""
    option = OPTIONS.get(name)
    default = option.default if option else None
    wanted, found = (default if text is None else text for text in (desired, observed))
    if name == "label" and wanted is not None:
        return json.loads(wanted).items() <= json.loads(found or "{}").items()
    return wanted == found


def update_fields(options: Mapping[str, str], observed: Mapping[str, Any]) -> dict[str, Any]:
    """The HostConfig fields of a live update to these options; `observed` is the container's inspect.

    Memory without memory-swap takes twice as much swap along, as at create, unless swap is without limit.
    """
    body: dict[str, Any] = {"HostConfig": {}}
    for name, text in options.items():
        if not OPTIONS[name].live:
            raise ValueError(f"run/{name} cannot be updated live")
        OPTIONS[name].write(body, text)
    fields: dict[str, Any] = body["HostConfig"]
    host = observed.get("HostConfig") or {}
    if "Memory" in fields and "MemorySwap" not in fields:
        current = host.get("MemorySwap") or 0
        derived = current in (0, 2 * (host.get("Memory") or 0))
        if current != -1 and (derived or current < fields["Memory"]):
            fields["MemorySwap"] = 2 * fields["Memory"]
    elif fields.get("MemorySwap", 0) > 0 and "Memory" not in fields and host.get("Memory"):
        fields["Memory"] = host["Memory"]
    return fields


def conflicts(options: Mapping[str, str]) -> list[Problem]:
    """Options that exclude each other, each problem naming all the keys."""
    problems = [
        _conflict("cpus", other, f"run/cpus and run/{other} exclude each other; unset one of them")
        for other in ("cpu-quota", "cpu-period")
        if "cpus" in options and other in options
    ]
    swap, memory, reservation = (_number(options, n) for n in ("memory-swap", "memory", "memory-reservation"))
    if swap is not None and memory is None:
        problems.append(_conflict("memory-swap", "memory", "run/memory-swap needs run/memory beside it; set both"))
    elif swap is not None and memory is not None and 0 < swap < memory:
        detail = "run/memory-swap is memory and swap together: it has to be at least run/memory, or -1"
        problems.append(_conflict("memory-swap", "memory", detail))
    elif swap is not None and memory is not None and swap == 2 * memory:
        detail = "run/memory-swap is twice run/memory, which is what the engine takes anyway; unset it"
        problems.append(Problem("run-option", ("run/memory-swap",), detail))
    if reservation is not None and memory is not None and reservation > memory:
        detail = "run/memory-reservation has to be at most run/memory"
        problems.append(_conflict("memory-reservation", "memory", detail))
    return problems


def against_host(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What this host cannot do: `facts` may hold `cpus`, `memory_bytes` and `swap_limit`."""
    problems: list[Problem] = []
    cpus = facts.get("cpus")
    if cpus and "cpus" in options and not Decimal("0.01") <= Decimal(options["cpus"]) <= Decimal(cpus):
        detail = f"run/cpus: this host takes 0.01 to {Decimal(cpus):.2f}"
        problems.append(Problem("run-option", ("run/cpus",), detail))
    if (memory := _number(options, "memory")) is not None and memory < MINIMUM_MEMORY:
        problems.append(Problem("run-option", ("run/memory",), "run/memory: the engine takes 6 MiB or more"))
    if "memory-swap" in options and facts.get("swap_limit") is False:
        detail = "run/memory-swap: this host's kernel does not limit swap; unset it for this host"
        problems.append(Problem("run-option", ("run/memory-swap",), detail))
    return problems


def _number(options: Mapping[str, str], name: str) -> int | None:
    return int(options[name]) if name in options else None


def _conflict(one: str, other: str, detail: str) -> Problem:
    return Problem("run-option", (f"run/{one}", f"run/{other}"), detail)
