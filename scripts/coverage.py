"""Runs the unit tests, and fails where those of the pure core leave out a branch of it.

The pure core is what the import contract of that name in pyproject.toml lists, and its tests are those that mirror
it. Tests of random values do not count: what they reach differs from run to run. Nor do those marked `exhaustive`:
they walk so many cases of what others reach that counting would triple their time. No test runs twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "unit"
CONTRACT = "the pure core does no input or output"
REPORT = ("--show-missing", "--skip-covered", "--fail-under=100")
UNCOUNTED = "hypothesis or exhaustive"
QUICK = "--hypothesis-profile=quick"


def pure_core() -> list[Path]:
    """The files and folders of the pure core."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    (modules,) = [one["source_modules"] for one in tools["importlinter"]["contracts"] if one["name"] == CONTRACT]
    paths = [ROOT / module.replace(".", "/") for module in modules]
    return [path if path.is_dir() else path.with_suffix(".py") for path in paths]


def tests_of(path: Path) -> Iterator[Path]:
    """The test files of a module, or of a package and each of its modules."""
    stems = [path.stem, *(module.stem for module in sorted(path.glob("*.py")))]
    for place in (TESTS / path.stem, *(TESTS / f"test_{stem}.py" for stem in stems)):
        yield from sorted(place.rglob("test_*.py")) if place.is_dir() else [place] if place.exists() else []


def run_all(commands: Sequence[Sequence[str]], environ: dict[str, str]) -> int:
    """Run the commands beside each other; the worst exit code."""
    started = [subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environ) for command in commands]
    return max(abs(one.wait()) for one in started)


def main() -> int:
    core = pure_core()
    tests = sorted({test for path in core for test in tests_of(path)})
    include = ",".join(f"{path}/*" if path.is_dir() else str(path) for path in core)
    pytest = ["pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    others = [test for test in sorted(TESTS.rglob("test_*.py")) if test not in tests]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        at_once = [
            ["coverage", "run", "-m", *pytest, "-m", f"not ({UNCOUNTED})", *map(str, tests)],
            [*pytest, QUICK, "-m", UNCOUNTED, *map(str, tests)],
            [*pytest, QUICK, *map(str, others)],
        ]
        return run_all(at_once, environ) or run_all(
            [["coverage", "report", f"--include={include}", *REPORT]], environ
        )


if __name__ == "__main__":
    sys.exit(main())
