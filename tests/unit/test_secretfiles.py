"""Which mount brings a container its secrets, and which paths are theirs."""

from __future__ import annotations

from typing import Any

import pytest

from confd.options import observed_options
from confd.secretfiles import FOLDER, folder_of, is_secret_mount, is_secret_path, mount_of_secrets

ROOM = "/run/confd-secrets/0123456789abcdef/" + "a1" * 16


@pytest.mark.parametrize(
    ("path", "is_one"),
    [(f"{FOLDER}/DB", True), (FOLDER, False), (f"{FOLDER}/a/b", False), ("/etc/DB", False)],
)
def test_secrets_stand_in_one_folder(path: str, is_one: bool) -> None:
    assert is_secret_path(path) is is_one


@pytest.mark.parametrize(
    "other",
    [
        {"Type": "volume"},
        {"Target": "/data"},
        {"Source": "/srv/own"},
        {"Source": "a1" * 16},
        {"Source": None},
    ],
)
def test_a_mount_of_somebody_elses_is_not_ours(other: dict[str, Any]) -> None:
    assert not is_secret_mount({**mount_of_secrets(ROOM), **other})


def test_the_mount_is_none_of_the_containers_own_options() -> None:
    own = {"Type": "bind", "Source": "/srv", "Target": "/data"}
    inspect: dict[str, Any] = {
        "Config": {"Image": "x"},
        "HostConfig": {"Mounts": [own, mount_of_secrets(ROOM)]},
    }
    assert folder_of(inspect) == ROOM
    assert FOLDER not in observed_options(inspect)["mount"]
    assert folder_of({"HostConfig": {"Mounts": None}}) == ""
    assert folder_of({}) == ""
