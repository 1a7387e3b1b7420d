"""The shipped preset: what each rule is against, and what it lets be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import Env
from confd.model import Policy, Rule
from confd.options import OPTIONS
from confd.policies import fresh, preset_rules, violations

RULES = preset_rules("secure")
SECURE = [Policy(Env("dev"), "base", RULES)]
SAFE: dict[str, Any] = {
    "cap-drop": ["ALL"],
    "memory": 67108864,
    "pids-limit": 50,
    "cpus": 500000000,
    "read-only": True,
    "security-opt": ["no-new-privileges"],
    "log-opt": {"max-size": "1m"},
    "user": "1000:1000",
    "health-cmd": "test -e /ready",
}
WAITING = {rule.id for rule in RULES if not set(rule.about) & set(OPTIONS)}
"""Rules over options that are not observed yet."""


def against(**changes: Any) -> list[str]:
    options = {**SAFE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    texts = {name: json.dumps(value) for name, value in options.items() if value is not None}
    return list(dict.fromkeys(one.rule for one in violations(SECURE, texts)))


def port(address: str, number: str, target: str = "80/tcp") -> dict[str, Any]:
    return {target: [{"HostIp": address, "HostPort": number}]}


def device(path: str) -> dict[str, str]:
    return {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "r"}


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("privileged", {"privileged": True}),
    ("cap-drop", {"cap_drop": None}),
    ("cap-drop", {"cap_drop": ["NET_RAW"]}),
    ("cap-add", {"cap_add": ["NET_ADMIN"]}),
    ("cap-add", {"cap_add": ["ALL"]}),
    ("memory", {"memory": None}),
    ("pids-limit", {"pids_limit": None}),
    ("pids-limit", {"pids_limit": -1}),
    ("cpu", {"cpus": None}),
    ("network-host", {"network": "host"}),
    ("pid-host", {"pid": "host"}),
    ("ipc-host", {"ipc": "host"}),
    ("uts-host", {"uts": "host"}),
    ("userns-host", {"userns": "host"}),
    ("read-only", {"read_only": None}),
    ("read-only", {"read_only": False}),
    *(
        ("sensitive-mounts", {"volume": [one]})
        for one in (
            "/etc:/x",
            "/etc/ssh:/x:z",
            "/boot:/b:nocopy",
            "/usr/lib:/u",
            "/proc:/p:rshared",
            "/dev:/d",
            "/:/h",
        )
    ),
    *(
        ("engine-socket", {"volume": [f"{one}:/x:ro"]})
        for one in (
            *("/var/run/docker.sock", "/run/docker.sock", "/run", "/var/run", "/var", "/", "/run/docker"),
            *(
                "/run/user/1000",
                "/run/user/1000/docker.sock",
                "/home/me/.docker/run/docker.sock",
                "/var/lib/docker",
            ),
            *("/run/containerd", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/var/lib"),
        )
    ),
    *(
        ("sensitive-mounts", {"mount": [f"type=bind,{one}"]})
        for one in ("src=/etc,dst=/x", '"src=/etc/a,b",dst=/x')
    ),
    ("engine-socket", {"mount": ["type=bind,src=/var/run/docker.sock,dst=/s,readonly"]}),
    ("engine-socket", {"mount": ["type=volume,dst=/s,volume-opt=type=none,volume-opt=device=/run"]}),
    ("mount-propagation", {"mount": ["type=bind,src=/srv,dst=/x,bind-propagation=rshared"]}),
    ("mount-propagation", {"volume": ["/srv:/srv:rshared"]}),
    ("mount-propagation", {"volume": ["/srv:/srv:ro,shared"]}),
    ("seccomp", {"security_opt": ["no-new-privileges", "seccomp=unconfined"]}),
    ("confinement", {"security_opt": ["no-new-privileges", "apparmor=unconfined"]}),
    ("confinement", {"security_opt": ["no-new-privileges", "label=disable"]}),
    ("confinement", {"security_opt": ["no-new-privileges", "apparmor=unconfined"], "pid": "host"}),
    ("no-new-privileges", {"security_opt": None}),
    ("no-new-privileges", {"security_opt": ["no-new-privileges=false"]}),
    ("devices", {"device": [device("/dev/sda")]}),
    ("devices", {"device_cgroup_rule": ["b *:* rwm"]}),
    ("ulimit", {"ulimit": {"nofile": [1024, -1]}}),
    ("ulimit", {"ulimit": {"nofile": [1024, 2000000]}}),
    ("ulimit", {"ulimit": {"core": [-1, -1]}}),
    ("restart", {"restart": {"Name": "always", "MaximumRetryCount": 0}}),
    ("restart", {"restart": {"Name": "on-failure", "MaximumRetryCount": 0}}),
    ("restart", {"restart": {"Name": "on-failure", "MaximumRetryCount": 6}}),
    ("port-address", {"publish": port("", "8080")}),
    ("port-address", {"publish": port("0.0.0.0", "8080")}),
    ("port-address", {"publish": port("::", "8080")}),
    ("port-address", {"publish": port("", "")}),
    ("port-number", {"publish": port("10.0.0.1", "80")}),
    ("port-number", {"publish": port("10.0.0.1", "1023", "53/udp")}),
    ("cgroup-parent", {"cgroup_parent": "/mine"}),
    ("cgroupns-host", {"cgroupns": "host"}),
    ("health", {"health_cmd": None}),
    ("health", {"health_cmd": None, "no_healthcheck": True}),
    ("logs", {"log_opt": None}),
    ("logs", {"log_opt": {"max-file": "3"}}),
    ("logs", {"log_driver": "none"}),
    ("user", {"user": None}),
    *(("user", {"user": one}) for one in ("root", "0", "0:0", "root:1000", "00")),
]


@pytest.mark.parametrize(("rule", "changes"), [one for one in BROKEN if one[0] not in WAITING])
def test_each_rule_is_against_what_it_is_there_for(rule: str, changes: dict[str, Any]) -> None:
    assert rule in against(**changes)


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _ in BROKEN} == {rule.id for rule in RULES}


def test_a_rule_over_what_is_not_observed_waits() -> None:
    assert [against(**changes) for rule, changes in BROKEN if rule in WAITING and against(**changes)] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_says_of_all_options_in_its_schema_that_it_is_about_them(rule: Rule) -> None:
    """It is given no others."""
    schema = json.loads(rule.schema)
    assert set(_names(schema)) == set(rule.about)


def _names(schema: Any) -> Iterator[str]:
    yield from schema.get("required", ())
    yield from schema.get("properties", ())
    for one in (*schema.get("anyOf", ()), *(schema[name] for name in ("if", "then", "else") if name in schema)):
        yield from _names(one)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cap_add": ["NET_BIND_SERVICE"]},
        {"cpus": None, "cpu_shares": 512},
        {"cpus": None, "cpu_quota": 50000},
        {"network": "shop_default"},
        {"ipc": "shareable"},
        {"volume": ["/etc/localtime:/etc/localtime:ro", "/srv/etc:/data", "data:/var/lib/data", "/runtime:/r"]},
        {"volume": ["/var/lib/app:/data", "/var/log/app:/log", "/run/app/app.sock:/s", "/home/me:/h:ro,z"]},
        {"mount": ["type=bind,src=/etc/ssl,dst=/ssl,readonly", "type=volume,src=data,dst=/etc"]},
        {"mount": ["type=bind,src=/srv/data,dst=/run/docker.sock", "type=tmpfs,dst=/run"]},
        {"security_opt": ["no-new-privileges", "seccomp={}", "apparmor=mine"]},
        {"ulimit": {"nofile": [65536, 65536]}},
        {"restart": {"Name": "on-failure", "MaximumRetryCount": 5}},
        {"publish": {**port("127.0.0.1", "8080"), **port("10.1.2.3", "", "81/tcp")}},
        {"publish": port("fd00::1", "1024", "82/udp")},
        {"log_driver": "journald", "log_opt": None},
        {"user": "app"},
        {"user": "1000"},
    ],
)
def test_what_is_run_as_the_guidelines_say_is_let_be(changes: dict[str, Any]) -> None:
    assert against(**changes) == []


CHOICES = {
    "privileged": ["true"],
    "pid": ['"host"'],
    "security-opt": ['["no-new-privileges"]', '["label=disable"]', '["apparmor=unconfined","label=disable"]'],
    "volume": ['["/etc:/x"]', '["/etc:/x","/run:/r"]', '["/srv:/srv"]'],
    "log-driver": ['"none"', '"journald"'],
    "log-opt": ['{"max-size":"1m"}'],
    "cpus": ["1"],
    "cpu-shares": ["2"],
}
OPTIONS_OF_ONE = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(texts) for name, texts in CHOICES.items()}
)


@given(OPTIONS_OF_ONE, OPTIONS_OF_ONE)
def test_what_is_brought_in_is_what_is_there_afterwards_and_was_not_before(
    before: dict[str, str], after: dict[str, str]
) -> None:
    known = violations(SECURE, before)
    assert fresh(SECURE, before, after) == [one for one in violations(SECURE, after) if one not in known]


def test_the_label_that_an_engine_writes_itself_is_not_told_twice() -> None:
    labelled = ["label=disable", "no-new-privileges"]
    assert against(privileged=True, security_opt=labelled) == ["privileged"]
    assert against(pid="host", security_opt=labelled) == ["pid-host"]
