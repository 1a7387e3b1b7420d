"""Run options in real containers: what excludes each other, what a host cannot give, what only looks different."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

LOOP = 'trap "exit 0" TERM; while :; do sleep 0.2; done'
SERVE = ["sh", "-c", LOOP]
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def allowing_up(engine_process: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confd]:
    folder: Path = tmp_path_factory.mktemp("allowing")
    server = Confd(folder, engine_process.docker_host, "--allow-run", "cap-add,publish,command")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def confd(allowing_up: Confd, engine: EngineProcess) -> Confd:
    """A server whose agent lets the store set more than limits."""
    return allowing_up


def _host(engine: EngineProcess, container: str) -> dict[str, Any]:
    host: dict[str, Any] = engine.inspect(container)["HostConfig"]
    return host


def _cpu(engine: EngineProcess, container: str) -> tuple[int, int]:
    host = _host(engine, container)
    return host["NanoCpus"], host["CpuQuota"]


@pytest.mark.parametrize(
    ("number", "text"), [*enumerate(("512m", "512M", "512mb", "512MiB", "0.5g", "536870912"))], ids=str
)
def test_every_spelling_of_a_size_is_the_engine_s_b58(
    confd: Confd, engine: EngineProcess, number: int, text: str
) -> None:
    app = f"size-{number}"
    engine.run(app, SERVE, labels={"confd.app": app})
    confd.ctl("set", app, f"run/memory={text}", "-e", "dev", "--wait", "30s")
    assert _host(engine, app)["Memory"] == 512 * MIB


def test_a_size_below_the_engine_s_least_is_found_before_anything_is_stopped_b59(
    confd: Confd, engine: EngineProcess
) -> None:
    old = engine.run("least", SERVE, labels={"confd.app": "least"})
    confd.ctl("set", "least", "KEPT=1", "run/memory=64m", "-e", "dev", "--wait", "30s")
    before = engine.inspect("least")
    assert before["Id"] != old
    for text in ("4m", "512Mi", " 512m"):
        words = confd.words("set", "least", f"run/memory={text}", "-e", "dev", expect=65)
        assert "6m" in words
    confd.put("/confd/envs/dev/settings/least/run/memory", '"4m"')  # past the first line of defence
    until(lambda: [one["state"] for one in confd.status("least")] == ["blocked"], 20)
    assert "6291456" in confd.status("least")[0]["detail"]
    now = engine.inspect("least")
    assert (now["Id"], now["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    assert (now["State"]["Running"], now["HostConfig"]["Memory"]) == (True, 64 * MIB)


def test_cpus_take_the_place_of_a_quota_and_the_other_way_round_b61(confd: Confd, engine: EngineProcess) -> None:
    engine.run("quota", SERVE, labels={"confd.app": "quota"}, host={"CpuQuota": 50_000})
    confd.ctl("set", "quota", "run/cpus=0.7", "-e", "dev", "--wait", "30s")
    assert _cpu(engine, "quota") == (700_000_000, 0)
    now = engine.inspect("quota")["Id"]
    for _ in range(3):
        confd.pass_over("quota", "run/cpus", '"0.7"')
    assert engine.inspect("quota")["Id"] == now
    assert "run/cpu-quota" in confd.words("set", "quota", "run/cpu-quota=50000", "-e", "dev", expect=65)
    confd.ctl("unset", "quota", "run/cpus", "-e", "dev", "--wait", "30s")
    assert _cpu(engine, "quota") == (0, 50_000)

    engine.run("cpus", SERVE, labels={"confd.app": "cpus"}, host={"NanoCpus": 700_000_000})
    confd.ctl("set", "cpus", "run/cpu-quota=50000", "-e", "dev", "--wait", "30s")
    assert _cpu(engine, "cpus") == (0, 50_000)
    now = engine.inspect("cpus")["Id"]
    for _ in range(3):
        confd.pass_over("cpus", "run/cpu-quota", '"50000"')
    assert (engine.inspect("cpus")["Id"], engine.names()) == (now, ["cpus", "quota"])


def test_one_is_replaced_by_the_other_in_a_single_change_b61(confd: Confd, engine: EngineProcess) -> None:
    engine.run("both", SERVE, labels={"confd.app": "both"})
    confd.ctl("set", "both", "run/cpus=0.7", "-e", "dev", "--wait", "30s")
    assert _cpu(engine, "both") == (700_000_000, 0)
    revision = confd.patch("both", {"set": {"run/cpu-quota": 50000}, "unset": ["run/cpus"]})
    confd.await_told("both", revision)
    assert (_cpu(engine, "both"), engine.names(running=True)) == ((0, 50_000), ["both"])


def test_cpus_that_the_host_lacks_are_refused_with_its_range_b62(confd: Confd, engine: EngineProcess) -> None:
    engine.run("range", SERVE, labels={"confd.app": "range"})
    confd.ctl("set", "range", "run/cpus=0.5", "-e", "dev", "--wait", "30s")
    before = engine.inspect("range")["State"]["StartedAt"]
    count = engine.client.info()["NCPU"]
    assert "0.01" in confd.words("set", "range", "run/cpus=0.0001", "-e", "dev", expect=65)
    words = confd.words("set", "range", "run/cpus=1000", "-e", "dev", expect=65)
    assert f"0.01 to {count}" in words
    for text in ('"1000"', '"0.0001"'):
        confd.put("/confd/envs/dev/settings/range/run/cpus", text)
        until(lambda: [one["state"] for one in confd.status("range")] == ["blocked"], 20)
        assert "0.01" in confd.status("range")[0]["detail"]
        now = engine.inspect("range")
        assert (now["State"]["StartedAt"], now["State"]["Running"]) == (before, True)
        assert _cpu(engine, "range") == (500_000_000, 0)
        confd.put("/confd/envs/dev/settings/range/run/cpus", '"0.5"')
        until(lambda: [one["state"] for one in confd.status("range")] == ["in-sync"], 20)


def test_a_random_port_stays_random_and_its_new_number_is_told_b64(confd: Confd, engine: EngineProcess) -> None:
    host = {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": ""}]}}
    engine.run("random", SERVE, labels={"confd.app": "random"}, host=host, ExposedPorts={"80/tcp": {}})
    for number in range(2):
        confd.ctl("set", "random", f"A={number}", "-e", "dev", "--wait", "30s")
        now = engine.inspect("random")
        assert now["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] in ("", "0")
        given = now["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
        assert given in confd.status("random")[0]["ports"]["80/tcp"]


SPELLED = {
    "run/publish": '["8301:8301/udp"]',
    "run/cap-add": '["net_admin"]',
    "run/memory": '"512m"',
    "run/command": json.dumps(f"sh -c '{LOOP}'"),
    "B": '"2"',
    "A": '"1"',
}


def test_what_the_engine_rewrites_is_one_recreate_and_then_no_difference_b65(
    confd: Confd, engine: EngineProcess
) -> None:
    old = engine.run("once", ["sleep", "600"], labels={"confd.app": "once", "a": "1"}, Env=["OWN=1"])
    pairs = [f"{key}={text}" for key, text in SPELLED.items()]
    confd.ctl("set", "once", *pairs, "--json", "-e", "dev", "--wait", "30s")
    made = engine.inspect("once")
    assert made["Config"]["Labels"]["confd.replaces"] == old
    assert made["Config"]["Cmd"] == SERVE
    for key, text in [*SPELLED.items()][:4]:
        confd.pass_over("once", key, text)
    now = engine.inspect("once")
    assert (now["Id"], now["State"]["StartedAt"]) == (made["Id"], made["State"]["StartedAt"])


def test_a_container_that_has_it_all_in_other_words_is_left_alone_b65(confd: Confd, engine: EngineProcess) -> None:
    host = {
        "PortBindings": {"8301/udp": [{"HostPort": "8301"}]},
        "CapAdd": ["NET_ADMIN"],
        "Memory": 512 * MIB,
    }
    env = ["B=2", "OWN=1", "A=1"]
    more = {"Env": env, "ExposedPorts": {"8301/udp": {}}, "host": host}
    made = engine.run("same", SERVE, labels={"confd.app": "same"}, **more)
    pairs = [f"{key}={text}" for key, text in SPELLED.items()]
    confd.ctl("set", "same", *pairs, "--json", "-e", "dev", "--wait", "30s")
    for key, text in [*SPELLED.items()][:5]:
        confd.pass_over("same", key, text)
    assert engine.inspect("same")["Id"] == made


def test_a_recreate_that_fails_tells_no_value_b149(confd: Confd, engine: EngineProcess) -> None:
    engine.run("quiet", SERVE, labels={"confd.app": "quiet"})
    (key, value), command = ("db/password", "planted-value"), json.dumps(["no-such-program"])
    settings = (f'{key}="{value}"', f"run/command={command}")
    said = confd.words("set", "quiet", *settings, "--json", "-e", "dev", "--wait", "30s", expect=3)
    assert "no-such-program" in said
    told = [
        said,
        confd.log,
        *(confd.ctl(*words, "quiet", "-e", "dev") for words in (["status"], ["why"], ["plan"])),
    ]
    told += [confd.ctl(word, "quiet", "-e", "dev", "-o", "json") for word in ("status", "why", "plan")]
    assert "DB_PASSWORD" in told[3]
    assert [text for text in told if value in text] == []


def test_a_limit_below_what_is_in_use_is_refused_and_the_old_one_stays(confd: Confd, engine: EngineProcess) -> None:
    hungry = ["sh", "-c", f"cat /dev/zero >/dev/shm/full; echo it is full; {LOOP}"]
    before = engine.run("hungry", hungry, labels={"confd.app": "hungry"})
    until(lambda: b"it is full" in engine.client.logs("hungry"), 20)
    confd.ctl("set", "hungry", "run/memory=256m", "-e", "dev", "--wait", "30s")
    said = confd.words("set", "hungry", "run/memory=16m", "-e", "dev", "--wait", "30s", expect=3)
    assert "; it keeps what it had" in said, said
    now = engine.inspect("hungry")
    assert (now["Id"], now["State"]["Running"], now["HostConfig"]["Memory"]) == (before, True, 256 * MIB)
    confd.ctl("set", "hungry", "run/memory=128m", "-e", "dev", "--wait", "30s")
    assert _host(engine, "hungry")["Memory"] == 128 * MIB
