"""Where a container finds its secrets as files, and how the mount is known that brings them there. Pure.

The folder on the host has a random name, which says nothing of the secrets, and is the container's alone: its
successor gets another one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

__all__ = ["FOLDER", "HOST_FOLDER", "MODE", "folder_of", "is_secret_mount", "is_secret_path", "mount_of_secrets"]

FOLDER = "/run/confd-secrets"
"""Where a container sees them."""

HOST_FOLDER = "/run/confd-secrets"
"""Where an agent keeps them on its host, if it is told nothing else."""

MODE = "0444"
"""Whoever is in the container may read them, as with Swarm and Compose; on the host only the agent gets there."""

_NAME = re.compile(r"/.*/[0-9a-f]{32}")


def is_secret_path(path: str) -> bool:
    """Whether a file of this path is one of those that never touch a disk."""
    return str(PurePosixPath(path).parent) == FOLDER


def is_secret_mount(mount: Mapping[str, Any]) -> bool:
    """Whether a mount of a create body is the one that an agent adds for secrets."""
    source = _NAME.fullmatch(str(mount.get("Source") or ""))
    return mount.get("Type") == "bind" and mount.get("Target") == FOLDER and source is not None


def folder_of(inspect: Mapping[str, Any]) -> str:
    """The folder on the host with the secrets of a container; empty where it has none."""
    mounts = (inspect.get("HostConfig") or {}).get("Mounts") or ()
    return next((str(one["Source"]) for one in mounts if is_secret_mount(one)), "")


def mount_of_secrets(folder: str) -> dict[str, Any]:
    """For a create body. An engine starts nothing while the folder is missing, and makes none itself."""
    return {"Type": "bind", "Source": folder, "Target": FOLDER, "ReadOnly": True}
