"""Options that contradict each other, with the words of an engine of API 1.41 for it, and some that do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.unit.options.samples import parsed

__all__ = ["CREATE", "PASSED_OVER", "START", "TOGETHER", "canonical"]

CREATE: list[tuple[Mapping[str, Any], str]] = [
    ({"cpus": 1, "cpu-quota": 50000}, "Nano CPUs and CPU Quota cannot both be set"),
    ({"cpus": 1, "cpu-period": 50000}, "Nano CPUs and CPU Period cannot both be set"),
    ({"memory-swap": "1g"}, "You should always set the Memory limit when using Memoryswap limit"),
    ({"memory-swap": "64m", "memory": "128m"}, "Minimum memoryswap limit should be larger than memory limit"),
    ({"memory-reservation": "128m", "memory": "64m"}, "memory limit can not be less than memory reservation limit"),
    ({"cpu-rt-runtime": 2000, "cpu-rt-period": 1000}, "cpu real-time runtime cannot be higher than cpu real-time"),
    ({"hostname": "box", "uts": "host"}, "hostname and the UTS mode"),
    ({"hostname": "box", "network": "container:db"}, "hostname and the network mode"),
    ({"publish": "80", "network": "container:db"}, "port publishing and the container type network mode"),
    ({"publish-all": True, "network": "container:db"}, "port publishing and the container type network mode"),
    ({"expose": "80", "network": "container:db"}, "port exposing and the container type network mode"),
    ({"dns": "10.0.0.2", "network": "container:db"}, "dns and the network mode"),
    ({"add-host": "a:10.0.0.2", "network": "container:db"}, "custom host-to-IP mapping and the network mode"),
    ({"mac-address": "02:42:ac:11:00:09", "network": "container:db"}, "mac-address and the network mode"),
    ({"mac-address": "02:42:ac:11:00:09", "network": "host"}, "mac-address and the network mode"),
    ({"link": "db", "network": "container:db"}, "container type network can't be used with links"),
    ({"link": "db", "network": "host"}, "host type networking can't be used with links"),
    ({"volume": "/srv:/x", "tmpfs": {"/x": ""}}, "Duplicate mount point: /x"),
    ({"volume": "/srv:/x", "mount": "type=volume,src=data,dst=/x"}, "Duplicate mount point: /x"),
    ({"log-opt": {"mode": "sideways"}}, "logging mode not supported"),
    ({"log-opt": {"max-buffer-size": "4m"}}, "max-buffer-size option is only supported with 'mode=non-blocking'"),
    (
        {"log-driver": "json-file", "log-opt": {"colour": "red"}},
        "unknown log opt 'colour' for json-file log driver",
    ),
    ({"log-driver": "local", "log-opt": {"labels": "a"}}, "unknown log opt 'labels' for log driver local"),
]
"""Refused by the create call."""

START: list[tuple[Mapping[str, Any], str]] = [
    ({"ip": "10.0.0.9", "network": "bridge"}, "IP address is supported on user defined networks only"),
    ({"network-alias": "web", "network": "bridge"}, "supported only for containers in user defined networks"),
    ({"network-alias": "web", "network": "none"}, "supported only for containers in user defined networks"),
    ({"sysctl": {"net.core.somaxconn": 1}, "network": "host"}, "not allowed in host network namespace"),
    ({"sysctl": {"kernel.shmmax": 1}, "ipc": "host"}, "is not allowed in the hosts ipc namespace"),
    ({"sysctl": {"kernel.domainname": "x"}, "uts": "host"}, "is not in a separate kernel namespace"),
    ({"log-driver": "json-file", "log-opt": {"compress": "true"}}, "compress cannot be true when max-file is less"),
]
"""Refused when it starts: too late, as the old container is stopped by then."""

PASSED_OVER: list[Mapping[str, Any]] = [
    {"publish": "8080:80", "network": "host"},
    {"shm-size": "128m", "ipc": "host"},
    {"domainname": "example.org", "network": "container:db"},
    {"mount": "type=volume,src=data,dst=/x", "tmpfs": {"/x": ""}},
]
"""Taken, and not done."""


TOGETHER: list[Mapping[str, Any]] = [
    {"memory-swap": -1},
    {"read-only": True, "privileged": True},
    {"dns": "10.0.0.2", "add-host": "a:10.0.0.2", "network": "host"},
    {"domainname": "example.org", "uts": "host"},
    {"cap-add": "NET_ADMIN", "privileged": True},
    {"kernel-memory": "128m", "memory": "64m"},
    {"tmpfs": {"/x": ""}, "mount": "type=tmpfs,dst=/y"},
]
"""Taken and done."""


def canonical(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: parsed(name, json.dumps(value)) for name, value in options.items()}
