"""What the container may use, from what is in force where the shim runs."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_limits", "read_text"]


def read_limits() -> dict[bytes, bytes]:
    """CONFD_LIMIT_... from the cgroup (version 1 or 2), CPU set and resource limits; only what is limited."""
    limits: dict[str, str] = {}
    memory = _least(["memory.max", "memory/memory.limit_in_bytes"], "memory")
    pids = _least(["pids.max", "pids/pids.max"], "pids")
    cpus = _cpus()
    if memory is not None and memory < 1 << 60:
        limits["MEMORY_BYTES"] = str(memory)
    if cpus is not None:
        limits["CPUS"] = f"{cpus:.3f}".rstrip("0").rstrip(".")
    if pids is not None:
        limits["PIDS"] = str(pids)
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:
        limits["NOFILE"] = str(files)
    return {f"CONFD_LIMIT_{name}".encode(): value.encode() for name, value in limits.items()}


def _cgroup_file(name: str, controller: str) -> str:
    """The text of a cgroup file: of the own group where that is visible, else of the root, as in a container."""
    own = ""
    for line in read_text("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or controller in controllers.split(","):
            own = path.rstrip("/")
    folder, _, file = name.rpartition("/")
    root = f"/sys/fs/cgroup/{folder}".rstrip("/")
    return read_text(f"{root}{own}/{file}") or read_text(f"{root}/{file}")


def _least(names: Sequence[str], controller: str) -> int | None:
    numbers = [int(text) for text in (_cgroup_file(n, controller).strip() for n in names) if text.isdecimal()]
    return min(numbers, default=None)


def _cpus() -> float | None:
    counts: list[float] = []
    allowed = len(os.sched_getaffinity(0))
    if allowed < (os.cpu_count() or allowed):
        counts.append(float(allowed))
    quota_period = _cgroup_file("cpu.max", "cpu").split() or [
        _cgroup_file("cpu/cpu.cfs_quota_us", "cpu").strip(),
        _cgroup_file("cpu/cpu.cfs_period_us", "cpu").strip(),
    ]
    if len(quota_period) == 2 and all(text.isdecimal() and int(text) > 0 for text in quota_period):
        counts.append(int(quota_period[0]) / int(quota_period[1]))
    return min(counts, default=None)


def read_text(path: str) -> str:
    """The file's text; empty where there is none to be had."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
