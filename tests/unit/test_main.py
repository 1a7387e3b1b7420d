"""The programs' first steps, before they reach a store or an engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "confd.main", "agent", "--env", "dev", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_agent_makes_its_data_folder_so_that_freeze_can_be_put_there(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "agent"
    assert agent("--data", str(data), "--target", "none-such").returncode == 78
    assert data.is_dir()


def test_a_data_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = agent("--data", str(tmp_path / "file" / "agent"))
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "--data" in done.stderr
