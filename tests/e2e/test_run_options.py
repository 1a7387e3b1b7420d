"""Run options from a setting to a running container and back: in effect once, and seen as no difference after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from confd.options import OPTIONS
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']

SETTINGS: dict[str, Any] = {
    "network": ["front", {"name": "back", "alias": ["api"], "ip": "10.214.0.9"}],
    "network-alias": ["web", "www"],
    "ip": "10.213.0.9",
    "domainname": "example.org",
    "dns-search": ["a.example"],
    "expose": ["9000"],
    "label": {"team": "shop"},
    "mount": ["type=volume,dst=/data", "type=tmpfs,dst=/cache,tmpfs-size=1m"],
    "health-cmd": "true",
    "health-interval": "1s",
    "memory-swappiness": 60,
    "oom-score-adj": 100,
    "pid": "container:leader",
    "tty": True,
    "security-opt": ["no-new-privileges", "systempaths=unconfined"],
    "publish": ["127.0.0.1::80", "53/udp"],
    "hostname": "box",
    "cap-add": ["net_admin"],
    "memory": "64m",
}
"""Of every kind, with what an engine writes down in another way than it was asked for."""


@pytest.fixture
def all_allowed(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """An agent that lets the store set every option, and two networks and a container to be referred to."""
    for name, subnet in (("front", "10.213.0.0/24"), ("back", "10.214.0.0/24")):
        engine.client.create_network(name, ipam=IPAMConfig(pool_configs=[IPAMPool(subnet)]))
    engine.run("leader", SERVE)
    allowed = json.dumps([name for name, option in OPTIONS.items() if not option.limit])
    (tmp_path / "agent.toml").write_text(f"allow-run = {allowed}\n")
    apart = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    apart.begin_api()
    apart.begin_agent("--config", str(tmp_path / "agent.toml"))
    until(lambda: apart._run("hosts").stdout.count("alive") == 1, 30)
    yield apart
    apart.stop()


def _shown(inspect: dict[str, Any]) -> dict[str, Any]:
    config = {name: its for name, its in inspect["Config"].items() if name not in ("Hostname", "Labels")}
    labels = {name: its for name, its in inspect["Config"]["Labels"].items() if not name.startswith("confd.")}
    return {"Config": config, "Labels": labels, "HostConfig": inspect["HostConfig"]}


def test_options_of_every_kind_are_brought_in_once_and_taken_away_again_b65(
    all_allowed: Apart, engine: EngineProcess
) -> None:
    own = engine.inspect(engine.run("web", SERVE, labels={"confd.app": "web", "team": "own"}))
    pairs = [f"run/{name}={json.dumps(value)}" for name, value in SETTINGS.items()]
    all_allowed.ctl("set", "web", *pairs, "--json", "-e", "dev", "--wait", "60s")
    now = engine.inspect("web")
    networks = now["NetworkSettings"]["Networks"]
    assert {name: networks[name]["IPAddress"] for name in networks} == {"front": "10.213.0.9", "back": "10.214.0.9"}
    assert {"web", "www"} <= set(networks["front"]["Aliases"])
    assert (now["Config"]["Labels"]["team"], now["Config"]["Domainname"]) == ("shop", "example.org")
    assert now["HostConfig"]["PidMode"] == f"container:{engine.inspect('leader')['Id']}"
    (volume,) = [mount["Name"] for mount in now["Mounts"] if mount["Destination"] == "/data"]

    writes = Writes(engine)
    for number in range(5):  # passes that have something to look at, and nothing to do
        all_allowed.ctl("set", "web", f"run/pids-limit={100 + number}", "-e", "dev", "--wait", "30s")
    assert writes.all() == [("container", "update", "web")] * 5
    assert engine.inspect("web")["Id"] == now["Id"]

    all_allowed.ctl("set", "web", "A=2", "-e", "dev", "--wait", "60s")
    again = engine.inspect("web")
    assert again["Id"] != now["Id"]
    assert [one["Name"] for one in again["Mounts"] if one["Destination"] == "/data"] == [volume]

    keys = ["A", "run/pids-limit", *(f"run/{name}" for name in SETTINGS)]
    all_allowed.ctl("unset", "web", *keys, "--force", "-e", "dev", "--wait", "60s")
    left = engine.inspect("web")
    assert _shown(left) == _shown(own)
    assert left["NetworkSettings"]["Networks"].keys() == {"bridge"}


def test_an_option_that_needs_a_newer_engine_is_refused_for_this_host(
    all_allowed: Apart, engine: EngineProcess
) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"})
    all_allowed.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    words = all_allowed.words("set", "web", "run/annotation=a=1", "-e", "dev", "--wait", "20s", expect=65)
    assert "run/annotation: this host's engine has the API 1.41, and this needs 1.43" in words


def test_a_contradiction_is_refused_with_both_flags_and_the_engines_reason(
    all_allowed: Apart, engine: EngineProcess
) -> None:
    words = all_allowed.words(
        "set", "web", "run/network=container:leader", "run/hostname=box", "-e", "dev", expect=65
    )
    assert "run/hostname (--hostname) and run/network (--network) contradict" in words
