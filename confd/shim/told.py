"""How the shim ends before a child runs, why a fetch brought nothing, and what it says."""

from __future__ import annotations

import os

__all__ = [
    "CANNOT_EXECUTE",
    "CONFIGURATION",
    "NOT_FOUND",
    "REFUSED",
    "UNAVAILABLE",
    "USAGE",
    "FetchError",
    "ShimError",
    "say",
]

USAGE, UNAVAILABLE, REFUSED, CONFIGURATION = 64, 69, 77, 78
CANNOT_EXECUTE, NOT_FOUND = 126, 127


class ShimError(Exception):
    """Ends the shim before a child runs: exit code and a sentence that holds no value."""

    def __init__(self, exit_code: int, detail: str) -> None:
        super().__init__(detail)
        self.exit_code = exit_code
        self.detail = detail


class FetchError(Exception):
    """A fetch that brought no settings. `final_code` says that another try at start is of no use."""

    def __init__(self, detail: str, *, final_code: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.final_code = final_code
        self.retry_after_s = retry_after_s


def say(text: str) -> None:
    """One line for the log; a closed or full log is nobody's reason to stop."""
    try:
        os.write(2, f"confd-entrypoint: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return
