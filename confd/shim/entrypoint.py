"""Start one command with its settings as variables, and keep it in step with them.

    confd-entrypoint [OPTIONS] [--] COMMAND [ARGUMENT ...]

For images: packed as one file (`python3 -m confd.shim FILE`), it needs the standard library only, runs as
`python3 -I -S FILE`, and serves as PID 1. A thread fetches (`Feed`); signals and its answers meet in one pipe;
`Supervisor` alone starts, signals, stops and reaps the child. Start-up time and memory are budgeted, so no
dataclasses, typing, argparse, http.client or subprocess in any of its modules, and ssl only for https. It must not
know anything else of confd, and never prints a value.

Exit codes: the child's own; 128+n when signal n ended it; 126 and 127 when the command cannot be executed or is not
found; before a child ran: 64 usage, 69 no settings to be had, 77 refused, 78 configuration.
"""

from __future__ import annotations

import os
import sys

from confd.shim.options import USAGE_TEXT, parse_options
from confd.shim.supervisor import Supervisor
from confd.shim.told import ShimError, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from confd.shim.options import Base

__all__ = ["main", "run"]


def run(arguments: Sequence[str], environ: Base) -> int:
    """Parse, supervise, and return the exit code."""
    if "--help" in arguments[: arguments.index("--") if "--" in arguments else 1]:
        os.write(1, USAGE_TEXT.encode())
        return 0
    try:
        return Supervisor(parse_options(arguments, environ), environ).run()
    except ShimError as exc:
        say(exc.detail)
        return exc.exit_code


def main() -> None:
    """The console script. It leaves at once: the feed's thread may be in the middle of a wait."""
    os._exit(run(sys.argv[1:], dict(os.environb)))
