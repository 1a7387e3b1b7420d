"""A container's inspect as the body of the call that creates its successor: nothing lost, nothing made permanent.

Pure. What an inspect adds by itself (generated MAC, address, host name, short-id alias, found host port) is left
out; what only an inspect shows (anonymous volumes) is bound by name.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confd.model import EMPTY
from confd.options import observed_options, write_options
from confd.ports import Inspect, Replacement

__all__ = ["Wanted", "followers_of", "obstacles_of", "replacement_of"]

_ENDPOINT = ("IPAMConfig", "Links", "Aliases", "DriverOpts")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the successor is to have: all variables, all run options (canonical), further arguments, our labels.

    `image` is the name or id to create it from.
    """

    image: str
    variables: Mapping[str, str]
    options: Mapping[str, str]
    arguments: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)


def replacement_of(inspect: Inspect, name: str, wanted: Wanted) -> Replacement:
    """The successor's create body under a name."""
    config = copy.deepcopy(dict(inspect["Config"]))
    host = copy.deepcopy(dict(inspect["HostConfig"]))
    config["Image"] = wanted.image
    config["Env"] = [f"{variable}={value}" for variable, value in wanted.variables.items()]
    config["Labels"] = {**(config.get("Labels") or {}), **wanted.labels}
    if config.get("Hostname") == str(inspect["Id"])[:12]:
        config["Hostname"] = ""
    host["ContainerIDFile"] = ""
    host["Mounts"] = _mounts(inspect, host)
    body: dict[str, Any] = {**config, "HostConfig": host}
    write_options(body, observed_options(inspect), wanted.options)
    if wanted.arguments:
        body["Cmd"] = [*(body.get("Cmd") or ()), *wanted.arguments]
    mode = str(host.get("NetworkMode") or "default")
    networks = _networks(inspect)
    if mode.startswith("container:") or mode == "host":
        networks = {}
        for member in ("Hostname", "Domainname", *(("ExposedPorts",) if mode != "host" else ())):
            body.pop(member, None)
        if mode != "host":
            host["PortBindings"] = {}
    first = _first_network(inspect, mode, networks)
    if first is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: networks.pop(first)}}
    return Replacement(name, body, networks)


def obstacles_of(inspect: Inspect, others: Sequence[Inspect] = ()) -> tuple[str, ...]:
    """Why the container cannot be recreated without loss; empty where it can."""
    host = inspect["HostConfig"]
    found: list[str] = []
    if host.get("AutoRemove"):
        found.append("it was started with --rm: the engine removes it when it stops, so it could not be put back")
    if (inspect.get("State") or {}).get("Paused"):
        found.append("it is paused, and would run afterwards; `docker unpause` lets it go on")
    if host.get("VolumesFrom"):
        found.append("it takes volumes from another container (--volumes-from), which is not carried over yet")
    if host.get("Links"):
        found.append("it has legacy links (--link), which are not carried over yet; use a network with aliases")
    if "com.docker.swarm.task.id" in (inspect["Config"].get("Labels") or {}):
        found.append("it is a task of a Swarm service, which Swarm alone replaces")
    found += [f"{name} shares its namespaces and would lose them" for name in followers_of(inspect, others)]
    return tuple(found)


def followers_of(inspect: Inspect, others: Sequence[Inspect]) -> list[str]:
    """The names of containers that live in this one's network, ipc or pid namespace, or use its volumes."""
    ids = {str(inspect["Id"]), str(inspect["Id"])[:12], str(inspect["Name"]).lstrip("/")}
    found: list[str] = []
    for other in others:
        host = other["HostConfig"]
        modes = [str(host.get(mode) or "") for mode in ("NetworkMode", "IpcMode", "PidMode")]
        shared = {mode.removeprefix("container:") for mode in modes if mode.startswith("container:")}
        shared |= {str(source).partition(":")[0] for source in host.get("VolumesFrom") or ()}
        if shared & ids and other["Id"] != inspect["Id"]:
            found.append(str(other["Name"]).lstrip("/"))
    return found


def _mounts(inspect: Inspect, host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounts it was created with, and its anonymous volumes by name."""
    mounts = [dict(mount) for mount in host.get("Mounts") or ()]
    bound = {str(bind).split(":")[1] for bind in host.get("Binds") or () if ":" in str(bind)}
    by_target = {str(mount.get("Target")): mount for mount in mounts}
    for seen in inspect.get("Mounts") or ():
        target, name = str(seen.get("Destination")), seen.get("Name")
        if seen.get("Type") != "volume" or not name or target in bound:
            continue
        if target in by_target:
            by_target[target].setdefault("Source", name)
            by_target[target]["Source"] = by_target[target]["Source"] or name
        else:
            mounts.append(
                {"Type": "volume", "Source": name, "Target": target, "ReadOnly": not seen.get("RW", True)}
            )
    return mounts


def _networks(inspect: Inspect) -> dict[str, dict[str, Any]]:
    """Each network's endpoint as it was asked for: without the short id among its aliases or what was found."""
    found: dict[str, dict[str, Any]] = {}
    for name, endpoint in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).items():
        asked = {member: endpoint[member] for member in _ENDPOINT if endpoint.get(member)}
        if "Aliases" in asked:
            asked["Aliases"] = [alias for alias in asked["Aliases"] if alias != str(inspect["Id"])[:12]]
        found[name] = asked
    return found


def _first_network(inspect: Inspect, mode: str, networks: Mapping[str, Any]) -> str | None:
    """The network that the create call itself connects: an engine before API 1.44 takes one only."""
    if mode in networks:
        return mode
    seen = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
    for name, endpoint in seen.items():
        if name in networks and endpoint.get("NetworkID") == mode:
            return str(name)
    return "bridge" if mode in ("default", "bridge") and "bridge" in networks else None
