"""A value of every run option, and containers in the form of an engine's documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from confd import jsontext
from confd.actions.fidelity import Wanted, replacement_of
from confd.options import OPTIONS, conflicts, excluded_by, observed_options
from confd.options.texts import load
from confd.targets.document import connect, document_of

__all__ = ["BARE", "DEFAULTS", "NEEDED", "OWN", "SAMPLES", "created", "parsed", "sample"]

SAMPLES: Mapping[str, str] = {
    name: json.dumps(option.examples[0]) for name, option in OPTIONS.items() if option.examples
}
"""The first example of each, as it stands in settings."""

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
    "group-add": ("[]",), "runtime": ('"runc"',), "cgroupns": ('"host"',), "oom-kill-disable": ("false",),
    "oom-score-adj": ("0",), "mount": ("[]",), "volumes-from": ("[]",), "link": ("[]",), "network-alias": ("[]",),
    "expose": ("[]",), "label": ("{}",), "annotation": ("{}",), "storage-opt": ("{}",), "dns-search": ("[]",),
    "dns-option": ("[]",), "device-read-bps": ("[]",), "gpus": ("[]",), "publish-all": ("false",),
    "no-healthcheck": ("false",), "tty": ("false",), "interactive": ("false",),
}  # fmt: skip
"""The engine's defaults, written down: an inspect shows nothing of them."""

_FRONT = {"network": '"front"'}
NEEDED = {
    "memory-swap": {"memory": '"512m"'},
    **dict.fromkeys(("network-alias", "ip", "ip6", "link-local-ip"), _FRONT),
}
"""What stands beside a sample, since it means nothing alone."""


def parsed(name: str, text: str) -> str:
    return OPTIONS[name].parse(jsontext.parse(text))


def sample(name: str, text: str = "") -> dict[str, str]:
    """The option as the text has it, or as its sample, with what it needs beside it; canonical."""
    needed = {other: parsed(other, its) for other, its in NEEDED.get(name, {}).items()}
    return {**needed, name: parsed(name, text or SAMPLES[name])}


def together(one: str, other: str) -> bool:
    """Whether the samples of both can be set at a time."""
    return (
        one != other and other not in excluded_by(sample(one)) and not conflicts({**sample(one), **sample(other)})
    )


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
    made = replacement_of(inspect, "web", Wanted(image, {"A": "1"}, wanted))
    document = _document(made.config)
    for network, endpoint in made.networks.items():
        connect(document, network, endpoint)
    return document
