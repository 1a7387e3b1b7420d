"""The options that bound what a container takes of its host: the engine changes them in place."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options.option import Option, Place
from confd.options.places import host, host_in, host_of, host_place
from confd.options.texts import integer, matching, refusal, scalar, size

__all__ = ["LIMITS", "has_own_swap"]

MIN_MEMORY = 6 * 1024 * 1024
_SET = r"\d+(-\d+)?(,\d+(-\d+)?)*"
_NO: Value = {"Name": "no", "MaximumRetryCount": 0}


def _cpus(name: str, value: Value) -> str:
    rule = "a number of CPUs like 1.5, at least 0.01"
    try:
        cpus = Decimal(scalar(value) or "")
    except InvalidOperation as exc:
        raise refusal(name, rule) from exc
    if not cpus.is_finite() or cpus < Decimal("0.01") or cpus > 100_000:
        raise refusal(name, rule)
    return str(int(cpus * 1_000_000_000))


def _restart(name: str, value: Value) -> str:
    text = value if isinstance(value, str) else ""
    found = re.fullmatch(r"(no|always|unless-stopped|on-failure)(?::(\d{1,9}))?", text)
    if found is None or (found[2] and found[1] != "on-failure"):
        raise refusal(name, "no, always, unless-stopped, on-failure or on-failure:N")
    return jsontext.dump({"Name": found[1], "MaximumRetryCount": int(found[2] or 0)})


def _policy(value: Any) -> Value:
    policy = value or {}
    if policy.get("Name") in (None, "", "no"):
        return None
    return {"Name": policy["Name"], "MaximumRetryCount": policy.get("MaximumRetryCount") or 0}


def has_own_swap(host_config: Mapping[str, Any]) -> bool:
    """Whether the limit of memory and swap was set, and is not the engine's own of twice the memory."""
    return (host_config.get("MemorySwap") or 0) not in (0, 2 * (host_config.get("Memory") or 0))


def _memory() -> Place:
    place = host("Memory", 0)

    def unset(body: dict[str, Any]) -> None:
        fields = host_in(body)
        if not has_own_swap(fields):
            fields["MemorySwap"] = 0
        place.unset(body)

    return Place(place.read, place.write, unset)


def _swap() -> Place:
    place = host("MemorySwap", 0)
    return Place(lambda body: place.read(body) if has_own_swap(host_of(body)) else None, place.write, place.unset)


_limit = functools.partial(Option, live=True, limit=True)


LIMITS = (
    _limit("memory", "memory limit", size(MIN_MEMORY), _memory()),
    _limit("memory-reservation", "soft memory limit", size(MIN_MEMORY), host("MemoryReservation", 0)),
    _limit("memory-swap", "memory plus swap; -1 for no limit", size(0, unlimited=True), _swap()),
    _limit("cpus", "number of CPUs", _cpus, host("NanoCpus", 0), excludes=("cpu-quota", "cpu-period")),
    _limit("cpu-shares", "relative CPU weight", integer(2, 262144), host("CpuShares", 0)),
    _limit(
        "cpu-period",
        "length of a CPU period in microseconds",
        integer(1000, 1_000_000),
        host("CpuPeriod", 0),
        excludes=("cpus",),
    ),
    _limit(
        "cpu-quota",
        "CPU time in a period, microseconds",
        integer(1000, 10**12),
        host("CpuQuota", 0),
        excludes=("cpus",),
    ),
    _limit("cpuset-cpus", "CPUs it may run on", matching(_SET, "CPUs like 0-2,4"), host("CpusetCpus", "")),
    _limit(
        "cpuset-mems", "memory nodes it may use", matching(_SET, "memory nodes like 0-1"), host("CpusetMems", "")
    ),
    _limit(
        "pids-limit", "number of processes", integer(-1, 4_194_304), host("PidsLimit", None, 0, -1), removal="-1"
    ),
    _limit("blkio-weight", "relative disk weight", integer(10, 1000), host("BlkioWeight", 0)),
    _limit(
        "restart",
        "restart policy",
        _restart,
        host_place("RestartPolicy", _NO, _policy),
        removal=jsontext.dump(_NO),
    ),
)
