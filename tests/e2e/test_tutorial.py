"""The tutorial's commands, run as they are written, in one shell; what they print is what the page shows."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
_FENCE = re.compile(r"^```(\w+)(?: exit=(\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("2379", "2380", "8700")
"""The page's ports on 127.0.0.1; here others that are free stand for them."""


@dataclass(frozen=True)
class Block:
    """Commands, the line they stand at, the exit code of the last one, and what they print (None: anything)."""

    line: int
    commands: str
    exit_code: int
    printed: str | None


def blocks(page: str) -> Iterator[Block]:
    """The page's shell blocks, in order."""
    fences = list(_FENCE.finditer(page))
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] == "sh":
            printed = after[3] if after is not None and after[1] == "text" else None
            yield Block(page.count("\n", 0, fence.start()) + 1, fence[3], int(fence[2] or 0), printed)


def pattern_of(printed: str) -> str:
    """A line `...` stands for any lines, `...` in a line for any text; columns may be wider."""
    parts = []
    for line in printed.splitlines():
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            words = ".*?".join(re.escape(part) for part in line.split("..."))
            parts.append(re.sub(r"(\\ ){2,}", " {2,}", words) + r" *\n")
    return "".join(parts)


class Shell:
    """One bash that runs block after block, so that its variables and jobs go on."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            cwd=ROOT,
            start_new_session=True,
        )

    def run(self, commands: str) -> tuple[int, str]:
        """The exit code of the last command, and what all printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commands}\necho {self._mark} $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            before, mark, code = line.partition(self._mark)
            if mark:
                return int(code), "".join([*lines, before])
            lines.append(line)
        raise AssertionError(f"the shell ended: {''.join(lines)}")

    def end(self) -> None:
        """End the shell, and what a failed block left running."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(20)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder with a short path: a unix socket's may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="confd-tutorial-"))
    yield folder
    engine = folder / "confd-tutorial" / "engine2"
    if engine.exists():
        subprocess.run([str(ROOT / "scripts" / "engine.sh"), "stop", str(engine)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shell(home: Path, engine: EngineProcess) -> Iterator[Shell]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("CONFD_", "XDG_"))}
    shell = Shell({**environ, "HOME": str(home), "DOCKER_HOST": engine.docker_host, "USER": "me"})
    yield shell
    shell.end()


@pytest.mark.timeout(400)
def test_every_command_does_what_the_page_shows(shell: Shell) -> None:
    page = PAGE.read_text("utf-8")
    for port in PORTS:
        page = page.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    for block in blocks(page):
        code, printed = shell.run(block.commands)
        where = f"{PAGE.name}, line {block.line}: {block.commands}\nprinted:\n{printed}"
        assert code == block.exit_code, where
        if block.printed is not None:
            assert re.fullmatch(pattern_of(block.printed), printed), f"{where}\nand not:\n{block.printed}"
