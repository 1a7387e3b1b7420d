"""Which run options a real engine changes in place, and which it answers 200 to and leaves as they are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from confd.actions import update
from confd.errors import EngineRefused
from confd.options import OPTIONS, observed_options, write_options
from confd.targets.docker import DockerTarget
from tests.support.engine import EngineProcess
from tests.unit.options.samples import parsed, sample

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done']
MIB = 1024 * 1024
KERNELS = {"blkio-weight"}
LIVE = sorted(name for name, option in OPTIONS.items() if option.live and name not in KERNELS)
RESOURCES = {
    "memory-swappiness", "oom-kill-disable", "device-read-bps", "device-write-iops", "ulimit", "device",
    "device-cgroup-rule", "cgroup-parent", "gpus",
}  # fmt: skip
"""Options that an update call has a field for, and that no engine changes."""
OTHERS = {
    "memory": '"1g"', "memory-reservation": '"300m"', "memory-swap": '"3g"', "kernel-memory": '"128m"',
    "cpus": "0.5", "cpu-shares": "128", "cpu-period": "60000", "cpu-quota": "30000", "cpuset-cpus": '"0"',
    "cpuset-mems": '"0"', "pids-limit": "7", "restart": '"on-failure:3"',
}  # fmt: skip
"""Other values than the samples."""


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    yield made
    made.close()


def _observed(target: DockerTarget, container: str) -> Mapping[str, str]:
    return observed_options(target.inspect(container))


@pytest.mark.parametrize("name", LIVE)
def test_a_live_option_is_set_and_changed_in_place(engine: EngineProcess, target: DockerTarget, name: str) -> None:
    container = engine.run("web", SERVE)
    for options in (sample(name), sample(name, OTHERS[name]), sample(name)):
        update.apply(target, target.inspect(container), options)
        assert {one: _observed(target, container).get(one) for one in options} == options
    assert engine.inspect(container)["State"]["Running"]


@pytest.mark.parametrize("name", [name for name in LIVE if not OPTIONS[name].removal])
def test_what_has_no_removal_cannot_be_taken_away_in_place(
    engine: EngineProcess, target: DockerTarget, name: str
) -> None:
    """The engine answers 200 to its default and keeps what it had, or refuses it."""
    container = engine.run("web", SERVE)
    update.apply(target, target.inspect(container), sample(name))
    body: dict[str, Any] = {}
    OPTIONS[name].place.unset(body)
    with contextlib.suppress(EngineRefused):
        target.update(container, body["HostConfig"])
    assert _observed(target, container)[name] == sample(name)[name]


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_what_is_not_live_is_answered_200_and_not_changed(
    engine: EngineProcess, target: DockerTarget, name: str
) -> None:
    container = engine.run("web", SERVE)
    body: dict[str, Any] = {}
    write_options(body, {}, sample(name))
    target.update(container, body["HostConfig"])
    assert not OPTIONS[name].live
    assert name not in _observed(target, container)


def test_real_time_cpu_is_written_down_in_place_and_not_in_effect(
    engine: EngineProcess, target: DockerTarget
) -> None:
    """So it is not live: the engine's answer and its inspect both say that it is."""
    container = engine.run("web", SERVE)
    pid = engine.inspect(container)["State"]["Pid"]
    target.update(container, {"CpuRealtimePeriod": 1_000_000, "CpuRealtimeRuntime": 12_345})
    assert engine.inspect(container)["HostConfig"]["CpuRealtimeRuntime"] == 12_345
    folder = next(
        (line.split(":")[2] for line in Path(f"/proc/{pid}/cgroup").read_text().split() if ":cpu" in line), ""
    )
    now = Path(f"/sys/fs/cgroup/cpu{folder}/cpu.rt_runtime_us")
    assert not now.exists() or now.read_text().strip() != "12345"
    assert not OPTIONS["cpu-rt-runtime"].live
    assert not OPTIONS["cpu-rt-period"].live


@pytest.mark.parametrize(
    ("host", "options", "limits"),
    [
        pytest.param({}, {"memory": "64m"}, (64, 128), id="first limit"),
        pytest.param({"Memory": 64}, {"memory": "256m"}, (256, 512), id="raised above its swap"),
        pytest.param({"Memory": 256}, {"memory": "64m"}, (64, 128), id="lowered, and its swap with it"),
        pytest.param(
            {"Memory": 64, "MemorySwap": -1}, {"memory": "256m"}, (256, -1), id="raised, swap without limit"
        ),
        pytest.param({"Memory": 256, "MemorySwap": 300}, {"memory": "64m"}, (64, 300), id="lowered, swap its own"),
        pytest.param(
            {"Memory": 64, "MemorySwap": 100},
            {"memory": "256m", "memory-swap": "300m"},
            (256, 300),
            id="both raised",
        ),
        pytest.param(
            {"Memory": 256, "MemorySwap": 300},
            {"memory": "64m", "memory-swap": "100m"},
            (64, 100),
            id="both lowered",
        ),
        pytest.param({"Memory": 64}, {"memory-swap": "-1", "memory": "64m"}, (64, -1), id="swap without limit"),
        pytest.param(
            {"Memory": 64, "MemorySwap": -1}, {"memory-swap": "100m", "memory": "64m"}, (64, 100), id="again"
        ),
        pytest.param({"Memory": 64}, {"memory": "64m", "memory-swap": "64m"}, (64, 64), id="no swap at all"),
    ],
)
def test_memory_and_swap_go_up_and_down_in_one_call(
    engine: EngineProcess,
    target: DockerTarget,
    host: dict[str, int],
    options: dict[str, str],
    limits: tuple[int, int],
) -> None:
    fields = {name: number if number < 0 else number * MIB for name, number in host.items()}
    container = engine.run("web", SERVE, host=fields)
    canonical = {name: parsed(name, f'"{text}"') for name, text in options.items()}
    update.apply(target, target.inspect(container), canonical)
    now = engine.inspect(container)["HostConfig"]
    assert (now["Memory"], now["MemorySwap"]) == tuple(one if one < 0 else one * MIB for one in limits)


def test_memory_above_a_swap_that_is_the_containers_own_is_refused_and_nothing_changes(
    engine: EngineProcess, target: DockerTarget
) -> None:
    container = engine.run("web", SERVE, host={"Memory": 64 * MIB, "MemorySwap": 100 * MIB})
    with pytest.raises(EngineRefused, match="it keeps what it had"):
        update.apply(target, target.inspect(container), {"memory": str(256 * MIB)})
    now = engine.inspect(container)["HostConfig"]
    assert (now["Memory"], now["MemorySwap"]) == (64 * MIB, 100 * MIB)
