"""Run options: one canonical text per value, and the same text read back from what the engine has."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.errors import Invalid
from confd.options import OPTIONS, against_host, conflicts, observed_options, update_fields, write_options

MIB = 1024 * 1024


def parsed(name: str, text: str) -> str:
    return OPTIONS[name].parse(jsontext.parse(text))


def written(**options: str) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, text in options.items():
        OPTIONS[name.replace("_", "-")].place.write(body, text)
    return body


def inspect(body: dict[str, Any]) -> dict[str, Any]:
    config = {name: value for name, value in body.items() if name != "HostConfig"}
    return {"Id": "f" * 64, "Config": config, "HostConfig": body.get("HostConfig", {})}


@pytest.mark.parametrize("text", ['"512m"', '"512M"', '"512mb"', '"512MiB"', '"0.5g"', '"536870912"', "536870912"])
def test_memory_units_b58(text: str) -> None:
    assert written(memory=parsed("memory", text))["HostConfig"]["Memory"] == 536870912


@pytest.mark.parametrize("text", ['"512Mi"', '" 512m"', '"512m "', '"512 m"', '""', "true", "null", "[]", '"-1"'])
def test_other_memory_units_are_refused_with_the_allowed_ones_b58(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed("memory", text)
    assert refused.value.detail.startswith("run/memory: expected a size like 512m")


def test_memory_below_the_engines_minimum_is_refused_at_write_b59() -> None:
    with pytest.raises(Invalid, match="at least 6291456 bytes"):
        parsed("memory", '"4m"')
    assert parsed("memory", '"6m"') == str(6 * MIB)


@pytest.mark.parametrize("other", ["cpu-quota", "cpu-period"])
def test_cpus_and_quota_exclude_each_other_b61(other: str) -> None:
    problems = conflicts({"cpus": parsed("cpus", "0.7"), other: parsed(other, "50000")})
    assert [set(problem.keys) for problem in problems] == [{"run/cpus", f"run/{other}"}]


def test_cpus_over_a_base_with_a_quota_clears_it_b61() -> None:
    body: dict[str, Any] = {"HostConfig": {"CpuQuota": 50000, "CpuPeriod": 100000}}
    write_options(body, observed_options(body), {"cpus": parsed("cpus", "0.7")})
    assert body["HostConfig"] == {"NanoCpus": 700000000, "CpuQuota": 0, "CpuPeriod": 0}


def test_a_quota_over_a_base_with_cpus_clears_it_b61() -> None:
    body: dict[str, Any] = {"HostConfig": {"NanoCpus": 700000000}}
    write_options(body, observed_options(body), {"cpu-quota": "50000"})
    assert body["HostConfig"] == {"NanoCpus": 0, "CpuQuota": 50000}


@pytest.mark.parametrize(("cpus", "refused"), [(2, True), (16, True), (1000, False)])
def test_more_cpus_than_the_host_has_are_refused_for_that_host_b62(cpus: int, refused: bool) -> None:
    problems = against_host({"cpus": parsed("cpus", "1000")}, {"cpus": cpus})
    assert [f"0.01 to {cpus}" in problem.detail for problem in problems] == [True] * refused


def test_nearly_no_cpu_is_refused_at_write_b62() -> None:
    with pytest.raises(Invalid, match=r"at least 0\.01"):
        parsed("cpus", "0.0001")


def test_a_random_host_port_stays_unspecified_b64() -> None:
    bound = {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    running = {
        "HostConfig": {"PortBindings": bound},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}]}},
    }
    text = observed_options(running)["publish"]
    assert text == parsed("publish", '"80"')
    assert written(publish=text)["HostConfig"]["PortBindings"] == bound


@pytest.mark.parametrize(
    ("name", "setting", "host", "config"),
    [
        ("publish", '["8301:8301/udp"]', {"PortBindings": {"8301/udp": [{"HostIp": "", "HostPort": "8301"}]}}, {}),
        ("cap-add", '["net_admin"]', {"CapAdd": ["CAP_NET_ADMIN"]}, {}),
        ("cap-add", '"SYS_TIME, net_admin"', {"CapAdd": ["NET_ADMIN", "SYS_TIME"]}, {}),
        ("memory", '"512m"', {"Memory": 536870912, "MemorySwap": 1073741824}, {}),
        ("command", "\"a 'b c'\"", {}, {"Cmd": ["a", "b c"]}),
        ("cpus", '"0.50"', {"NanoCpus": 500000000}, {}),
        ("restart", '"on-failure:3"', {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}, {}),
        ("sysctl", '["net.core.somaxconn=1024"]', {"Sysctls": {"net.core.somaxconn": "1024"}}, {}),
    ],
)
def test_another_spelling_is_no_difference_b65(
    name: str, setting: str, host: dict[str, Any], config: dict[str, Any]
) -> None:
    assert observed_options({"HostConfig": host, "Config": config})[name] == parsed(name, setting)


def test_the_engines_defaults_are_no_options_b65() -> None:
    host = {
        "Memory": 0, "MemorySwap": 0, "NanoCpus": 0, "CpuShares": 0, "CpusetCpus": "", "PidsLimit": None,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "CapAdd": None, "ShmSize": 64 * MIB,
        "ReadonlyRootfs": False, "PortBindings": {}, "Dns": [], "ExtraHosts": None, "Init": None,
    }  # fmt: skip
    config = {"Hostname": "f" * 12, "User": "", "WorkingDir": "", "Cmd": None}
    assert observed_options({"Id": "f" * 64, "HostConfig": host, "Config": config}) == {}


@pytest.mark.parametrize("limit", [None, 0, -1])
def test_every_spelling_of_unlimited_processes_is_unset(limit: int | None) -> None:
    assert "pids-limit" not in observed_options({"HostConfig": {"PidsLimit": limit}})


SAMPLES = {
    "memory": '"512m"', "memory-reservation": '"256m"', "memory-swap": "-1", "cpus": "1.5", "cpu-shares": "512",
    "cpu-period": "50000", "cpu-quota": "25000", "cpuset-cpus": '"0-1"', "cpuset-mems": '"0"', "pids-limit": "100",
    "blkio-weight": "300", "restart": '"always"', "cap-add": '["net_admin"]', "cap-drop": '"ALL"',
    "sysctl": '{"net.core.somaxconn": 1024}', "tmpfs": '{"/run": "size=64m"}', "shm-size": '"128m"',
    "read-only": "true", "init": "true", "user": '"1000:1000"', "workdir": '"/srv"', "hostname": '"box"',
    "stop-signal": '"SIGINT"', "stop-timeout": "30", "dns": '["10.0.0.1"]', "add-host": '["db:10.0.0.2"]',
    "ulimit": '{"nofile": "1024:2048", "core": 0}', "log-driver": '"local"', "log-opt": '["max-size=10m"]',
    "publish": '["127.0.0.1:8080:80", "53/udp"]', "command": '["serve", "--port", "80"]',
}  # fmt: skip


def test_there_is_a_sample_of_every_option() -> None:
    assert SAMPLES.keys() == OPTIONS.keys()


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_what_is_written_reads_back_the_same(name: str) -> None:
    text = parsed(name, SAMPLES[name])
    assert OPTIONS[name].place.read(inspect(written(**{name: text}))) == text


@pytest.mark.parametrize("name", sorted(OPTIONS))
@pytest.mark.parametrize("text", ['{"a":{"b":null}}', '"\\u0000"', '[["x"]]'])
def test_what_no_option_takes_is_refused_naming_it(name: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed(name, text)
    assert refused.value.detail.startswith(f"run/{name}: expected ")


@given(st.integers(6, 10**6))
def test_a_size_is_the_same_in_every_unit(mebibytes: int) -> None:
    spellings = {f"{mebibytes}m", f"{mebibytes * 1024}k", f"{mebibytes}MiB", str(mebibytes * MIB)}
    assert {OPTIONS["memory"].parse(text) for text in spellings} == {str(mebibytes * MIB)}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_value_is_parsed_or_refused(value: jsontext.Value) -> None:
    for option in OPTIONS.values():
        with contextlib.suppress(Invalid):
            jsontext.parse(option.parse(value))


@pytest.mark.parametrize(
    ("host", "swap"),
    [({"Memory": 256 * MIB, "MemorySwap": 512 * MIB}, 1024 * MIB), ({}, 1024 * MIB), ({"MemorySwap": -1}, -1)],
)
def test_swap_follows_the_memory_unless_it_was_set(host: dict[str, int], swap: int) -> None:
    fields = update_fields({"memory": str(512 * MIB)}, {"HostConfig": host})
    assert fields == {"Memory": 512 * MIB, "MemorySwap": swap}


def test_a_live_update_of_cpus_sends_nothing_that_conflicts_b61() -> None:
    assert update_fields({"cpus": "700000000"}, {"HostConfig": {}}) == {"NanoCpus": 700000000}
    assert update_fields({"cpu-quota": "50000"}, {"HostConfig": {}}) == {"CpuQuota": 50000}


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"memory-swap": "9"}, {"run/memory-swap", "run/memory"}),
        ({"memory-swap": "9", "memory": "10"}, {"run/memory-swap", "run/memory"}),
        ({"memory-reservation": "11", "memory": "10"}, {"run/memory-reservation", "run/memory"}),
        ({"memory-swap": "-1", "memory": "10"}, set()),
        ({"memory-reservation": "11"}, set()),
    ],
)
def test_options_that_contradict_name_both_keys(options: dict[str, str], keys: set[str]) -> None:
    assert {key for problem in conflicts(options) for key in problem.keys} == keys


def test_a_cpu_that_the_host_lacks_is_refused() -> None:
    assert against_host({"cpuset-cpus": '"0-3"'}, {"cpus": 2})
    assert not against_host({"cpuset-cpus": '"0-1"'}, {"cpus": 2})


def test_driver_and_options_of_the_log_stand_side_by_side() -> None:
    body = written(log_driver='"local"', log_opt='{"max-size":"10m"}')
    assert body["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m"}}


@pytest.mark.parametrize("text", ['{"nofile": "9:8"}', '{"nofile": "-1:8"}', '{"nofile": "x"}', '{"NO": 1}'])
def test_a_ulimit_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="run/ulimit"):
        parsed("ulimit", text)
