"""What the kernel's files say, from samples of both versions of control groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from confd.cgroup import Groups, Usage, folder_of, groups_of, mounts_of, network_of, stats_usage, usage_v1, usage_v2

SAMPLES = Path(__file__).parents[1] / "data" / "cgroup"


def files(version: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in (SAMPLES / version).iterdir()}


def test_files_of_version_1() -> None:
    assert usage_v1(files("v1")) == Usage(
        cpu_s=12.5,
        memory_bytes=31457280 - 1048576,
        memory_limit_bytes=67108864,
        oom_kills=3,
        read_bytes=8192 + 4096,
        written_bytes=512,
        pids=7,
    )


def test_files_of_version_2() -> None:
    assert usage_v2(files("v2")) == Usage(
        cpu_s=12.5,
        memory_bytes=31457280 - 1048576,
        memory_limit_bytes=67108864,
        oom_kills=3,
        read_bytes=8192 + 4096,
        written_bytes=512,
        pids=7,
    )


@pytest.mark.parametrize("read", [usage_v1, usage_v2])
def test_what_is_not_there_is_not_known(read: Any) -> None:
    assert read({}) == Usage()


def test_no_limit_is_none() -> None:
    assert usage_v1({"memory.limit_in_bytes": "9223372036854771712\n"}).memory_limit_bytes is None
    assert usage_v2({"memory.max": "max\n"}).memory_limit_bytes is None


def test_more_cache_than_use_is_no_use() -> None:
    assert usage_v2({"memory.current": "5\n", "memory.stat": "inactive_file 9\n"}).memory_bytes == 0


def test_older_kernels_have_no_recursive_figures_of_disks() -> None:
    text = "8:0 Read 5\n8:0 Write 6\nTotal 11\n"
    usage = usage_v1({"blkio.throttle.io_service_bytes": text})
    assert (usage.read_bytes, usage.written_bytes) == (5, 6)


def test_the_network_without_the_loopback() -> None:
    assert network_of((SAMPLES / "net-dev").read_text()) == (1500 + 20, 700 + 30)


V1 = "9:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n"
V2 = "0::/system.slice/docker-abc.scope\n"


@pytest.mark.parametrize(("text", "is_v1"), [(V1, True), (V2, False), ("", False)])
def test_which_version_has_the_controllers(text: str, is_v1: bool) -> None:
    assert groups_of(text).is_v1 is is_v1


def test_where_a_group_stands() -> None:
    mounts = mounts_of((SAMPLES / "mountinfo").read_text())
    assert folder_of(mounts, groups_of(V1), "memory") == "/sys/fs/cgroup/memory/docker/abc"
    assert folder_of(mounts, groups_of(V1), "cpuacct") == "/sys/fs/cgroup/cpu,cpuacct/docker/abc"
    assert folder_of(mounts, groups_of(V2), "") == "/sys/fs/cgroup/unified/system.slice/docker-abc.scope"
    assert folder_of(mounts, groups_of(V1), "pids") is None
    assert folder_of({}, groups_of(V2), "") is None


def test_a_group_outside_the_part_that_is_mounted_is_not_reached() -> None:
    mounts = {"memory": ("/sys/fs/cgroup/memory", "/docker/own")}
    assert folder_of(mounts, Groups({"memory": "/docker/abc"}), "memory") is None
    assert folder_of(mounts, Groups({"memory": "/docker/own/x"}), "memory") == "/sys/fs/cgroup/memory/x"


def test_the_engine_s_own_figures() -> None:
    document = {
        "cpu_stats": {"cpu_usage": {"total_usage": 12_500_000_000}},
        "memory_stats": {"usage": 31457280, "limit": 67108864, "stats": {"total_inactive_file": 1048576}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}, {"op": "write", "value": 8}]},
        "pids_stats": {"current": 7},
        "networks": {"eth0": {"rx_bytes": 1500, "tx_bytes": 700}, "eth1": {"rx_bytes": 20, "tx_bytes": 30}},
    }
    assert stats_usage(document) == Usage(
        cpu_s=12.5,
        memory_bytes=31457280 - 1048576,
        memory_limit_bytes=67108864,
        read_bytes=7,
        written_bytes=8,
        pids=7,
        received_bytes=1520,
        sent_bytes=730,
    )
