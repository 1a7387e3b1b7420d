"""A value of every run option, and containers in the form of an engine's documents."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from confd import jsontext
from confd.actions.fidelity import Wanted, replacement_of
from confd.options import OPTIONS, conflicts, excluded_by, observed_options
from confd.options.texts import load
from confd.targets.document import document_of

__all__ = ["BARE", "DEFAULTS", "OWN", "SAMPLES", "created", "parsed", "sample"]

SAMPLES: Mapping[str, str] = {
    "memory": '"512m"', "memory-reservation": '"256m"', "memory-swap": "-1", "cpus": "1.5", "cpu-shares": "512",
    "cpu-period": "50000", "cpu-quota": "25000", "cpuset-cpus": '"0-1"', "cpuset-mems": '"0"', "pids-limit": "100",
    "blkio-weight": "300", "restart": '"always"', "cap-add": '["net_admin"]', "cap-drop": '"ALL"',
    "sysctl": '{"net.core.somaxconn": 1024}', "tmpfs": '{"/run": "size=64m"}', "shm-size": '"128m"',
    "read-only": "true", "init": "true", "user": '"1000:1000"', "workdir": '"/srv/"', "hostname": '"box"',
    "stop-signal": '"SIGINT"', "stop-timeout": "30", "dns": '["10.0.0.2", "10.0.0.1"]',
    "add-host": '["db:10.0.0.2", "cache:10.0.0.3"]', "ulimit": '{"nofile": "1024:2048", "core": 0}',
    "log-driver": '"local"', "log-opt": '["max-size=10m"]', "publish": '["127.0.0.1:8080:80", "53/udp"]',
    "command": '["serve", "--port", "80"]', "entrypoint": '["other", "-x"]', "privileged": "true",
    "volume": '["/srv/data/:/data:ro", "shared:/shared"]', "device": '["/dev/null:/dev/nothing:rw", "/dev/zero"]',
    "device-cgroup-rule": '"c 1:3 mr"', "network": '"none"', "ipc": '"host"', "pid": '"host"', "uts": '"host"',
    "userns": '"host"', "cgroup-parent": '"/apps"',
    "security-opt": '["no-new-privileges:true", "seccomp=unconfined"]',
    "group-add": '["999", "0"]', "runtime": '"io.containerd.runc.v2"', "image": '"app:2"',
}  # fmt: skip
"""As they stand in settings."""

DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "memory-swap": ('"1g"',),  # twice the memory of the sample
    "pids-limit": ("-1", "0"),
    "restart": ('"no"',),
    "cap-add": ("[]",), "cap-drop": ("[]",), "dns": ("[]",), "add-host": ("[]",), "publish": ("[]",),
    "sysctl": ("{}",), "tmpfs": ("{}",), "ulimit": ("{}",), "log-opt": ("{}",), "command": ("[]",),
    "log-driver": ('"json-file"',),
    "shm-size": ('"64m"',),
    "read-only": ("false",), "privileged": ("false",), "network": ('"bridge"',), "ipc": ('"private"',),
    "volume": ("[]",), "device": ("[]",), "device-cgroup-rule": ("[]",), "security-opt": ("[]",),
    "group-add": ("[]",), "runtime": ('"runc"',),
}  # fmt: skip
"""The engine's defaults, written down: an inspect shows nothing of them."""

_NEEDED = {"memory-swap": {"memory": str(512 * 1024 * 1024)}}


def parsed(name: str, text: str) -> str:
    return OPTIONS[name].parse(jsontext.parse(text))


def sample(name: str, text: str = "") -> dict[str, str]:
    """The option as the text has it, or as its sample, with what it needs beside it; canonical."""
    return {**_NEEDED.get(name, {}), name: parsed(name, text or SAMPLES[name])}


def together(one: str, other: str) -> bool:
    """Whether the samples of both can be set at a time."""
    return one != other and other not in excluded_by([one]) and not conflicts({**sample(one), **sample(other)})


def _document(body: Mapping[str, Any]) -> dict[str, Any]:
    return document_of("f" * 64, "web", "sha256:1", copy.deepcopy(dict(body)), "2026-01-01T00:00:00Z")


BARE = _document(
    {
        "Image": "app:1",
        "Entrypoint": ["app"],
        "Env": ["A=1"],
        "HostConfig": {"RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}},
    }
)
"""A container without any run option, save those that each one has."""

OWN = observed_options(BARE)
"""Those: its image, and the program in it."""


def created(inspect: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """The inspect of the successor that has these options and no others, save what every container has."""
    wanted = {**OWN, **options}
    image = load(wanted["image"])
    return _document(replacement_of(inspect, "web", Wanted(image, {"A": "1"}, wanted)).config)
