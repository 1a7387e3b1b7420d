"""Folders in memory for the secrets of containers: made, filled, filled again after a reboot, and removed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from confd.agent.secretfolders import SecretFolders, is_in_memory, place_of, root_of
from confd.errors import EngineRefused
from confd.keys import App, Env
from confd.model import Binding, Problem, Rendered, RenderedFile, Snapshot
from confd.ports import Inspect, Replacement
from confd.render import render
from confd.resolve import resolve
from confd.secret import Digest, DigestKey
from confd.secretfiles import FOLDER, folder_of, mount_of_secrets
from confd.targets.memory import MemoryTarget, Program

SHM = Path("/dev/shm")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory."""
    folder = Path(tempfile.mkdtemp(dir=SHM, prefix="confd-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def target() -> MemoryTarget:
    return MemoryTarget({"app:1": lambda inspect: Program()})


def secret(name: str = "DB", content: str = "s3cret", path: str = FOLDER) -> RenderedFile:
    return RenderedFile(f"{path}/{name}", content, 0o444, None, Digest("v1:x"), ())


def due(*files: RenderedFile, problems: tuple[Problem, ...] = ()) -> Rendered:
    made = render(resolve(Snapshot(), Env("dev"), App("web")), Binding(), DigestKey(b"k" * 32))
    return replace(made, files=files, problems=problems)


def made_with(target: MemoryTarget, folder: str, name: str = "web") -> Inspect:
    mounts = {"Mounts": [mount_of_secrets(folder)]}
    container = target.create(Replacement(name, {"Image": "app:1", "Cmd": ["run"], "HostConfig": mounts}, {}))
    return target.inspect(container)


def test_a_folder_is_filled_before_its_container_is_made(memory: Path, target: MemoryTarget) -> None:
    folders = SecretFolders(root_of(memory / "secrets", "ENGINE:1"), target)
    with folders.filled([secret(), secret("A", path="/etc")]) as folder:
        inspect = made_with(target, folder)
    place, why = place_of(inspect, f"{FOLDER}/DB", folders.root)
    assert place is not None
    assert (place.read_text(), place.stat().st_mode & 0o777, why) == ("s3cret", 0o444, "")
    assert os.listdir(folder) == ["DB"]
    assert Path(folder).stat().st_mode & 0o777 == 0o755
    assert {one.stat().st_mode & 0o777 for one in (folders.root, folders.root.parent)} == {0o700}
    assert place_of(inspect, f"{FOLDER}/DB", memory) == (
        None,
        why or "it has no folder for secrets yet; a new container gets one",
    )


def test_no_secrets_need_no_folder(memory: Path, target: MemoryTarget) -> None:
    folders = SecretFolders(memory / "secrets" / "x", target)
    with folders.filled([secret(path="/etc")]) as folder:
        assert folder == ""
    folders.sweep()
    assert not (memory / "secrets").exists()


def test_what_a_reboot_has_taken_is_there_again_and_the_container_starts(
    memory: Path, target: MemoryTarget
) -> None:
    folders = SecretFolders(memory / "x", target)
    with folders.filled([secret()]) as folder:
        inspect = made_with(target, folder)
    shutil.rmtree(folders.root)
    assert not folders.revive(inspect, due(secret()))  # nobody had it running
    assert (Path(folder) / "DB").read_text() == "s3cret"
    state = {"Running": False, "Error": f'error mounting "{folder}" to rootfs: no such file or directory'}
    assert folders.revive({**inspect, "State": state}, due(secret()))
    assert target.inspect(str(inspect["Id"]))["State"]["Running"]
    assert not folders.revive({**inspect, "State": {**state, "Error": "no such program"}}, due())


def test_a_container_whose_secret_cannot_be_opened_stays_down(memory: Path, target: MemoryTarget) -> None:
    folders = SecretFolders(memory / "x", target)
    inspect = made_with(target, str(folders.root / ("a1" * 16)))
    shut = due(problems=(Problem("secret", ("db",), "db: no key opens it"),))
    with pytest.raises(EngineRefused, match="not started again without its secrets: db: no key opens it"):
        folders.revive(inspect, shut)
    assert not folders.root.exists()


def test_a_container_without_a_folder_here_is_left_alone(memory: Path, target: MemoryTarget) -> None:
    other = made_with(target, f"{SHM}/elsewhere/{'a1' * 16}")
    assert not SecretFolders(memory, target).revive(other, due(secret()))
    assert list(memory.iterdir()) == []


def test_a_folder_goes_with_its_container(memory: Path, target: MemoryTarget) -> None:
    known: list[Inspect] = []
    pending: list[str] = []
    folders = SecretFolders(memory / "x", target, lambda: known, lambda: pending)
    with folders.filled([secret()]) as first:
        one = made_with(target, first)
    with folders.filled([secret()]) as second:
        other = made_with(target, second, "other")
        target.remove(str(one["Id"]))
        folders.sweep()  # while one is being made, nothing goes
        assert Path(first).exists()
    pending.append(f'{{"rebuild": "{first}"}}')
    folders.sweep()
    assert Path(first).exists()
    pending.clear()
    folders.sweep()
    assert (Path(first).exists(), Path(second).exists()) == (False, True)
    known.append(other)
    target.set_reachable(False)
    folders.sweep()  # all that there is, is known: the engine is not asked


def test_many_at_once_each_have_their_own(memory: Path, target: MemoryTarget) -> None:
    folders = SecretFolders(memory / "x", target)
    found: list[str] = []

    def make(number: int) -> None:
        with folders.filled([secret(content=str(number))]) as folder:
            found.append(folder_of(made_with(target, folder, f"web{number}")))
            folders.sweep()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(Path(folder) / "DB").read_text() for folder in found} == set(map(str, range(8)))


def test_a_host_that_cannot_keep_them_in_memory_says_what_to_do(
    tmp_path: Path, target: MemoryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = SecretFolders(tmp_path / "secrets" / "x", target)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "start it with --secrets-dir on a tmpfs" in folders.why_not()
    (tmp_path / "secrets").write_text("in the way")
    with pytest.raises(EngineRefused, match=os.strerror(errno.EEXIST)), folders.filled([secret()]):
        pass


def test_a_folder_that_is_not_there_yet_is_where_it_will_be(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "1 0 0:1 / / rw - ext4 /dev/vda rw\n"
        "2 1 0:2 / /run rw,nosuid shared:1 - tmpfs tmpfs rw\n"
        "3 1 0:3 / /run/my\\040disk rw - ext4 /dev/vdb rw\n"
    )
    found = [is_in_memory(Path(one), table) for one in ("/run/none/x", "/srv", "/run/my disk/x", "/run")]
    assert found == [True, False, False, True]
