"""What keeps a container from being recreated without loss: known, and named, before anything is done to it.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from confd.actions.followers import followers_of
from confd.options import shares_network
from confd.ports import Inspect

__all__ = ["both_at_once", "obstacles_of", "written"]

_ENGINES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/dev", "/proc", "/sys", "/.dockerenv")
"""What an engine itself puts into every container."""

_SWARM = "com.docker.swarm.task.id"


def obstacles_of(
    inspect: Inspect,
    others: Sequence[Inspect] = (),
    why_not: Callable[[Inspect], str] = lambda follower: "it is none of confd's",
) -> tuple[str, ...]:
    """Why the container cannot be recreated without loss; empty where it can.

    `why_not` tells of a follower what keeps it from being recreated after this one; empty: nothing.
    """
    found: list[str] = []
    if (inspect.get("State") or {}).get("Paused"):
        found.append("it is paused, and would run afterwards; `docker unpause` lets it go on")
    if _SWARM in (inspect["Config"].get("Labels") or {}):
        found.append("it is a task of a Swarm service, which Swarm alone replaces")
    for follower in followers_of(inspect, others):
        why = why_not(follower) or next(iter(obstacles_of(follower)), "")
        if why:
            name = str(follower["Name"]).lstrip("/")
            found.append(
                f"{name} shares its namespaces or volumes, or has a link to it, and cannot be recreated after it: "
                f"{why}; label it confd.app, or remove it"
            )
    return tuple(found)


def both_at_once(inspect: Inspect) -> str:
    """Why two of the container could not run at a time, as `order: start-first` wants it; empty where they can."""
    host = inspect["HostConfig"]
    if shares_network(inspect):
        return "it has the network of the host or of another container, where both would want its ports"
    for port, bound in sorted((host.get("PortBindings") or {}).items()):
        fixed = [str(one.get("HostPort")) for one in bound or () if str(one.get("HostPort") or "0") != "0"]
        if fixed:
            return f"it publishes {port} at the host's port {fixed[0]}, which only one can have"
    if inspect["Config"].get("MacAddress"):
        return "it has a MAC address of its own, which only one can have"
    for name, endpoint in ((inspect.get("NetworkSettings") or {}).get("Networks") or {}).items():
        if any((endpoint.get("IPAMConfig") or {}).values()):
            return f"it has a fixed address in the network {name}, which only one can have"
    return ""


def written(inspect: Inspect, changes: Sequence[str]) -> list[str]:
    """Of the changed paths of a container's own file system, those that a recreate would lose.

    Folders in which only something mounted, or the engine's own files, stand are none.
    """
    kept = [*_ENGINES, *(str(one.get("Destination")) for one in inspect.get("Mounts") or ())]
    kept += [re.sub(r":.*", "", str(path)) for path in inspect["HostConfig"].get("Tmpfs") or {}]
    parents = {path for one in changes for path in _above(one)}
    around = {path for one in kept for path in _above(one)}
    return [
        path
        for path in changes
        if path not in parents
        and path not in around
        and not any(path == k or path.startswith(f"{k}/") for k in kept)
    ]


def _above(path: str) -> list[str]:
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
