"""How the use of containers is read: from the kernel where it is seen, else from the engine, and not for long."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from confd.agent.usage import Meter
from confd.errors import ContainerGone, EngineUnavailable
from tests.support.wait import until

SAMPLES = Path(__file__).parents[2] / "data" / "cgroup"
MIB = 1024 * 1024


def inspect(container: str, pid: int = 0, network: str = "bridge", *, running: bool = True) -> dict[str, Any]:
    return {"Id": container, "State": {"Running": running, "Pid": pid}, "HostConfig": {"NetworkMode": network}}


@dataclass
class Host:
    """Folders like those of a kernel, and an engine that is asked where they do not tell."""

    root: Path
    asked: list[str] = field(default_factory=list)
    away: Exception | None = None
    answers: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def meter(self, step_s: float = 0.0) -> Meter:
        """Each time that it looks at the clock so much has passed."""
        clock = itertools.count()
        return Meter(self.stats, self.root / "proc", 1.0, lambda: next(clock) * step_s)

    def stats(self, container: str) -> Mapping[str, Any]:
        self.asked.append(container)
        self.answers.wait(10)
        if self.away is not None:
            raise self.away
        return {"pids_stats": {"current": 5}} if container != "c-empty" else {}

    def kernel(self, *containers: str) -> list[dict[str, Any]]:
        """Their files, and their inspects."""
        self.mount()
        for pid, container in enumerate(containers, 100):
            self.write(f"cgroup/docker/{container}/pids.current", "5")
            self.process(pid, f"0::/docker/{container}\n", 1)
        return [inspect(container, pid) for pid, container in enumerate(containers, 100)]

    def mount(self, *controllers: str) -> None:
        kind = "cgroup" if controllers else "cgroup2"
        lines = [
            f"33 30 0:29 / {self.root}/cgroup/{one} rw - {kind} cgroup rw,{one}" for one in controllers or ("",)
        ]
        self.write("proc/self/mountinfo", "\n".join(lines))

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def process(self, pid: int, cgroup: str, files: int) -> None:
        self.write(f"proc/{pid}/cgroup", cgroup)
        self.write(f"proc/{pid}/net/dev", (SAMPLES / "net-dev").read_text())
        folder = self.root / "proc" / str(pid) / "fd"
        folder.mkdir()
        for number in range(files):
            (folder / str(number)).touch()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_version_2_with_processes_in_groups_below(host: Host) -> None:
    host.mount()
    for path in (SAMPLES / "v2").iterdir():
        host.write(f"cgroup/docker/c1/{path.name}", path.read_text())
    host.write("cgroup/docker/c1/cgroup.procs", "7\n")
    host.write("cgroup/docker/c1/below/cgroup.procs", "8\n")
    host.process(7, "0::/docker/c1\n", 3)
    host.process(8, "0::/docker/c1/below\n", 0)
    (usage,) = host.meter().look([inspect("c1", 7)]).values()
    assert (usage.cpu_s, usage.memory_bytes, usage.pids) == (12.5, 29 * MIB, 7)
    assert (usage.received_bytes, usage.sent_bytes) == (1520, 730)
    assert usage.open_files is not None
    assert not host.asked


def test_version_1_beside_an_empty_version_2(host: Host) -> None:
    host.mount("memory", "pids", "blkio", "cpuacct")
    for path in (SAMPLES / "v1").iterdir():
        for controller in ("memory", "pids", "blkio", "cpuacct"):
            host.write(f"cgroup/{controller}/docker/c1/{path.name}", path.read_text())
    host.process(7, "4:memory:/docker/c1\n3:pids:/docker/c1\n2:blkio:/docker/c1\n1:cpuacct:/docker/c1\n0::/\n", 1)
    (usage,) = host.meter().look([inspect("c1", 7, "host")]).values()
    assert (usage.cpu_s, usage.memory_limit_bytes, usage.oom_kills) == (12.5, 64 * MIB, 3)
    assert (usage.received_bytes, usage.sent_bytes) == (None, None)


def test_the_engine_is_asked_where_the_pid_is_another_namespace_s(host: Host) -> None:
    host.mount()
    host.process(7, "0::/user.slice\n", 1)
    (usage,) = host.meter().look([inspect("c1", 7)]).values()
    assert (usage.pids, host.asked) == (5, ["c1"])


@pytest.mark.parametrize("error", [ContainerGone("gone"), EngineUnavailable("away")])
def test_one_of_which_nothing_can_be_had_is_left_out(host: Host, error: Exception) -> None:
    host.away, meter = error, host.meter()
    assert meter.look([inspect("c1"), inspect("c2", running=False), inspect("c3")]) == {}
    assert meter.late == 0
    host.away = None
    assert meter.look([inspect("c1")]).keys() == {"c1"}
    assert meter.look([inspect("c-empty")]) == {}


def test_an_answer_that_comes_late_is_shown_by_the_next_look_and_not_asked_for_twice(host: Host) -> None:
    host.answers.clear()
    meter = Meter(host.stats, host.root / "proc", 0.05)
    assert meter.look([inspect("c1")]) == {}
    assert meter.look([inspect("c1")]) == {}
    assert (meter.late, host.asked) == (1, ["c1"])
    host.answers.set()
    until(lambda: meter.look([inspect("c1")]), 10)


def test_a_look_ends_in_time_and_the_next_one_goes_on_where_it_was(host: Host) -> None:
    row, meter = host.kernel("c0", "c1", "c2", "c3", "c4"), host.meter(0.3)
    first = meter.look(row)
    assert (sorted(first), meter.late) == (["c0", "c1", "c2"], 2)
    second = meter.look(row)
    assert (sorted(second), meter.late) == (["c0", "c1", "c2", "c3", "c4"], 2)
    assert not host.asked


def test_what_is_gone_is_forgotten(host: Host) -> None:
    meter = host.meter()
    assert meter.look([inspect("c1")])
    assert meter.look([inspect("c1", running=False)]) == {}
    assert meter.look([]) == {}
