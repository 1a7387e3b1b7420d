"""Canonical texts in the words of `docker run` and of a Compose file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from confd import jsontext
from confd.jsontext import Value

__all__ = ["composed", "spelled"]

_BILLION = 10**9


def spelled(name: str, text: str) -> list[str]:
    """What stands after `--NAME` on a command line, once for each time the flag is given."""
    value: Any = jsontext.plain(jsontext.parse(text))
    if name in _SPELLED:
        return _SPELLED[name](value)
    if isinstance(value, Mapping):
        return [f"{one}={its}" for one, its in value.items()]
    return [_word(one) for one in value] if isinstance(value, list) else [_word(value)]


def composed(name: str, text: str) -> tuple[str, Value] | None:
    """The key and the value in a Compose file's service; None where Compose has no word for it."""
    if name not in _COMPOSE:
        return None
    value: Any = jsontext.plain(jsontext.parse(text))
    key = _COMPOSE[name]
    if name in _COMPOSED:
        return key, _COMPOSED[name](value)
    if name in _SPELLED:
        words = _SPELLED[name](value)
        return key, words if isinstance(value, (list, Mapping)) and name != "restart" else words[0]
    return key, value


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _published(ports: Mapping[str, Any]) -> list[str]:
    found = []
    for port, bound in ports.items():
        number, _, protocol = port.partition("/")
        target = number if protocol == "tcp" else port
        for one in bound or ():
            address, host = str(one.get("HostIp") or ""), str(one.get("HostPort") or "")
            found.append(":".join([*([address] if address else []), *([host] if host or address else []), target]))
    return found


_SPELLED: Mapping[str, Callable[[Any], list[str]]] = {
    "cpus": lambda nano: [format(Decimal(nano) / _BILLION, "f")],
    "restart": lambda p: [f"{p['Name']}:{p['MaximumRetryCount']}" if p["MaximumRetryCount"] else p["Name"]],
    "ulimit": lambda limits: [f"{name}={soft}:{hard}" for name, (soft, hard) in limits.items()],
    "tmpfs": lambda mounts: [f"{path}:{options}" if options else path for path, options in mounts.items()],
    "device": lambda devices: [
        f"{one['PathOnHost']}:{one['PathInContainer']}:{one['CgroupPermissions']}" for one in devices
    ],
    "publish": _published,
}
"""The options whose canonical text is not what one writes."""

_COMPOSED: Mapping[str, Callable[[Any], Value]] = {
    "ulimit": lambda limits: {name: {"soft": soft, "hard": hard} for name, (soft, hard) in limits.items()},
    "blkio-weight": lambda weight: {"weight": weight},
    "stop-timeout": lambda timeout_s: f"{timeout_s}s",
}

_COMPOSE: Mapping[str, str] = {
    "memory": "mem_limit",
    "memory-reservation": "mem_reservation",
    "memory-swap": "memswap_limit",
    "cpus": "cpus",
    "cpu-shares": "cpu_shares",
    "cpu-period": "cpu_period",
    "cpu-quota": "cpu_quota",
    "cpuset-cpus": "cpuset",
    "pids-limit": "pids_limit",
    "blkio-weight": "blkio_config",
    "restart": "restart",
    "cap-add": "cap_add",
    "cap-drop": "cap_drop",
    "sysctl": "sysctls",
    "tmpfs": "tmpfs",
    "shm-size": "shm_size",
    "read-only": "read_only",
    "init": "init",
    "user": "user",
    "workdir": "working_dir",
    "hostname": "hostname",
    "stop-signal": "stop_signal",
    "stop-timeout": "stop_grace_period",
    "dns": "dns",
    "add-host": "extra_hosts",
    "ulimit": "ulimits",
    "publish": "ports",
    "command": "command",
    "entrypoint": "entrypoint",
    "privileged": "privileged",
    "volume": "volumes",
    "device": "devices",
    "device-cgroup-rule": "device_cgroup_rules",
    "network": "network_mode",
    "ipc": "ipc",
    "pid": "pid",
    "userns": "userns_mode",
    "cgroup-parent": "cgroup_parent",
    "security-opt": "security_opt",
    "group-add": "group_add",
    "runtime": "runtime",
    "image": "image",
}
