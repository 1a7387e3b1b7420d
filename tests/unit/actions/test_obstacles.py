"""What keeps a container from being recreated is known before anything is done to it."""

from __future__ import annotations

from typing import Any

import pytest

from confd.actions.obstacles import both_at_once, obstacles_of, written

LEADER = {"Id": "a" * 64, "Name": "/vpn", "Config": {}, "HostConfig": {}}
FOLLOWER = {"Id": "b" * 64, "Name": "/app", "Config": {}, "HostConfig": {"NetworkMode": f"container:{'a' * 64}"}}


def test_a_follower_that_cannot_be_made_anew_is_named() -> None:
    assert obstacles_of(LEADER, [FOLLOWER], lambda follower: "") == ()
    (why,) = obstacles_of(LEADER, [FOLLOWER])
    assert why.startswith("app shares its namespaces or volumes, or has a link to it")
    assert "none of confd's" in why
    paused = {**FOLLOWER, "State": {"Paused": True}}
    (why,) = obstacles_of(LEADER, [paused], lambda follower: "")
    assert "it is paused" in why


@pytest.mark.parametrize(
    ("host", "config", "endpoint", "says"),
    [
        ({}, {}, {}, ""),
        ({"PortBindings": {"80/tcp": [{"HostPort": ""}, {"HostPort": "0"}]}}, {}, {}, ""),
        ({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}, {}, {}, "port 8080"),
        ({"NetworkMode": "host"}, {}, {}, "network of the host"),
        ({}, {"MacAddress": "02:42:ac:11:00:02"}, {}, "MAC address"),
        ({}, {}, {"IPAMConfig": {"IPv4Address": "172.30.1.2"}}, "fixed address in the network front"),
        ({}, {}, {"IPAMConfig": {}}, ""),
    ],
)
def test_two_at_once_are_refused_where_only_one_can_have_what_they_want(
    host: dict[str, Any], config: dict[str, Any], endpoint: dict[str, Any], says: str
) -> None:
    inspect = {"HostConfig": host, "Config": config, "NetworkSettings": {"Networks": {"front": endpoint}}}
    assert says in both_at_once(inspect)
    assert bool(says) is bool(both_at_once(inspect))


def test_what_stands_in_mounts_and_what_the_engine_puts_there_is_not_lost() -> None:
    inspect = {"Mounts": [{"Destination": "/var/lib/data"}], "HostConfig": {"Tmpfs": {"/run": "size=1m"}}}
    changes = ["/var", "/var/lib", "/var/lib/data", "/run", "/run/pid", "/etc", "/etc/hosts", "/etc/mine", "/new"]
    assert written(inspect, changes) == ["/etc/mine", "/new"]
    assert written(inspect, changes[:7]) == []
