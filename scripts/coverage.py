"""Runs the unit tests, and fails where those of the pure core leave out a branch of it.

The pure core is what the import contract of that name in pyproject.toml lists, and its tests are those that mirror
it. Tests of random values do not count: what they reach differs from run to run. Two runs at a time, no test twice.
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
SHARES = 2
REPORT = ("--show-missing", "--skip-covered", "--fail-under=100")


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


def shares_of(tests: Sequence[Path]) -> list[list[str]]:
    """The files in shares of about the same size."""
    shares: list[list[str]] = [[] for _ in range(SHARES)]
    sizes = [0] * SHARES
    for test in sorted(tests, key=lambda one: one.stat().st_size, reverse=True):
        least = sizes.index(min(sizes))
        shares[least].append(str(test))
        sizes[least] += test.stat().st_size
    return shares


def run_all(commands: Sequence[Sequence[str]], environ: dict[str, str]) -> int:
    """Run the commands beside each other; the first exit code that is not 0."""
    started = [subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=environ) for command in commands]
    return next((code for one in started if (code := one.wait())), 0)


def main() -> int:
    core = pure_core()
    tests = sorted({test for path in core for test in tests_of(path)})
    include = ",".join(f"{path}/*" if path.is_dir() else str(path) for path in core)
    pytest = ["pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    others = [str(test) for test in sorted(TESTS.rglob("test_*.py")) if test not in tests]
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}
        counted = [
            ["coverage", "run", "--parallel-mode", "-m", *pytest, "-m", "not hypothesis", *share]
            for share in shares_of(tests)
        ]
        for commands in (
            counted,
            [["coverage", "combine", "--quiet"]],
            [
                [
                    "coverage",
                    "report",
                    f"--include={include}",
                    "--show-missing",
                    "--skip-covered",
                    "--fail-under=100",
                ]
            ],
            [
                [*pytest, "-m", "hypothesis", *map(str, tests)],
                *([*pytest, *share] for share in shares_of([Path(one) for one in others])),
            ],
        ):
            code = run_all(commands, environ)
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
