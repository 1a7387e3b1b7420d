"""Policies on running containers: what is refused, what the agent does not let in, and what doctor reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from confd.options import OPTIONS
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.fleet import Fleet, StartFleet
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
ALLOWED = ("privileged", "cap-add", "cap-drop", "network", "volume", "user", "pid", "ipc", "uts", "log-opt")
SAFE: dict[str, Any] = {
    "CapDrop": ["ALL"],
    "Memory": 64 * 2**20,
    "PidsLimit": 50,
    "CpuShares": 256,
    "ReadonlyRootfs": True,
    "SecurityOpt": ["no-new-privileges"],
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
}

CHECK = {"Test": ["CMD", "true"], "Interval": 60 * 10**9}


@pytest.fixture
def fleet(start_fleet: StartFleet) -> Fleet:
    return start_fleet("h1", flags=tuple(word for name in ALLOWED for word in ("--allow-run", name)))


def against(fleet: Fleet, *words: str) -> dict[str, set[str]]:
    """Container to the rules that it is against, as doctor reports."""
    done = fleet._run("doctor", "--policies", *words, "-o", "json")
    found = json.loads(done.stdout)["containers"]
    assert done.returncode == (65 if found else 0), done.stderr
    return {one["name"]: {its["rule"] for its in one["violations"]} for one in found}


def status(fleet: Fleet) -> dict[str, Any]:
    (found,) = fleet.status("web")
    return found


def blocked(fleet: Fleet, rule: str) -> bool:
    found = status(fleet)
    return found["state"] == "blocked" and f"rule {rule}," in found["detail"]


def test_the_secure_preset_on_containers_as_docker_run_starts_them(fleet: Fleet, engine: EngineProcess) -> None:
    socket = engine.docker_host.removeprefix("unix://")
    shapes: dict[str, tuple[dict[str, Any], set[str]]] = {
        "safe": ({}, set()),
        "privileged": ({"Privileged": True}, {"privileged"}),
        "caps": ({"CapAdd": ["SYS_ADMIN"]}, {"cap-add"}),
        "kept-caps": ({"CapDrop": None}, {"cap-drop"}),
        "no-memory": ({"Memory": 0}, {"memory"}),
        "no-pids": ({"PidsLimit": None}, {"pids-limit"}),
        "no-cpu": ({"CpuShares": 0}, {"cpu"}),
        "host-net": ({"NetworkMode": "host"}, {"network-host"}),
        "host-pid": ({"PidMode": "host"}, {"pid-host"}),
        "host-ipc": ({"IpcMode": "host"}, {"ipc-host"}),
        "host-uts": ({"UTSMode": "host"}, {"uts-host"}),
        "writes": ({"ReadonlyRootfs": False}, {"read-only"}),
        "etc": ({"Binds": ["/etc:/host:rw"]}, {"sensitive-mounts"}),
        "etc-read": ({"Binds": ["/etc/hostname:/h:ro"]}, set()),
        "socket": ({"Binds": [f"{socket}:/s:ro"]}, {"engine-socket"}),
        "mount": (
            {"Mounts": [{"Type": "bind", "Source": socket, "Target": "/s", "ReadOnly": True}]},
            {"engine-socket"} if "mount" in OPTIONS else set(),
        ),
        "run": ({"Binds": ["/run:/host:ro"]}, {"engine-socket"}),
        "unconfined": ({"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]}, {"seccomp"}),
        "new-privileges": ({"SecurityOpt": None}, {"no-new-privileges"}),
        "device": (
            {"Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]},
            {"devices"},
        ),
        "always": ({"RestartPolicy": {"Name": "always"}}, {"restart"}),
        "tries": ({"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}}, set()),
        "limits": ({"Ulimits": [{"Name": "core", "Soft": -1, "Hard": -1}]}, {"ulimit"}),
        "open-port": ({"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}}, {"port-address"}),
        "local-port": ({"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "18081"}]}}, set()),
        "logs": ({"LogConfig": {"Type": "json-file", "Config": {}}}, {"logs"}),
        "no-logs": ({"LogConfig": {"Type": "none", "Config": {}}}, {"logs"}),
    }
    for name, (host, _) in shapes.items():
        more = {"host": {**SAFE, **host}, "User": "1000:1000", "Healthcheck": CHECK}
        engine.run(name, SERVE, labels={"confd.app": "many"}, **more)
    engine.run("root", SERVE, labels={"confd.app": "many"}, host=SAFE, Healthcheck=CHECK)
    fleet.ctl("policy", "set", "base", "--preset", "secure", "-e", "dev", "-m", "audit")
    until(lambda: len(fleet.status("many")) == len(shapes) + 1, 60)
    expected = {name: rules for name, (_, rules) in shapes.items() if rules} | {"root": {"user"}}
    assert against(fleet) == expected
    assert against(fleet, "-e", "qa") == {}
    fleet.ctl("policy", "set", "base", "--preset", "secure", "--except", "user", "-e", "dev")
    assert against(fleet) == {name: rules for name, rules in expected.items() if name != "root"}


def test_a_write_that_makes_it_worse_is_refused_and_any_other_is_not(fleet: Fleet, engine: EngineProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"}, host={"Memory": 64 * 2**20, "CapAdd": ["NET_ADMIN"]})
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    found = fleet._run("policy", "check", "--preset", "secure", "-e", "dev", "-o", "json")
    assert (found.returncode, "cap-add" in found.stdout) == (65, True)
    fleet.ctl("policy", "set", "base", "--preset", "secure", "-e", "dev")
    writes = Writes(engine)
    said = fleet.words("set", "web", "run/privileged=true", "--json", "-e", "dev", expect=65)
    assert all(word in said for word in ("run/privileged", "dev/base", "rule privileged", "web in dev"))
    fleet.words("set", "web", "run/cap-add=NET_ADMIN,SYS_ADMIN", "-e", "dev", expect=65)
    fleet.words("set", "_default", "run/network=host", "-e", "dev", "--yes", expect=65)
    fleet.words("set", "web", "run/network=host", "-e", "_default", "--yes", expect=65)
    assert writes.all() == []
    fleet.ctl("set", "web", "A=2", "run/memory=128m", "-e", "dev", "--wait", "30s")
    assert engine.inspect("web")["HostConfig"]["Memory"] == 128 * 2**20
    fleet.ctl("set", "web", "run/cap-add=[]", "--json", "-e", "dev", "--wait", "30s")
    assert "cap-add" not in against(fleet)["web"]
    assert "the policy dev/base, rule cap-add" in fleet.words("unset", "web", "run/cap-add", "-e", "dev", expect=65)


def test_a_policy_that_would_check_nothing_is_refused_with_what_is_meant(fleet: Fleet, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"schema": {"properties": {"memroy": {"maximum": 64 * 2**20}}}}))
    for command in ("set", "check"):
        name = ("typo",) if command == "set" else ()
        words = fleet.words("policy", command, *name, str(file), "-e", "dev", expect=65)
        assert "'memroy' is no run option, and would never be there; is memory meant?" in words
        assert "/schema/properties/memroy" in words


def test_what_was_put_into_etcd_by_hand_is_blocked_in_the_policys_words(
    fleet: Fleet, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"}, host=SAFE, User="1000")
    fleet.ctl("set", "web", "run/memory=80m", "-e", "dev", "--wait", "30s")
    fleet.ctl("policy", "set", "base", "--preset", "secure", "-e", "_default")
    writes = Writes(engine)
    for name, text, rule in (
        ("privileged", "true", "privileged"),
        ("network", '"host"', "network-host"),
        ("cap-add", '["SYS_ADMIN"]', "cap-add"),
        ("volume", '["/:/host:ro"]', "engine-socket"),
    ):
        key = f"/confd/envs/dev/settings/web/run/{name}"
        etcd.ctl("put", key, text)
        until(lambda rule=rule: blocked(fleet, rule), 20)  # type: ignore[misc]
        etcd.ctl("del", key)
        until(lambda: status(fleet)["state"] == "in-sync", 20)
    assert writes.all() == []
    etcd.ctl("put", "/confd/envs/dev/settings/web/run/cap-add", '["SYS_ADMIN"]')
    until(lambda: status(fleet)["state"] == "blocked", 20)
    etcd.ctl("del", "/confd/envs/_default/policies/base")
    until(lambda: status(fleet)["state"] == "in-sync", 30)
    assert engine.inspect("web")["HostConfig"]["CapAdd"] == ["SYS_ADMIN"]
