"""The programs' first steps, before they reach a store or an engine."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest


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


@pytest.mark.parametrize("program", [["agent", "--env", "dev"], ["server", "up"]])
def test_a_run_option_that_does_not_exist_cannot_be_allowed(program: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "confd.main", *program, "--data", str(tmp_path), "--allow-run", "user,usr"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert "'usr' is no run option" in done.stderr


def test_a_port_that_is_taken_is_named_without_a_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "confd.main", "server", "up", "--data", str(tmp_path)]
        command += ["--listen", f"127.0.0.1:{port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert f"port {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr
