"""Runs the unit tests and fails where they leave out a branch of the pure core: `make coverage`.

The pure core is what the import contract of that name in pyproject.toml lists.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRACT = "the pure core does no input or output"


def pure_core() -> list[str]:
    """The files of the pure core, as patterns."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    (modules,) = [one["source_modules"] for one in tools["importlinter"]["contracts"] if one["name"] == CONTRACT]
    paths = [ROOT / module.replace(".", "/") for module in modules]
    return [f"{path}/*" if path.is_dir() else f"{path}.py" for path in paths]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        core = ",".join(pure_core())
        commands = (
            ["run", "-m", "pytest", "-q", "-n", "2", "tests/unit"],
            ["combine", "-q"],
            ["report", f"--include={core}", "--show-missing", "--skip-covered", "--fail-under=100"],
        )
        for command in commands:
            done = subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, env=environ, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
