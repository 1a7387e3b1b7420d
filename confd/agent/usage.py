"""What containers use, read when somebody looks: from the kernel where this process sees it, else from the engine.

Looks for a limited time. A container that its turn did not come to shows what was last read of it, and is among the
first of the next look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from confd.agent.asker import Asker, Stats
from confd.cgroup import Groups, Usage, folder_of, groups_of, mounts_of, network_of, usage_v1, usage_v2
from confd.options import shares_network
from confd.ports import Inspect

__all__ = ["BUDGET_S", "Meter"]

BUDGET_S = 1.5
"""How long one look takes at most, and the one container that it is at."""

_V1: Mapping[str, tuple[str, ...]] = {
    "cpuacct": ("cpuacct.usage",),
    "memory": ("memory.usage_in_bytes", "memory.stat", "memory.limit_in_bytes", "memory.oom_control"),
    "blkio": ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"),
    "pids": ("pids.current",),
}
_V2 = ("cpu.stat", "memory.current", "memory.stat", "memory.max", "memory.events", "io.stat", "pids.current")
_PROCESSES = "cgroup.procs"


@dataclass(slots=True)
class Meter:
    """See the module. Used by one thread at a time. `proc` is where the host's processes are seen."""

    stats: Stats
    proc: Path = Path("/proc")
    budget_s: float = BUDGET_S
    now: Callable[[], float] = time.monotonic
    late: int = 0
    """How many containers the last look did not come to."""
    _last: dict[str, Usage] = field(default_factory=dict)
    _first: int = 0
    """Where in the row of containers the next look begins."""
    _engine: Asker = field(init=False)

    def __post_init__(self) -> None:
        self._engine = Asker(self.stats)

    def look(self, inspects: Sequence[Inspect]) -> Mapping[str, Usage]:
        """By container id; one that does not run, or of which nothing can be had, is not in it."""
        deadline = self.now() + self.budget_s
        running = {str(one["Id"]): one for one in inspects if (one.get("State") or {}).get("Running")}
        ids = sorted(running)
        at = self._first % len(ids) if ids else 0
        row, read, elsewhere = ids[at:] + ids[:at], 0, list[str]()
        mounts = mounts_of(_text(f"{self.proc}/self/mountinfo") or "")
        found: dict[str, Usage | None] = {}
        for container in row:
            if self.now() > deadline:
                break
            read += 1
            usage = self._read(running[container], mounts)
            if usage is None:
                elsewhere.append(container)
            else:
                found[container] = usage
        found |= self._engine.ask(elsewhere, max(deadline - self.now(), 0.0))
        self.late = len(row) - read + len(set(elsewhere) - found.keys())
        self._first = at + read if read < len(row) else 0
        known = {**self._last, **found}
        self._last = {one: usage for one, usage in known.items() if one in running and usage is not None}
        return {one: _own_network(running[one], usage) for one, usage in self._last.items()}

    def _read(self, inspect: Inspect, mounts: Mapping[str, tuple[str, str]]) -> Usage | None:
        """From the kernel; None where it does not show the container here."""
        container, pid = str(inspect["Id"]), int(inspect["State"].get("Pid") or 0)
        groups = groups_of(_text(f"{self.proc}/{pid}/cgroup") or "") if pid else Groups({})
        if not any(container in path for path in groups.paths.values()):
            return None
        found = self._of_kernel(groups, mounts)
        device = _text(f"{self.proc}/{pid}/net/dev")
        if found is None or device is None:
            return found
        received, sent = network_of(device)
        return replace(found, received_bytes=received, sent_bytes=sent)

    def _of_kernel(self, groups: Groups, mounts: Mapping[str, tuple[str, str]]) -> Usage | None:
        if groups.is_v1:
            folders = {one: folder_of(mounts, groups, one) for one in _V1}
            files = {name: f"{folder}/{name}" for one, folder in folders.items() if folder for name in _V1[one]}
            group = folders["pids"] or folders["memory"]
        else:
            group = folder_of(mounts, groups, "")
            files = {name: f"{group}/{name}" for name in _V2}
        texts = {name: text for name, path in files.items() if (text := _text(path)) is not None}
        if not texts or group is None:
            return None
        usage = usage_v1(texts) if groups.is_v1 else usage_v2(texts)
        return replace(usage, open_files=self._open_files(group))

    def _open_files(self, group: str) -> int | None:
        """Of all processes of the group and those below it; None where not all may be looked at."""
        try:
            return sum(_count(f"{self.proc}/{pid}/fd") for pid in _processes(group))
        except OSError:
            return None


def _own_network(inspect: Inspect, usage: Usage) -> Usage:
    """One in the network of the host or of another container has no figures of its own."""
    return replace(usage, received_bytes=None, sent_bytes=None) if shares_network(inspect) else usage


def _processes(group: str) -> list[str]:
    found = (_text(f"{group}/{_PROCESSES}") or "").split()
    if os.stat(group).st_nlink > 2:  # it has groups below it
        with os.scandir(group) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        found += [pid for one in below for pid in _processes(one)]
    return found


def _count(folder: str) -> int:
    """How many descriptors: newer kernels say it as the folder's size. A process that has just ended has none."""
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))
    except FileNotFoundError:
        return 0


def _text(path: str) -> str | None:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode("ascii", "replace")
    except OSError:
        return None
