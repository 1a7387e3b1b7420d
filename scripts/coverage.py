"""Fails where the unit tests of the pure core leave out a branch of it.

The pure core is what the import contract of that name in pyproject.toml lists, and its tests are those that mirror
it. Tests of random values are left out: what they reach differs from run to run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "unit"
CONTRACT = "the pure core does no input or output"


def pure_core() -> list[Path]:
    """The files and folders of the pure core."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    (modules,) = [one["source_modules"] for one in tools["importlinter"]["contracts"] if one["name"] == CONTRACT]
    paths = [ROOT / module.replace(".", "/") for module in modules]
    return [path if path.is_dir() else path.with_suffix(".py") for path in paths]


def tests_of(path: Path) -> Iterator[Path]:
    """What there is of tests of a module, or of a package and each of its modules."""
    stems = [path.stem, *(module.stem for module in sorted(path.glob("*.py")))]
    places = [TESTS / path.stem, *(TESTS / f"test_{stem}.py" for stem in stems)]
    return (place for place in places if place.exists())


def main() -> int:
    core = pure_core()
    tests = [str(test) for path in core for test in tests_of(path)]
    include = ",".join(f"{path}/*" if path.is_dir() else str(path) for path in core)
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        for command in (
            ["run", "-m", "pytest", "-q", "--no-header", "-m", "not hypothesis", *tests],
            ["report", f"--include={include}", "--show-missing", "--skip-covered", "--fail-under=100"],
        ):
            done = subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, env=environ, check=False)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
