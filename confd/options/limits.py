"""Run options that the engine can change while the container runs: limits and the restart policy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from confd.errors import Invalid
from confd.jsontext import Value
from confd.options import grammar
from confd.options.grammar import canonical

__all__ = ["LIMITS", "MINIMUM_MEMORY", "Option", "section"]

MINIMUM_MEMORY = 6 * 1024 * 1024
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Option:
    """One run option. `live`: changes in a running container. `limit`: every host lets the store set it.

    `parse` gives the canonical JSON text of a setting's value, raising `Invalid`; `read` the same from an
    inspect, None where the engine's default stands; `write` puts it into a create body. `default` is the
    canonical text that means the same as unset.
    """

    name: str
    doc: str
    live: bool
    limit: bool
    parse: Callable[[Value], str]
    read: Callable[[Mapping[str, Any]], str | None]
    write: Callable[[dict[str, Any], str], None]
    default: str | None = None


def section(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The HostConfig of an inspect."""
    return body.get("HostConfig") or {}


def _field(name: str, doc: str, field: str, parse: Callable[[Value, str], int]) -> Option:
    def read(inspect: Mapping[str, Any]) -> str | None:
        return canonical(section(inspect)[field]) if section(inspect).get(field) else None

    def write(body: dict[str, Any], text: str) -> None:
        body.setdefault("HostConfig", {})[field] = json.loads(text)

    return Option(name, doc, True, True, lambda value: canonical(parse(value, f"run/{name}")), read, write)


def _bytes(value: Value, what: str) -> int:
    found = grammar.size(value, what)
    if found < MINIMUM_MEMORY:
        raise Invalid(f"{what}: use 6 MiB or more, like 6m; to have no limit, unset it")
    return found


def _swap(value: Value, what: str) -> int:
    return -1 if str(value) == "-1" else _bytes(value, what)


def _between(lowest: int, highest: int) -> Callable[[Value, str], int]:
    return lambda value, what: grammar.integer(value, what, lowest, highest)


def _parse_cpus(value: Value) -> str:
    accepted = "a number of CPUs of 0.01 or more, like 0.5 or 2, with at most 9 decimals"
    found = grammar.text(value, "run/cpus", accepted)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", found) or Decimal(found) < Decimal("0.01"):
        raise Invalid(f"run/cpus: use {accepted}")
    return grammar.trimmed(Decimal(found))


def _read_cpus(inspect: Mapping[str, Any]) -> str | None:
    nano = section(inspect).get("NanoCpus")
    return grammar.trimmed(Decimal(nano) / NANO) if nano else None


def _write_cpus(body: dict[str, Any], text: str) -> None:
    body.setdefault("HostConfig", {})["NanoCpus"] = int(Decimal(text) * NANO)


def _cpuset(name: str, field: str) -> Option:
    def normal(value: Value) -> str:
        accepted = "numbers and ranges with commas between, like 0-2,4"
        found: set[int] = set()
        for part in grammar.text(value, f"run/{name}", accepted).split(","):
            match = re.fullmatch(r"([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
            if match is None or int(match.group(2) or match.group(1)) < int(match.group(1)):
                raise Invalid(f"run/{name}: use {accepted}")
            found.update(range(int(match.group(1)), int(match.group(2) or match.group(1)) + 1))
        return canonical(_ranges(sorted(found)))

    def read(inspect: Mapping[str, Any]) -> str | None:
        found = section(inspect).get(field)
        return normal(found) if found else None

    def write(body: dict[str, Any], text: str) -> None:
        body.setdefault("HostConfig", {})[field] = json.loads(text)

    return Option(name, f"which {name.removeprefix('cpuset-')} it may use", True, True, normal, read, write)


def _ranges(numbers: list[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in runs)


def _parse_pids(value: Value) -> str:
    if str(value) in ("-1", "0"):
        return "-1"
    return canonical(grammar.integer(value, "run/pids-limit", -1, 4194304))


def _read_pids(inspect: Mapping[str, Any]) -> str | None:
    found = section(inspect).get("PidsLimit")
    return canonical(found) if found and found > 0 else None


def _write_pids(body: dict[str, Any], text: str) -> None:
    body.setdefault("HostConfig", {})["PidsLimit"] = int(text)


def _parse_restart(value: Value) -> str:
    accepted = "no, always, unless-stopped, on-failure or on-failure:N"
    found = grammar.text(value, "run/restart", accepted)
    if not re.fullmatch(r"no|always|unless-stopped|on-failure(:[0-9]{1,9})?", found):
        raise Invalid(f"run/restart: use {accepted}")
    name, _, count = found.partition(":")
    return canonical(f"{name}:{int(count)}" if count and int(count) else name)


def _read_restart(inspect: Mapping[str, Any]) -> str | None:
    policy = section(inspect).get("RestartPolicy") or {}
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name == "no":
        return None
    return canonical(f"{name}:{count}" if name == "on-failure" and count else name)


def _write_restart(body: dict[str, Any], text: str) -> None:
    name, _, count = json.loads(text).partition(":")
    policy = {"Name": name, "MaximumRetryCount": int(count or 0)}
    body.setdefault("HostConfig", {})["RestartPolicy"] = policy


def _memory_swap() -> Option:
    option = _field("memory-swap", "memory and swap together in bytes, -1 for no limit", "MemorySwap", _swap)

    def read(inspect: Mapping[str, Any]) -> str | None:
        host = section(inspect)
        derived = host.get("Memory") and host.get("MemorySwap") == 2 * host["Memory"]
        return None if derived else option.read(inspect)

    return Option(option.name, option.doc, True, True, option.parse, read, option.write)


LIMITS: tuple[Option, ...] = (
    _field("memory", "memory limit in bytes, or like 512m", "Memory", _bytes),
    _field("memory-reservation", "soft memory limit, or like 256m", "MemoryReservation", _bytes),
    _memory_swap(),
    Option("cpus", "CPUs it may use, like 0.5", True, True, _parse_cpus, _read_cpus, _write_cpus),
    _field("cpu-shares", "relative weight among containers", "CpuShares", _between(2, 262144)),
    _field("cpu-period", "CFS period in microseconds", "CpuPeriod", _between(1000, 1000000)),
    _field("cpu-quota", "CFS quota in microseconds a period", "CpuQuota", _between(1000, 10**12)),
    _cpuset("cpuset-cpus", "CpusetCpus"),
    _cpuset("cpuset-mems", "CpusetMems"),
    Option("pids-limit", "most processes; -1: no limit", True, True, _parse_pids, _read_pids, _write_pids, "-1"),
    _field("blkio-weight", "block I/O weight, 10 to 1000", "BlkioWeight", _between(10, 1000)),
    Option("restart", "restart policy", True, True, _parse_restart, _read_restart, _write_restart, '"no"'),
)
