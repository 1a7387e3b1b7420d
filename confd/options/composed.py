"""Canonical texts in the words of a Compose file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options.network import is_users
from confd.options.spelled import duration, spelled
from confd.options.texts import load

__all__ = ["COMPOSE_KEYS", "composed", "composed_networks"]

_NETWORKS = ("network", "network-alias", "ip", "ip6", "link-local-ip")


def composed(name: str, text: str) -> tuple[str, Value] | None:
    """The key and the value in a Compose file's service; None where Compose has no word for it.

    More than one option may stand below one key: their members and items are then all of it.
    """
    if name not in _COMPOSE:
        return None
    value: Any = jsontext.plain(jsontext.parse(text))
    key = _COMPOSE[name]
    if name in _COMPOSED:
        return key, _COMPOSED[name](value)
    if name in _AS_SPELLED:
        words = spelled(name, text)
        return key, words if isinstance(value, (list, Mapping)) and name not in _SINGLE else words[0]
    return key, value


def composed_networks(options: Mapping[str, str]) -> Mapping[str, Value] | None:
    """The networks of a service by name, where their options are more than `network_mode` can say."""
    given: Any = load(options["network"]) if "network" in options else None
    if isinstance(given, str) and not (options.keys() & set(_NETWORKS[1:]) and is_users(given)):
        return None
    if given is None:
        return None
    first, *further = [{"name": given}] if isinstance(given, str) else given
    own = {name.removeprefix("network-"): load(options[name]) for name in _NETWORKS[1:] if name in options}
    return {str(one["name"]): _network(one) for one in ({**first, **own}, *further)}


def _network(network: Mapping[str, Any]) -> Value:
    found = {
        "aliases": network.get("alias"),
        "ipv4_address": network.get("ip"),
        "ipv6_address": network.get("ip6"),
        "link_local_ips": network.get("link-local-ip"),
        "driver_opts": network.get("driver-opt"),
    }
    return {member: its for member, its in found.items() if its}


def _volume(mount: Mapping[str, Any]) -> Value:
    """A mount in the long form; a volume's driver and labels stand elsewhere in a Compose file."""
    within: dict[str, Value] = {
        "bind": {"propagation": mount["bind-propagation"]} if "bind-propagation" in mount else None,
        "volume": {"nocopy": True} if "volume-nocopy" in mount else None,
        "tmpfs": {
            **({"size": mount["tmpfs-size"]} if "tmpfs-size" in mount else {}),
            **({"mode": int(mount["tmpfs-mode"], 8)} if "tmpfs-mode" in mount else {}),
        },
    }
    found = {
        "type": mount["type"],
        "source": mount.get("src"),
        "target": mount["dst"],
        "read_only": mount.get("readonly"),
        **within,
    }
    return {member: its for member, its in found.items() if its}


def _gpu(request: Mapping[str, Any]) -> Value:
    found = {
        "driver": request.get("driver"),
        "count": "all" if request.get("count") == -1 else request.get("count"),
        "device_ids": request.get("device"),
        "capabilities": request.get("capabilities"),
        "options": request.get("options"),
    }
    return {member: its for member, its in found.items() if its}


def _amounts(member: str, amount: str = "rate") -> Callable[[Any], Value]:
    return lambda amounts: {member: [{"path": device, amount: its} for device, its in amounts.items()]}


def _every(member: str) -> Callable[[Any], Value]:
    return lambda nanoseconds: {member: duration(nanoseconds)}


_COMPOSED: Mapping[str, Callable[[Any], Value]] = {
    "ulimit": lambda limits: {name: {"soft": soft, "hard": hard} for name, (soft, hard) in limits.items()},
    "blkio-weight": lambda weight: {"weight": weight},
    "blkio-weight-device": _amounts("weight_device", "weight"),
    "device-read-bps": _amounts("device_read_bps"),
    "device-write-bps": _amounts("device_write_bps"),
    "device-read-iops": _amounts("device_read_iops"),
    "device-write-iops": _amounts("device_write_iops"),
    "health-cmd": lambda command: {"test": command if isinstance(command, str) else ["CMD", *command]},
    "health-interval": _every("interval"),
    "health-timeout": _every("timeout"),
    "health-start-period": _every("start_period"),
    "health-start-interval": _every("start_interval"),
    "health-retries": lambda retries: {"retries": retries},
    "no-healthcheck": lambda off: {"disable": off},
    "mount": lambda mounts: [_volume(one) for one in mounts],
    "gpus": lambda requests: {"resources": {"reservations": {"devices": [_gpu(one) for one in requests]}}},
    "volumes-from": lambda names: [f"container:{name}" for name in names],
    "log-driver": lambda driver: {"driver": driver},
    "log-opt": lambda options: {"options": options},
    "stop-timeout": lambda timeout_s: f"{timeout_s}s",
}

_AS_SPELLED = ("cpus", "restart", "tmpfs", "device", "publish")
_SINGLE = ("restart",)

_COMPOSE: Mapping[str, str] = {
    "memory-swappiness": "mem_swappiness",
    "oom-kill-disable": "oom_kill_disable",
    "oom-score-adj": "oom_score_adj",
    "cpu-rt-period": "cpu_rt_period",
    "cpu-rt-runtime": "cpu_rt_runtime",
    **dict.fromkeys(
        ("blkio-weight-device", "device-read-bps", "device-write-bps", "device-read-iops", "device-write-iops"),
        "blkio_config",
    ),
    **dict.fromkeys(
        (
            "health-cmd",
            "health-interval",
            "health-timeout",
            "health-start-period",
            "health-start-interval",
            "health-retries",
            "no-healthcheck",
        ),
        "healthcheck",
    ),
    "log-driver": "logging",
    "log-opt": "logging",
    "mount": "volumes",
    "gpus": "deploy",
    "volumes-from": "volumes_from",
    "link": "external_links",
    "storage-opt": "storage_opt",
    "cgroupns": "cgroup",
    "domainname": "domainname",
    "dns-search": "dns_search",
    "dns-option": "dns_opt",
    "mac-address": "mac_address",
    "expose": "expose",
    "tty": "tty",
    "interactive": "stdin_open",
    "annotation": "annotations",
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

COMPOSE_KEYS: Mapping[str, str] = {
    key: name for name, key in _COMPOSE.items() if list(_COMPOSE.values()).count(key) == 1
}
"""The option below each key that has one alone."""
