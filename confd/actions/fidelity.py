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
from confd.options import NAMED, observed_options, shares_network, write_options
from confd.ports import Inspect, Replacement
from confd.secretfiles import is_secret_mount, mount_of_secrets

__all__ = ["Wanted", "as_it_is", "replacement_of"]

_ENDPOINT = ("IPAMConfig", "Links", "Aliases", "DriverOpts")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the successor is to have: all variables, all run options (canonical), further arguments, our labels.

    `image` is the name or id to create it from; `leaves` the Config of the image that it leaves, if it does.
    `sources` are the containers that it takes volumes from. `secrets` is the folder on the host with its secrets,
    empty for none, `None` for the one that there is.
    """

    image: str
    variables: Mapping[str, str]
    options: Mapping[str, str]
    arguments: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    leaves: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    sources: Sequence[Inspect] = ()
    secrets: str | None = None


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
    config["Labels"].pop(NAMED, None)
    if config.get("Hostname") == str(inspect["Id"])[:12]:
        config["Hostname"] = ""
    host["ContainerIDFile"] = ""
    anonymous = _anonymous(inspect, wanted.sources)
    body: dict[str, Any] = {
        **config,
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": _networks(inspect)},
    }
    write_options(body, observed_options(inspect), wanted.options)
    body["Image"] = wanted.image
    if wanted.leaves:
        _leave(body, wanted.leaves)
    elif not body.get("Entrypoint"):
        body["Entrypoint"] = [""]  # none: for what is left out the image's own would come back
    host["Mounts"] = _with_secrets(_with_anonymous(host, anonymous), wanted.secrets)
    if wanted.arguments:
        body["Cmd"] = [*(body.get("Cmd") or ()), *wanted.arguments]
    networks = _endpoints(inspect, body)
    if shares_network(body):
        _share(body)
    first = _first_network(inspect, _mode(host), networks)
    if first is not None:
        body["NetworkingConfig"] = {"EndpointsConfig": {first: networks.pop(first)}}
    return Replacement(name, body, networks)


def _endpoints(inspect: Inspect, body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the body says of its networks, taken out of it. Raises `EngineRefused` for what could not be undone."""
    asked: Mapping[str, Any] = body.pop("NetworkingConfig")["EndpointsConfig"]
    networks = {
        name: {one: its for one, its in (endpoint or {}).items() if its is not None}
        for name, endpoint in asked.items()
    }
    mode = _mode(body["HostConfig"])
    if mode != _mode(inspect["HostConfig"]):
        _check_left(inspect, networks if mode == "none" or shares_network(body) else {})
    if mode == "none" or shares_network(body):
        return {mode: {}} if mode == "none" else {}
    chosen = [member for member in ("Aliases", "IPAMConfig") if networks.get("bridge", {}).get(member)]
    if mode == "default" and chosen:
        raise EngineRefused(
            "run/network: aliases and addresses are for networks that users made only, and the container is in the "
            "engine's own; set run/network as well"
        )
    return networks


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
    for member in ("Hostname", *(("Domainname", "ExposedPorts") if other else ())):
        body.pop(member, None)
    if other and host.get("PortBindings"):
        host["PortBindings"] = {}


def _anonymous(inspect: Inspect, sources: Sequence[Inspect]) -> list[dict[str, Any]]:
    """The volumes that it has and that nothing in its own spec names, as mounts by name; not those from others."""
    taken = {(one.get("Destination"), one.get("Name")) for other in sources for one in other.get("Mounts") or ()}
    host = inspect["HostConfig"]
    named = {str(bind).split(":")[1] for bind in host.get("Binds") or () if ":" in str(bind)}
    named |= {str(mount.get("Target")) for mount in host.get("Mounts") or () if mount.get("Source")}
    return [
        {
            "Type": "volume",
            "Source": seen["Name"],
            "Target": seen["Destination"],
            "ReadOnly": not seen.get("RW", True),
        }
        for seen in inspect.get("Mounts") or ()
        if seen.get("Type") == "volume" and seen.get("Name") and seen.get("Destination") not in named
        if (seen.get("Destination"), seen.get("Name")) not in taken
    ]


def _with_anonymous(host: Mapping[str, Any], anonymous: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The mounts with the anonymous volumes by name, but for those that are in the way of something else.

    They are kept, and come to light again.
    """
    mounts = [dict(mount) for mount in host.get("Mounts") or ()]
    by_target = {str(mount.get("Target")): mount for mount in mounts}
    taken = {str(bind).split(":")[1] for bind in host.get("Binds") or () if ":" in str(bind)}
    taken |= set(host.get("Tmpfs") or ())
    for volume in anonymous:
        mount = by_target.get(str(volume["Target"]))
        if mount is None and volume["Target"] not in taken:
            mounts.append(dict(volume))
        elif mount is not None and mount.get("Type") == "volume" and not mount.get("Source"):
            mount["Source"] = volume["Source"]
    return [mount for mount in mounts if mount.get("Type") != "volume" or mount.get("Target") not in taken]


def _with_secrets(mounts: list[dict[str, Any]], folder: str | None) -> list[dict[str, Any]]:
    """The mounts with this folder of secrets in place of the one before."""
    if folder is None:
        return mounts
    own = [mount for mount in mounts if not is_secret_mount(mount)]
    return [*own, mount_of_secrets(folder)] if folder else own


def _mode(host: Mapping[str, Any]) -> str:
    mode = str(host.get("NetworkMode") or "default")
    return "default" if mode == "bridge" else mode


def _check_left(inspect: Inspect, networks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `EngineRefused` where an unset could not bring back what the container has in its networks."""
    seen = (inspect.get("NetworkSettings") or {}).get("Networks") or {}
    first = seen.get(_mode(inspect["HostConfig"])) or {}
    if networks or first.get("DriverOpts"):
        raise EngineRefused(
            "run/network: the container has further networks, or options of a network's driver, which nobody could "
            "bring back afterwards; change its network where it is started, as with Compose"
        )


def _networks(inspect: Inspect) -> dict[str, dict[str, Any]]:
    """Each network's endpoint as it was asked for: without what was found, and aliases that it has by itself."""
    found: dict[str, dict[str, Any]] = {}
    given = {str(inspect["Id"])[:12], (inspect["Config"].get("Labels") or {}).get(NAMED)}
    for name, endpoint in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).items():
        asked = {member: endpoint[member] for member in _ENDPOINT if endpoint.get(member) is not None}
        if "Aliases" in asked:
            asked["Aliases"] = [alias for alias in asked["Aliases"] if alias not in given]
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
