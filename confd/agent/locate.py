"""Where a file of a container stands on this host, as far as the agent may write there.

The store names the file and what is in it, and the agent is root. So it writes only below what whoever started the
container has mounted into it, never through a link that leads out of that, and never into a folder that is the
host's own, whoever mounted that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from confd.ports import Inspect

__all__ = ["locate", "mount_of"]

_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "sys", "usr")
"""Top folders whose whole content is the host's."""
_SHARED = ("/", "/home", "/media", "/mnt", "/opt", "/run", "/srv", "/var")
"""Folders that are the host's themselves; what stands below them may be an app's."""
_VAR = ("cache", "lib", "log", "run", "spool", "tmp")
_NEVER = (
    *(
        "/run/confd",
        "/run/confd-secrets",
        "/run/containerd",
        "/run/docker",
        "/run/systemd",
        "/run/udev",
        "/var/spool/cron",
    ),
    *(f"/var/lib/{one}" for one in ("confd-agent", "containerd", "docker", "dpkg", "etcd", "kubelet", "systemd")),
)
"""A volume of the engine stands below one of them, and is the container's own all the same."""


def locate(inspect: Inspect, path: str) -> tuple[Path | None, str]:
    """Where a container's file stands on this host, or why the agent cannot write it.

    Only a mounted directory lets a file be replaced by rename, and only below that directory: a link in it
    that leads elsewhere is not followed.
    """
    mount = mount_of(inspect, path)
    if mount is None:
        return None, "it is in no mounted directory; mount one there, so that the agent can write into it"
    parent, source = str(mount["Destination"]), Path(str(mount.get("Source") or ""))
    if parent == path:
        return None, "the file itself is a mount, which cannot be replaced by rename; mount its directory instead"
    if mount.get("Type") not in ("bind", "volume") or not source.is_dir():
        return None, f"the mount {parent} is no directory that this agent can reach"
    if mount["Type"] == "bind" and _is_the_hosts(source):
        return None, f"{source} is a folder of the host itself; mount one of the app's own, like /srv/app"
    place = source / PurePosixPath(path).relative_to(parent)
    if Path(os.path.realpath(place.parent)).is_relative_to(os.path.realpath(source)):
        return place, ""
    return None, f"a link below {parent} leads out of the mounted directory"


def mount_of(inspect: Inspect, path: str) -> Mapping[str, Any] | None:
    """The mount that a path of the container is on, or None."""
    mounts = {str(mount.get("Destination")): mount for mount in inspect.get("Mounts") or ()}
    on = (str(one) for one in (path, *PurePosixPath(path).parents))
    return next((mounts[one] for one in on if one in mounts), None)


def _is_the_hosts(folder: Path) -> bool:
    """Whether a file there could take the host, or whoever logs in."""
    real = Path(os.path.realpath(folder))
    parts = real.parts[1:]
    if str(real) in _SHARED or parts[0] in _SYSTEM or (parts[0] == "var" and parts[1:] in [(one,) for one in _VAR]):
        return True
    home = 1 if parts[0] == "root" else 2 if parts[0] == "home" else 0
    if home and (len(parts) == home or parts[home].startswith(".")):
        return True
    return any(real.is_relative_to(one) for one in _NEVER)
