"""A container's inspect document, made from the body of the call that creates it, as API 1.41 shows it. Pure.

Members that nothing here reads (drivers, paths on the host, addresses) are left out.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from confd.errors import EngineRefused

__all__ = [
    "CPUS",
    "NEVER",
    "OWN_NETWORKS",
    "add_short_id",
    "connect",
    "digest_of",
    "document_of",
    "update",
    "with_image",
]

NEVER = "0001-01-01T00:00:00Z"
"""What an engine tells of something that has not happened."""

CPUS = 4
MIN_MEMORY = 6 * 1024 * 1024

OWN_NETWORKS = frozenset({"bridge", "host", "none"})
"""Networks that every engine has. On any other a container can have aliases."""

_POLICIES = ("", "no", "always", "unless-stopped", "on-failure")
_UPDATED = (
    "BlkioWeight",
    "CpuShares",
    "NanoCpus",
    "CpuPeriod",
    "CpuQuota",
    "CpusetCpus",
    "CpusetMems",
    "KernelMemory",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
)
"""HostConfig fields of an update; one that is 0 or empty stays, and any other field is passed over in silence."""

_HOST: Mapping[str, Any] = {
    **dict.fromkeys(_UPDATED, 0),
    **dict.fromkeys(("CpusetCpus", "CpusetMems", "PidMode", "UTSMode", "UsernsMode", "CgroupParent"), ""),
    **dict.fromkeys(("Binds", "CapAdd", "CapDrop", "Dns", "ExtraHosts", "Links", "PidsLimit", "Ulimits"), None),
    **dict.fromkeys(("Devices", "DeviceCgroupRules", "GroupAdd", "SecurityOpt"), None),
    **dict.fromkeys(("Privileged", "PublishAllPorts", "OomKillDisable"), False),
    **dict.fromkeys(("CpuRealtimePeriod", "CpuRealtimeRuntime", "OomScoreAdj"), 0),
    "VolumeDriver": "",
    "CgroupnsMode": "host",
    "IpcMode": "private",
    "Runtime": "runc",
    **dict.fromkeys(("PortBindings", "VolumesFrom"), None),
    "AutoRemove": False,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "ReadonlyRootfs": False,
    "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
    "ShmSize": 64 * 1024 * 1024,
}
_CONFIG: Mapping[str, Any] = {
    **dict.fromkeys(("Domainname", "User", "WorkingDir"), ""),
    **dict.fromkeys(("Env", "Cmd", "Entrypoint", "Volumes"), None),
    **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce"), False),
}
_ENDPOINT: Mapping[str, Any] = {
    **dict.fromkeys(("IPAMConfig", "Links", "Aliases", "DriverOpts")),
    **dict.fromkeys(("NetworkID", "EndpointID", "IPAddress", "MacAddress"), ""),
}


def digest_of(text: str) -> str:
    """An id as an engine gives them, the same for the same text."""
    return hashlib.sha256(text.encode()).hexdigest()


def document_of(container: str, name: str, image: str, body: Mapping[str, Any], created: str) -> dict[str, Any]:
    """The inspect of a container that was created and not started. Raises `EngineRefused`."""
    given = copy.deepcopy(dict(body))
    endpoints = dict((given.pop("NetworkingConfig", None) or {}).get("EndpointsConfig") or {})
    host = {**_HOST, **_said(given.pop("HostConfig", None) or {})}
    host["NetworkMode"] = mode = host["NetworkMode"] or "default"
    host["MemorySwap"] = host["MemorySwap"] or 2 * (host["Memory"] or 0)
    host |= {name: host[name] or _HOST[name] for name in ("ShmSize", "IpcMode", "Runtime")}
    log = host["LogConfig"]
    host["LogConfig"] = {"Type": log.get("Type") or "json-file", "Config": log.get("Config") or {}}
    config = {**_CONFIG, **_said(given), "Labels": given.get("Labels") or {}}
    config["Hostname"] = given.get("Hostname") or container[:12]
    config["Entrypoint"] = None if config["Entrypoint"] == [""] else config["Entrypoint"]
    command = [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())]
    if not command:
        raise EngineRefused("no command is given, and the image names none")
    if len(endpoints) > 1:
        raise EngineRefused(f"a container is created in one network only, not in {', '.join(sorted(endpoints))}")
    _check(host)
    shared = mode.startswith("container:")
    networks = {} if shared else endpoints or {"bridge" if mode == "default" else mode: {}}
    return {
        "Id": container,
        "Created": created,
        "Path": command[0],
        "Args": command[1:],
        "State": {
            "Status": "created",
            **dict.fromkeys(("Running", "Paused", "Restarting", "OOMKilled", "Dead"), False),
            "Pid": 0,
            "ExitCode": 0,
            "Error": "",
            "StartedAt": NEVER,
            "FinishedAt": NEVER,
        },
        "Image": image,
        "Name": f"/{name}",
        "RestartCount": 0,
        "HostConfig": host,
        "Mounts": _mounts(container, host, config),
        "Config": config,
        "NetworkSettings": {"Networks": {one: {**_ENDPOINT, **(asked or {})} for one, asked in networks.items()}},
    }


def with_image(body: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The body with what its image gives where it says nothing."""
    given = dict(body)
    if not given.get("Entrypoint"):
        given["Cmd"] = given.get("Cmd") or image.get("Cmd")
        given["Entrypoint"] = image.get("Entrypoint") if given.get("Entrypoint") is None else []
    own = {str(item).partition("=")[0] for item in given.get("Env") or ()}
    missing = [item for item in image.get("Env") or () if str(item).partition("=")[0] not in own]
    given["Env"] = [*missing, *(given.get("Env") or ())] or given.get("Env")
    given["Labels"] = {**(image.get("Labels") or {}), **(given.get("Labels") or {})}
    return {**given, **{name: given.get(name) or image.get(name) for name in ("User", "WorkingDir")}}


def connect(document: Mapping[str, Any], network: str, endpoint: Mapping[str, Any]) -> None:
    """Write one more network into the document. Raises `EngineRefused`."""
    mode = document["HostConfig"]["NetworkMode"]
    if mode == "host" or mode.startswith("container:"):
        raise EngineRefused("a container in another's network, or the host's, cannot be connected to one more")
    seen = {**_ENDPOINT, **copy.deepcopy(dict(endpoint))}
    if network in OWN_NETWORKS and seen["Aliases"]:
        raise EngineRefused(f"the network {network} has no aliases; only those that users make have")
    document["NetworkSettings"]["Networks"][network] = seen
    add_short_id(document, network)


def add_short_id(document: Mapping[str, Any], network: str) -> None:
    """The alias that a container has by itself in a network that users made."""
    endpoint = document["NetworkSettings"]["Networks"][network]
    short, aliases = document["Id"][:12], endpoint["Aliases"] or []
    if network not in OWN_NETWORKS and short not in aliases:
        endpoint["Aliases"] = [*aliases, short]


def update(host: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The HostConfig after an update call. Raises `EngineRefused`; nothing is changed then."""
    changed = {name: fields[name] for name in _UPDATED if fields.get(name)}
    if fields.get("PidsLimit") is not None:
        changed["PidsLimit"] = max(int(fields["PidsLimit"]), 0)
    if (fields.get("RestartPolicy") or {}).get("Name"):
        changed["RestartPolicy"] = {"MaximumRetryCount": 0, **fields["RestartPolicy"]}
    if changed.get("Memory", 0) > (changed.get("MemorySwap") or host["MemorySwap"]) >= 0:
        raise EngineRefused("the memory limit is above the limit of memory and swap; update both at a time")
    for one, other in (("NanoCpus", "CpuQuota"), ("NanoCpus", "CpuPeriod")):
        for new, old in ((one, other), (other, one)):
            if changed.get(new) and host[old]:
                raise EngineRefused(f"{new} excludes {old}, which is set")
    updated = {**host, **copy.deepcopy(changed)}
    _check(updated)
    return updated


def _said(members: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are not null, which is the same as not given."""
    return {name: value for name, value in members.items() if value is not None}


def _check(host: Mapping[str, Any]) -> None:
    policy = host["RestartPolicy"] or {}
    name, maximum = policy.get("Name") or "", policy.get("MaximumRetryCount") or 0
    if name not in _POLICIES:
        raise EngineRefused(f"there is no restart policy {name!r}")
    if maximum and name != "on-failure":
        raise EngineRefused(f"the restart policy {name!r} has no maximum retry count")
    if host["AutoRemove"] and name not in ("", "no"):
        raise EngineRefused("one that is removed when it ends has no restart policy")
    if 0 < (host["Memory"] or 0) < MIN_MEMORY:
        raise EngineRefused("the minimum memory limit is 6MB")
    if (host["NanoCpus"] or 0) > CPUS * 10**9:
        raise EngineRefused(f"there are only {CPUS} CPUs")


def _mounts(container: str, host: Mapping[str, Any], config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is mounted: binds, mounts, and for each of the other declared volumes an anonymous one."""
    found: list[dict[str, Any]] = []
    for bind in host["Binds"] or ():
        source, colon, rest = str(bind).partition(":")
        target, _, mode = rest.partition(":")
        if not colon or not target.startswith("/"):
            raise EngineRefused(f"the bind {bind!r} mounts at no absolute path")
        found.append(_mount(source, target, "ro" not in mode.split(",")))
    for mount in host.get("Mounts") or ():
        source = str(mount.get("Source") or "") or digest_of(f"volume {container} {mount['Target']}")
        if mount["Type"] == "tmpfs":
            continue
        found.append(_mount(source, str(mount["Target"]), not mount.get("ReadOnly")))
    taken = {mount["Destination"] for mount in found}
    free: Sequence[str] = [target for target in config["Volumes"] or () if target not in taken]
    return found + [_mount(digest_of(f"volume {container} {target}"), target, True) for target in free]


def _mount(source: str, target: str, writable: bool) -> dict[str, Any]:
    about = {"Destination": target, "Mode": "" if writable else "ro", "RW": writable, "Propagation": ""}
    if source.startswith("/"):
        return {"Type": "bind", "Source": source, **about}
    return {"Type": "volume", "Name": source, "Source": "", "Driver": "local", **about}
