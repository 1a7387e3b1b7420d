"""The shim as one file."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from confd.shim.options import USAGE_TEXT
from confd.shim.pack import pack


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_the_file_runs_with_nothing_beside_it(tmp_path: Path) -> None:
    packed = pack(tmp_path / "confd-entrypoint")
    ran = command("-I", "-S", str(packed), "--help")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, USAGE_TEXT, "")
    assert packed.stat().st_mode & 0o777 == 0o755


def test_only_what_the_shim_runs_is_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path / "confd-entrypoint")) as packed:
        names = {name for name in packed.namelist() if not name.endswith("/")}
    shim = {f"confd/shim/{name}.py" for name in ("__init__", "entrypoint", "feed", "limits", "options", "process")}
    assert names == shim | {"__main__.py", "confd/__init__.py"} | {
        f"confd/shim/{name}.py" for name in ("server", "settings", "supervisor", "told")
    }


def test_the_command_writes_it_in_place_of_what_is_there(tmp_path: Path) -> None:
    target = tmp_path / "confd-entrypoint"
    target.write_text("an older one")
    assert command("-m", "confd.shim", str(target)).returncode == 0
    assert zipfile.is_zipfile(target)
    assert [path.name for path in tmp_path.iterdir()] == ["confd-entrypoint"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["one", "two"]])
def test_the_command_says_how_it_is_used(arguments: list[str]) -> None:
    ran = command("-m", "confd.shim", *arguments)
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (1, "usage: python3 -m confd.shim FILE")


def test_the_command_says_what_cannot_be_written(tmp_path: Path) -> None:
    ran = command("-m", "confd.shim", str(tmp_path / "nowhere" / "file"))
    assert (ran.returncode, "cannot write" in ran.stderr) == (1, True)
