"""A container's inspect as the body of the call that creates its successor: nothing lost, nothing made permanent.

Pure. What an inspect adds by itself (generated MAC, address, host name, short-id alias, found host port) is left
out; what only an inspect shows (anonymous volumes) is bound by name.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confd.errors import EngineRefused
from confd.model import EMPTY
from confd.options import observed_options, shares_network, write_options
from confd.ports import Inspect, Replacement

__all__ = ["Wanted", "as_it_is", "replacement_of"]

_ENDPOINT = ("IPAMConfig", "Links", "Aliases", "DriverOpts")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the successor is to have: all variables, all run options (canonical), further arguments, our labels.

    `image` is the name or id to create it from; `leaves` the Config of the image that it leaves, if it does.
    `sources` are the containers that it takes volumes from.
    """

    image: str
    variables: Mapping[str, str]
    options: Mapping[str, str]
    arguments: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    leaves: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    sources: Sequence[Inspect] = ()


def as_it_is(inspect: Inspect, image: str, labels: Mapping[str, str] = EMPTY) -> Wanted:
    """What a container has, for one that is made anew without a change."""
    pairs = (str(item).partition("=") for item in inspect["Config"].get("Env") or ())
    variables = {name: value for name, _, value in pairs}
    return Wanted(image, variables, observed_options(inspect), labels=labels)


def replacement_of(inspect: Inspect, name: str, wanted: Wanted) -> Replacement:
    """The successor's create body under a name. Raises `EngineRefused` for what could not be undone later."""
    config = copy.deepcopy(dict(inspect["Config"]))
    host = copy.deepcopy(dict(inspect["HostConfig"]))
    config["Env"] = _environment(config, wanted)
    config["Labels"] = {**_labels(config, wanted), **wanted.labels}
    if config.get("Hostname") == str(inspect["Id"])[:12]:
        config["Hostname"] = ""
    host["ContainerIDFile"] = ""
    host["Mounts"] = _mounts(inspect, host, wanted.sources)
    body: dict[str, Any] = {**config, "HostConfig": host}
    write_options(body, observed_options(inspect), wanted.options)
    body["Image"] = wanted.image
    if wanted.leaves:
        _leave(body, wanted.leaves)
    elif not body.get("Entrypoint"):
        body["Entrypoint"] = [""]  # none: for what is left out the image's own would come back
    host["Mounts"] = _without_bound(host)
    if wanted.arguments:
        body["Cmd"] = [*(body.get("Cmd") or ()), *wanted.arguments]
    networks = _networks(inspect)
    if _mode(host) != _mode(inspect["HostConfig"]):
        _check_left(networks)
        networks = {}
    if shares_network(body):
        networks = {}
        _share(body)
    first = _first_network(inspect, _mode(host), networks)
    if first is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: networks.pop(first)}}
    return Replacement(name, body, networks)


def _environment(config: Mapping[str, Any], wanted: Wanted) -> list[str]:
    """The variables; a name without any value, which takes its image's away, stays one."""
    bare = {item for item in config.get("Env") or () if "=" not in item}
    return [name if name in bare and not value else f"{name}={value}" for name, value in wanted.variables.items()]


def _labels(config: Mapping[str, Any], wanted: Wanted) -> dict[str, str]:
    """Its labels; those that its image gave it go with the image."""
    given: Mapping[str, str] = wanted.leaves.get("Labels") or {}
    return {name: text for name, text in (config.get("Labels") or {}).items() if given.get(name) != text}


def _leave(body: dict[str, Any], image: Mapping[str, Any]) -> None:
    """Take away what a container has of the image that it leaves, so that the other one gives its own."""
    if body.get("Healthcheck") == image.get("Healthcheck"):
        body["Healthcheck"] = None
    bound = (body["HostConfig"].get("PortBindings") or {}).keys()
    for member, kept in (("Volumes", frozenset[str]()), ("ExposedPorts", bound)):
        gone = (image.get(member) or {}).keys() - kept
        body[member] = {one: {} for one in body.get(member) or () if one not in gone} or None


def _share(body: dict[str, Any]) -> None:
    """What the engine refuses, or has found by itself, where the network is another's."""
    host = body["HostConfig"]
    other = host["NetworkMode"] != "host"
    for member in ("Hostname", "Domainname", *(("ExposedPorts",) if other else ())):
        body.pop(member, None)
    if other:
        host["PortBindings"] = {}


def _mounts(inspect: Inspect, host: Mapping[str, Any], sources: Sequence[Inspect]) -> list[dict[str, Any]]:
    """The mounts it was created with, and its anonymous volumes by name; not those that it has from others."""
    taken = {(one.get("Destination"), one.get("Name")) for other in sources for one in other.get("Mounts") or ()}
    mounts = [dict(mount) for mount in host.get("Mounts") or ()]
    bound = {str(bind).split(":")[1] for bind in host.get("Binds") or () if ":" in str(bind)}
    by_target = {str(mount.get("Target")): mount for mount in mounts}
    for seen in inspect.get("Mounts") or ():
        target, name = str(seen.get("Destination")), seen.get("Name")
        if seen.get("Type") != "volume" or not name or target in bound or (target, name) in taken:
            continue
        if target in by_target:
            by_target[target].setdefault("Source", name)
            by_target[target]["Source"] = by_target[target]["Source"] or name
        else:
            mounts.append(
                {"Type": "volume", "Source": name, "Target": target, "ReadOnly": not seen.get("RW", True)}
            )
    return mounts


def _without_bound(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounts, without the volumes that are in the way of a bind: they are kept, and come to light again."""
    bound = {str(bind).split(":")[1] for bind in host.get("Binds") or () if ":" in str(bind)}
    return [one for one in host["Mounts"] if one.get("Type") != "volume" or one.get("Target") not in bound]


def _mode(host: Mapping[str, Any]) -> str:
    mode = str(host.get("NetworkMode") or "default")
    return "default" if mode == "bridge" else mode


def _check_left(networks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `EngineRefused` where an unset could not bring back what the container has in its networks."""
    if len(networks) > 1 or any(any(asked.values()) for asked in networks.values()):
        raise EngineRefused(
            "run/network: the container has aliases, an address or several networks of its own, which nobody could "
            "bring back afterwards; change its network where it is started, as with Compose"
        )


def _networks(inspect: Inspect) -> dict[str, dict[str, Any]]:
    """Each network's endpoint as it was asked for: without the short id among its aliases or what was found."""
    found: dict[str, dict[str, Any]] = {}
    for name, endpoint in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).items():
        asked = {member: endpoint[member] for member in _ENDPOINT if endpoint.get(member) is not None}
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
    return "bridge" if mode == "default" and "bridge" in networks else None
