"""What is refused because of other options, or of the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from confd.options import against_host, conflicts
from tests.unit.options.contradicting import CREATE, PASSED_OVER, START, TOGETHER, canonical
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


@pytest.mark.parametrize("options", [*(one for one, _ in (*CREATE, *START)), *PASSED_OVER])
def test_a_contradiction_names_each_flag_once(options: Mapping[str, Any]) -> None:
    (problem,) = conflicts(canonical(options))
    assert set(problem.keys) >= {f"run/{name}" for name in options}
    assert all(f"run/{name} (--{name})" in problem.detail for name in options)
    assert conflicts(dict(reversed(canonical(options).items()))) == [problem] or len(options) < 3


@pytest.mark.parametrize("options", TOGETHER)
def test_what_an_engine_takes_and_does_is_no_contradiction(options: Mapping[str, Any]) -> None:
    assert conflicts(canonical(options)) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shm-size": "1m", "ipc": "none"}, "it has none"),
        ({"shm-size": "1m", "ipc": "container:db"}, "the other's /dev/shm"),
        ({"ip6": "fd00::9", "network": "none"}, "users made only"),
        ({"link-local-ip": "169.254.3.3", "network": "host"}, "users made only"),
    ],
)
def test_it_says_why(options: Mapping[str, Any], says: str) -> None:
    assert says in conflicts(canonical(options))[0].detail


@pytest.mark.parametrize(
    "options",
    [
        {"publish-all": False, "network": "host"},
        {"sysctl": {"net.core.somaxconn": 1}, "network": "none"},
        {"log-driver": "journald", "log-opt": {"colour": "red"}},
        {"log-opt": {"mode": "non-blocking", "max-buffer-size": "1m"}},
        {"log-driver": "json-file", "log-opt": {"compress": "true", "max-size": "1m", "max-file": "2"}},
        {"ip": "10.0.0.9", "network-alias": "web"},
        {"volume": "/srv:/x", "mount": "type=tmpfs,dst=/y"},
    ],
)
def test_what_goes_together_is_taken(options: Mapping[str, Any]) -> None:
    assert conflicts(canonical(options)) == []


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"annotation": {"a": "1"}}, "1.43"),
        ({"health-start-interval": "1s"}, "1.44"),
        ({"mount": "type=bind,src=/a,dst=/b,readonly,bind-recursive=readonly"}, "1.44"),
    ],
)
@pytest.mark.parametrize("version", ["1.41", "1.43", "1.44", "", "1.100"])
def test_what_needs_a_newer_engine_is_refused_for_a_host_with_an_older_one(
    options: Mapping[str, Any], needs: str, version: str
) -> None:
    problems = against_host(canonical(options), {"api_version": version})
    older = version in ("", "1.41") or (version, needs) == ("1.43", "1.44")
    assert [f"this needs {needs}" in problem.detail for problem in problems] == [True] * older
