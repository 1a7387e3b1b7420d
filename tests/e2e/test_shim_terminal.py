"""The shim on a terminal: the child is in the foreground, and nothing stops or ends it by the way."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import pytest

from tests.support.shim import PYTHON, ConfigServer, packed


@pytest.fixture
def server() -> Iterator[ConfigServer]:
    with ConfigServer() as running:
        yield running


def in_terminal(server: ConfigServer, command: list[str], *before: str) -> tuple[int, bytes]:
    """Run the shim as leader of a session with a terminal; its exit code and the output."""
    words = [PYTHON, "-I", "-S", str(packed()), "--app", "web", "--env", "dev", "--server", server.url]
    line = [*words, "--", *command]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", "".join(before) + 'exec "$@"', "sh", *line])
    out = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        out += part
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), out


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_with_a_terminal_no_spurious_signal_reaches_the_child_b125(server: ConfigServer) -> None:
    child = [PYTHON, "-ISc", "import signal, time; signal.signal(18, lambda *_: [][1]); time.sleep(0.05)"]
    assert {in_terminal(server, child)[0] for _ in range(100)} == {0}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_the_child_may_print_on_a_terminal_with_tostop_b127(server: ConfigServer) -> None:
    code, out = in_terminal(server, ["sh", "-c", "echo printed; exit 6"], "stty tostop;")
    assert (code, b"printed" in out) == (6, True)
