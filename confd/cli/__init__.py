"""`confctl`: an HTTP client only, so that authorisation and history cannot be bypassed.

Everything is imported when it is needed, for a start of less than 150 ms.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """The console script; always ends by `SystemExit`."""
    from confd.cli.program import confctl

    confctl.main(prog_name="confctl")
