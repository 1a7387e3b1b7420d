"""What options do to the documents of an engine, and what is read from these."""

from __future__ import annotations

from typing import Any

import pytest

from confd.options import changed_by, differing, observed_options, overlay, read_back, update_fields, write_options
from tests.unit.options.samples import BARE, created, parsed, sample

MIB = 1024 * 1024


def test_cpus_over_a_base_with_a_quota_clears_it_b61() -> None:
    body: dict[str, Any] = {"HostConfig": {"CpuQuota": 50000, "CpuPeriod": 100000}}
    write_options(body, observed_options(body), {"cpus": parsed("cpus", "0.7")})
    assert body["HostConfig"] == {"NanoCpus": 700000000, "CpuQuota": 0, "CpuPeriod": 0}


def test_a_quota_over_a_base_with_cpus_clears_it_b61() -> None:
    body: dict[str, Any] = {"HostConfig": {"NanoCpus": 700000000}}
    write_options(body, observed_options(body), {"cpu-quota": "50000"})
    assert body["HostConfig"] == {"NanoCpus": 0, "CpuQuota": 50000}


def test_a_random_host_port_stays_unspecified_b64() -> None:
    bound = {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    running = {
        "HostConfig": {"PortBindings": bound},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}]}},
    }
    text = observed_options(running)["publish"]
    assert text == parsed("publish", '"80"')
    assert created(BARE, {"publish": text})["HostConfig"]["PortBindings"] == bound


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


def test_driver_and_options_of_the_log_stand_side_by_side() -> None:
    both = created(BARE, {**sample("log-driver"), **sample("log-opt")})
    assert both["HostConfig"]["LogConfig"] == {"Type": "local", "Config": {"max-size": "10m"}}


@pytest.mark.parametrize(
    ("host", "config", "name", "text"),
    [
        pytest.param({}, {"StopTimeout": 0}, "stop-timeout", "0", id="killed at once"),
        pytest.param({"Init": False}, {}, "init", "false", id="no init, whatever the engine's default is"),
        pytest.param({}, {"Hostname": "f"}, "hostname", '"f"', id="a host name that the id begins with"),
        pytest.param({"Dns": ["9.9.9.9", "1.1.1.1"]}, {}, "dns", '["9.9.9.9","1.1.1.1"]', id="first name server"),
    ],
)
def test_what_only_looks_like_a_default_is_read(
    host: dict[str, Any], config: dict[str, Any], name: str, text: str
) -> None:
    assert observed_options({"Id": "f" * 64, "HostConfig": host, "Config": config}) == {name: text}


def test_a_host_port_of_zero_is_one_that_the_engine_chooses_b64() -> None:
    bound = {"80/tcp": [{"HostIp": "", "HostPort": "0"}]}
    assert observed_options({"HostConfig": {"PortBindings": bound}})["publish"] == parsed("publish", '"80"')


def test_ports_that_only_an_option_exposed_are_exposed_no_more() -> None:
    own = created({**BARE, "Config": {**BARE["Config"], "ExposedPorts": {"9/tcp": {}}}}, {})
    with_it = created(own, {"publish": parsed("publish", '["80", "90"]')})
    assert set(with_it["Config"]["ExposedPorts"]) == {"9/tcp", "80/tcp", "90/tcp"}
    fewer = created(with_it, {"publish": parsed("publish", '["80"]')})
    assert set(fewer["Config"]["ExposedPorts"]) == {"9/tcp", "80/tcp"}
    assert set(created(fewer, {})["Config"]["ExposedPorts"]) == {"9/tcp"}


def test_swap_without_memory_outlives_a_memory_limit() -> None:
    own = created(BARE, {"memory-swap": "-1"})
    assert created(created(own, {"memory-swap": "-1", **sample("memory")}), {"memory-swap": "-1"}) == own


def test_an_option_of_another_release_is_compared_and_not_written() -> None:
    assert read_back({"newer": "1", **sample("init")}) == {"newer": "1", "init": "true"}
    assert created(BARE, {"newer": "1"}) == created(BARE, {})


@pytest.mark.parametrize("name", ["cpus", "cpu-quota", "cpu-period"])
def test_a_setting_removes_what_it_excludes_of_the_container_s_own(name: str) -> None:
    base = {"cpus": "1", "cpu-quota": "1000", "cpu-period": "1000", "init": "true"}
    kept = set(overlay(base, {name: "5"}))
    assert kept == ({"cpus", "init"} if name == "cpus" else {"cpu-quota", "cpu-period", "init"})
    assert overlay(base, {name: "5"})[name] == "5"


def test_all_that_would_be_another_is_named_and_what_goes_has_no_text() -> None:
    present = {"memory": "1", "init": "true", "hostname": '"a"'}
    assert changed_by({"memory": "2", "hostname": '"a"'}, present) == {"memory": "2", "init": ""}


def test_only_what_a_container_does_not_have_already_is_new_to_it() -> None:
    assert differing({"memory": "2", "init": "true"}, {"memory": "1", "init": "true"}) == {"memory": "2"}


@pytest.mark.parametrize(("name", "text"), [("ipc", '"host"'), ("pid", '"host"'), ("privileged", "true")])
@pytest.mark.parametrize(("given", "left"), [(["label=disable"], None), (["a=b", "label=disable"], ["a=b"])])
def test_what_an_engine_wrote_down_by_itself_goes_with_its_cause(
    name: str, text: str, given: list[str], left: list[str] | None
) -> None:
    body = created(BARE, {name: text})
    body["HostConfig"]["SecurityOpt"] = given
    write_options(body, {name: text}, {})
    assert body["HostConfig"]["SecurityOpt"] == left


def test_a_host_name_that_was_the_host_s_goes_with_its_network() -> None:
    body = created(BARE, {"network": '"host"'})
    body["Config"]["Hostname"] = "the-host"
    write_options(body, {"network": '"host"'}, {})
    assert not body.get("Hostname")
