"""What the kernel's files say of a container's use: control groups of version 1 and 2, and network devices.

Pure: texts in, numbers out. A text that is missing or says nothing gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Groups",
    "Usage",
    "folder_of",
    "groups_of",
    "mounts_of",
    "network_of",
    "stats_usage",
    "usage_v1",
    "usage_v2",
]

_ENDLESS = 1 << 60
"""A limit of version 1 from which on there is none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses; None is not known, or for a limit, none. Counters count since its start."""

    cpu_s: float | None = None
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    oom_kills: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    pids: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None
    open_files: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one process: controller to path, version 2's under an empty name."""

    paths: Mapping[str, str]

    @property
    def is_v1(self) -> bool:
        """Whether version 1 has the controllers, as also where version 2 is there beside it without any."""
        return "memory" in self.paths or "cpuacct" in self.paths


def groups_of(text: str) -> Groups:
    """From `/proc/PID/cgroup`."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return Groups(paths)


def mounts_of(text: str) -> dict[str, tuple[str, str]]:
    """From `/proc/self/mountinfo`: controller, empty for version 2, to where it is mounted and what of it."""
    found: dict[str, tuple[str, str]] = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if len(fields) < 5 or len(rest) < 3:
            continue
        place = (fields[4], fields[3])
        if rest[0] == "cgroup2":
            found.setdefault("", place)
        elif rest[0] == "cgroup":
            found |= {name: place for name in rest[2].split(",") if name not in found}
    return found


def folder_of(mounts: Mapping[str, tuple[str, str]], groups: Groups, controller: str) -> str | None:
    """Where the files of a group stand, for a controller of version 1 or with an empty one of version 2."""
    if controller not in mounts or controller not in groups.paths:
        return None
    (point, root), path = mounts[controller], groups.paths[controller]
    if root != "/":
        if path != root and not path.startswith(root + "/"):
            return None  # only a part of the tree is mounted here, and the group is not in it
        path = path[len(root) :]
    return (point + path).rstrip("/")


def usage_v1(files: Mapping[str, str]) -> Usage:
    """From files of version 1, by their names."""
    memory, stat = _number(files.get("memory.usage_in_bytes")), _pairs(files.get("memory.stat"))
    limit, cpu_ns = _number(files.get("memory.limit_in_bytes")), _number(files.get("cpuacct.usage"))
    blocks = files.get("blkio.throttle.io_service_bytes_recursive") or files.get("blkio.throttle.io_service_bytes")
    return Usage(
        cpu_s=None if cpu_ns is None else cpu_ns / 1e9,
        memory_bytes=_working_set(memory, stat.get("total_inactive_file", 0)),
        memory_limit_bytes=limit if limit is not None and limit < _ENDLESS else None,
        oom_kills=_pairs(files.get("memory.oom_control")).get("oom_kill"),
        read_bytes=_blocks(blocks, "Read"),
        written_bytes=_blocks(blocks, "Write"),
        pids=_number(files.get("pids.current")),
    )


def usage_v2(files: Mapping[str, str]) -> Usage:
    """From files of version 2, by their names."""
    memory, stat = _number(files.get("memory.current")), _pairs(files.get("memory.stat"))
    cpu_us = _pairs(files.get("cpu.stat")).get("usage_usec")
    return Usage(
        cpu_s=None if cpu_us is None else cpu_us / 1e6,
        memory_bytes=_working_set(memory, stat.get("inactive_file", 0)),
        memory_limit_bytes=_number(files.get("memory.max")),
        oom_kills=_pairs(files.get("memory.events")).get("oom_kill"),
        read_bytes=_io(files.get("io.stat"), "rbytes"),
        written_bytes=_io(files.get("io.stat"), "wbytes"),
        pids=_number(files.get("pids.current")),
    )


def network_of(text: str) -> tuple[int, int]:
    """From `/proc/PID/net/dev`: bytes received and sent, without the loopback's."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = rest.split()
        if name.strip() != "lo" and len(numbers) >= 9:
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def stats_usage(stats: Mapping[str, Any]) -> Usage:
    """From the engine's own statistics, which tell nothing of open files."""
    memory, stat = stats.get("memory_stats") or {}, (stats.get("memory_stats") or {}).get("stats") or {}
    cache = stat.get("total_inactive_file", stat.get("inactive_file", 0))
    limit = memory.get("limit")
    cpu_ns = ((stats.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage")
    blocks = (stats.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    networks = (stats.get("networks") or {}).values()
    return Usage(
        cpu_s=None if cpu_ns is None else cpu_ns / 1e9,
        memory_bytes=_working_set(memory.get("usage"), cache),
        memory_limit_bytes=limit if limit and limit < _ENDLESS else None,
        read_bytes=_summed(one for one in blocks if str(one.get("op")).lower() == "read"),
        written_bytes=_summed(one for one in blocks if str(one.get("op")).lower() == "write"),
        pids=(stats.get("pids_stats") or {}).get("current"),
        received_bytes=sum(int(one.get("rx_bytes") or 0) for one in networks),
        sent_bytes=sum(int(one.get("tx_bytes") or 0) for one in networks),
    )


def _working_set(used: int | None, cache: int) -> int | None:
    """What cannot be had back for the asking: page cache that nobody has used of late is left out."""
    return None if used is None else max(used - cache, 0)


def _number(text: str | None) -> int | None:
    word = (text or "").strip()
    return int(word) if word.isdecimal() else None


def _pairs(text: str | None) -> dict[str, int]:
    """Lines of a name and a number."""
    words = (line.split() for line in (text or "").splitlines())
    return {one[0]: int(one[1]) for one in words if len(one) == 2 and one[1].isdecimal()}


def _blocks(text: str | None, word: str) -> int | None:
    """The sum over all devices of lines like `8:0 Read 4096`."""
    if text is None:
        return None
    words = (line.split() for line in text.splitlines())
    return sum(int(one[2]) for one in words if len(one) == 3 and one[1] == word)


def _io(text: str | None, name: str) -> int | None:
    """The sum over all devices of lines like `8:0 rbytes=4096 wbytes=0 ...`."""
    if text is None:
        return None
    words = (word.partition("=") for line in text.splitlines() for word in line.split()[1:])
    return sum(int(number) for found, _, number in words if found == name)


def _summed(entries: Iterable[Mapping[str, Any]]) -> int:
    return sum(int(one.get("value") or 0) for one in entries)
