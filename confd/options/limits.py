"""The options that bound what a container takes of its host; most of them the engine changes in place."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options.option import Grammar, Option, Place
from confd.options.places import host, host_in, host_of, host_place
from confd.options.texts import TEXTS, clean_path, integer, items, load, matching, refusal, scalar, size

__all__ = ["LIMITS", "has_own_swap", "with_swap"]

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


def with_swap(host_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields with the limit of memory and swap that the engine sets where nobody did."""
    memory = host_config.get("Memory") or 0
    return host_config if not memory or host_config.get("MemorySwap") else {**host_config, "MemorySwap": 2 * memory}


def _memory() -> Place:
    place = host("Memory", 0)

    def unset(body: dict[str, Any]) -> None:
        fields = host_in(body)
        if fields.get("MemorySwap") and not has_own_swap(fields):
            fields["MemorySwap"] = 0
        place.unset(body)

    return Place(place.read, place.write, unset)


def _swap() -> Place:
    place = host("MemorySwap", 0)
    return Place(lambda body: place.read(body) if has_own_swap(host_of(body)) else None, place.write, place.unset)


def _rates(amount: Grammar) -> Grammar:
    """A list of DEVICE:AMOUNT; canonical: the amounts by device."""

    def parse(name: str, value: Value) -> str:
        rule = f"a list of /dev/NAME:{'WEIGHT' if 'weight' in name else 'RATE'}"
        found: dict[str, Value] = {}
        for item in items(name, value, rule):
            device, colon, text = item.rpartition(":")
            if not colon or not re.fullmatch(r"/dev/[^:\x00-\x1f]+", device):
                raise refusal(name, rule)
            found[clean_path(device)] = load(amount.parse(name, text))
        return jsontext.dump(dict(sorted(found.items())))

    return Grammar(parse, TEXTS)


def _devices(field: str, amount: str = "Rate") -> Place:
    def convert(value: Any) -> Value:
        return {str(one["Path"]): one[amount] for one in sorted(value or (), key=lambda one: one["Path"])} or None

    def stored(amounts: Mapping[str, int]) -> list[dict[str, Any]]:
        return [{"Path": device, amount: its} for device, its in amounts.items()]

    return host_place(field, None, convert, stored)


_limit = functools.partial(Option, live=True, limit=True)
_bound = functools.partial(Option, limit=True)

_CPUS = Grammar(_cpus, {"type": ["number", "string"]})
_RESTART = Grammar(_restart, {"type": "string", "pattern": "^(no|always|unless-stopped|on-failure(:[0-9]{1,9})?)$"})
_ON = matching(_SET, "CPUs like 0-2,4")
_NODES = matching(_SET, "memory nodes like 0-1")
_PERIOD = integer(1000, 1_000_000)

LIMITS = (
    _limit("memory", "memory limit", size(MIN_MEMORY), _memory(), ("512m", 536870912)),
    _limit("memory-reservation", "soft memory limit", size(MIN_MEMORY), host("MemoryReservation", 0), ("256m",)),
    _limit("memory-swap", "memory plus swap; -1 for no limit", size(0, unlimited=True), _swap(), (-1, "2g")),
    _limit("kernel-memory", "kernel memory limit", size(MIN_MEMORY), host("KernelMemory", 0), ("64m",)),
    _bound(
        "memory-swappiness",
        "how readily its memory is swapped out",
        integer(0, 100),
        host("MemorySwappiness", None, -1),
        (60,),
    ),
    _limit("cpus", "number of CPUs", _CPUS, host("NanoCpus", 0), (1.5,), excludes=("cpu-quota", "cpu-period")),
    _limit("cpu-shares", "relative CPU weight", integer(2, 262144), host("CpuShares", 0), (512,)),
    _limit(
        "cpu-period",
        "length of a CPU period in microseconds",
        _PERIOD,
        host("CpuPeriod", 0),
        (50000,),
        excludes=("cpus",),
    ),
    _limit(
        "cpu-quota",
        "CPU time in a period, microseconds",
        integer(1000, 10**12),
        host("CpuQuota", 0),
        (25000,),
        excludes=("cpus",),
    ),
    _limit("cpuset-cpus", "CPUs it may run on", _ON, host("CpusetCpus", ""), ("0-1",)),
    _limit("cpuset-mems", "memory nodes it may use", _NODES, host("CpusetMems", ""), ("0",)),
    _limit(
        "pids-limit",
        "number of processes",
        integer(-1, 4_194_304),
        host("PidsLimit", None, 0, -1),
        (100,),
        removal="-1",
    ),
    _limit("blkio-weight", "relative disk weight", integer(10, 1000), host("BlkioWeight", 0), (300,)),
    *(
        _bound(
            f"device-{way}-{unit}",
            doc,
            _rates(size(1) if unit == "bps" else integer(1, 10**15)),
            _devices(field),
            (example,),
        )
        for way, unit, doc, field, example in (
            ("read", "bps", "bytes a second that it reads from a device", "BlkioDeviceReadBps", "/dev/sda:1m"),
            ("write", "bps", "bytes a second that it writes to a device", "BlkioDeviceWriteBps", "/dev/sda:1m"),
            ("read", "iops", "reads a second from a device", "BlkioDeviceReadIOps", "/dev/sda:100"),
            ("write", "iops", "writes a second to a device", "BlkioDeviceWriteIOps", "/dev/sda:100"),
        )
    ),
    _bound(
        "blkio-weight-device",
        "relative weight on a disk",
        _rates(integer(10, 1000)),
        _devices("BlkioWeightDevice", "Weight"),
        ("/dev/sda:300",),
    ),
    _limit(
        "restart",
        "restart policy",
        _RESTART,
        host_place("RestartPolicy", _NO, _policy),
        ("always", "on-failure:3"),
        removal=jsontext.dump(_NO),
    ),
)
