"""Which file of the host is a container's: only below its own mounts, and never in a folder of the host itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from confd.agent.locate import _is_the_hosts, locate


def mounts(source: str | Path, target: str = "/etc/app", kind: str = "bind") -> dict[str, object]:
    return {"Mounts": [{"Type": kind, "Source": str(source), "Destination": target}]}


def test_it_stands_below_the_mount(tmp_path: Path) -> None:
    assert locate(mounts(tmp_path), "/etc/app/sub/app.json") == (tmp_path / "sub" / "app.json", "")
    assert locate(mounts(tmp_path, kind="volume"), "/etc/app/app.json") == (tmp_path / "app.json", "")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("", "/other", "in no mounted directory"),
        ("", "/etc/app/app.json", "the file itself is a mount"),
        ("missing", "/etc/app", "no directory that this agent can reach"),
    ],
)
def test_elsewhere_it_cannot_be_written(tmp_path: Path, source: str, target: str, words: str) -> None:
    place, why = locate(mounts(tmp_path / source, target), "/etc/app/app.json")
    assert (place, words in why) == (None, True)


@pytest.mark.parametrize(
    "folder",
    ["/", "/etc", "/etc/cron.d", "/usr/bin", "/boot", "/dev", "/proc", "/sys", "/run", "/var", "/var/run",
     "/var/lib", "/var/log", "/var/spool", "/home", "/srv", "/opt", "/lib", "/bin", "/sbin", "/var/lib/dpkg"],
)  # fmt: skip
def test_a_folder_of_the_host_itself_is_not_the_stores_to_write_into(folder: str) -> None:
    place, why = locate(mounts(folder), "/etc/app/app.json")
    assert (place, "folder of the host itself" in why) == (None, True)


@pytest.mark.parametrize(
    ("folder", "theirs"),
    [
        ("root", True), ("root .ssh", True), ("root app", False), ("home anna", True),
        ("home anna .config x", True),
        ("home anna app", False), ("var lib app", False), ("srv app", False), ("opt app etc", False),
        ("run app", False), ("run systemd system", True), ("var spool cron crontabs", True), ("tmp app", False),
        ("var lib docker", True), ("var lib docker containers x", True), ("var lib confd-agent", True),
        ("run docker", True),
    ],
)  # fmt: skip
def test_what_stands_below_a_shared_folder_may_be_an_apps(folder: str, theirs: bool) -> None:
    assert _is_the_hosts(Path("/", *folder.split())) is theirs


def test_a_volume_of_the_engine_is_the_containers_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confd.agent.locate._NEVER", (str(tmp_path),))
    place = tmp_path / "volumes" / "data"
    place.mkdir(parents=True)
    assert locate(mounts(place, kind="volume"), "/etc/app/app.json") == (place / "app.json", "")
    assert locate(mounts(place), "/etc/app/app.json")[0] is None


def test_a_link_to_one_is_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    place, why = locate(mounts(tmp_path / "link"), "/etc/app/passwd")
    assert (place, "folder of the host itself" in why) == (None, True)


def test_a_link_that_leads_out_of_the_mount_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "out").symlink_to(tmp_path)
    place, why = locate(mounts(tmp_path / "app"), "/etc/app/out/app.json")
    assert (place, "leads out of the mounted directory" in why) == (None, True)
