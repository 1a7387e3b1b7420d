"""What is refused because of other options, or of the host."""

from __future__ import annotations

import pytest

from confd.options import against_host, conflicts
from tests.unit.options.samples import parsed


@pytest.mark.parametrize("other", ["cpu-quota", "cpu-period"])
def test_cpus_and_quota_exclude_each_other_b61(other: str) -> None:
    problems = conflicts({"cpus": parsed("cpus", "0.7"), other: parsed(other, "50000")})
    assert [set(problem.keys) for problem in problems] == [{"run/cpus", f"run/{other}"}]


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"memory-swap": "9"}, {"run/memory-swap", "run/memory"}),
        ({"memory-swap": "9", "memory": "10"}, {"run/memory-swap", "run/memory"}),
        ({"memory-reservation": "11", "memory": "10"}, {"run/memory-reservation", "run/memory"}),
        ({"memory-swap": "-1", "memory": "10"}, set()),
        ({"memory-reservation": "11"}, set()),
        ({"network": '"host"', "hostname": '"web"'}, {"run/network", "run/hostname"}),
        ({"network": '"none"', "hostname": '"web"'}, set()),
    ],
)
def test_options_that_contradict_name_both_keys(options: dict[str, str], keys: set[str]) -> None:
    assert {key for problem in conflicts(options) for key in problem.keys} == keys


@pytest.mark.parametrize(("cpus", "refused"), [(2, True), (16, True), (1000, False)])
def test_more_cpus_than_the_host_has_are_refused_for_that_host_b62(cpus: int, refused: bool) -> None:
    problems = against_host({"cpus": parsed("cpus", "1000")}, {"cpus": cpus})
    assert [f"0.01 to {cpus}" in problem.detail for problem in problems] == [True] * refused


def test_a_cpu_that_the_host_lacks_is_refused() -> None:
    assert against_host({"cpuset-cpus": '"0-3"'}, {"cpus": 2})
    assert not against_host({"cpuset-cpus": '"0-1"'}, {"cpus": 2})
