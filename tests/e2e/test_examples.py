"""Every example runs as a reader would run it, against a real server, agent and engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/run.sh"))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_ends_well(confd: Confd, engine: EngineProcess, example: str) -> None:
    environ = {
        **confd.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "DOCKER_HOST": engine.docker_host,
        "CONFD_SOCKETS": str(confd.sockets),
        "CONFD_TOKEN_FILE": str(confd.token_file),
    }
    command = ["bash", str(ROOT / "examples" / example / "run.sh")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{confd.log}"


def test_the_readme_names_every_example() -> None:
    assert EXAMPLES
    text = (ROOT / "examples" / "README.md").read_text()
    assert [name for name in EXAMPLES if f"[{name}]({name}/run.sh)" not in text] == []
