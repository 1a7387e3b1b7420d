"""Small documents in a folder of this host, each replaced as a whole, so that they survive a crash."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Folder"]

log = logging.getLogger(__name__)

SUFFIX = ".json"


class Folder:
    """JSON documents by name. Without a path nothing is kept; what cannot be written is told once and not kept.

    `sync`: a document is on the disk before `write` returns, whatever happens to the machine.
    """

    def __init__(self, path: Path | None = None, *, sync: bool = False) -> None:
        self.path = path
        self._sync = sync
        self._told = False

    def read_all(self) -> dict[str, Any]:
        """Every document that is whole."""
        found: dict[str, Any] = {}
        for file in sorted(self.path.glob(f"*{SUFFIX}")) if self.path is not None else ():
            with suppress(OSError, ValueError):
                found[file.stem] = json.loads(file.read_text("utf-8"))
        return found

    def write(self, name: str, document: Any) -> None:
        """Put a document in the place of the one before."""
        if self.path is None:
            return
        whole = self.path / f"{name}{SUFFIX}"
        passing = whole.with_suffix(".new")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with passing.open("w", encoding="utf-8") as file:
                json.dump(document, file, ensure_ascii=False)
                file.flush()
                if self._sync:
                    os.fsync(file.fileno())
            passing.replace(whole)
        except OSError as exc:
            if not self._told:
                log.warning("%s cannot be written, what the store says is not kept here: %s", whole, exc.strerror)
            self._told = True

    def remove(self, name: str) -> None:
        """Take a document away; one that is not there is fine."""
        if self.path is not None:
            with suppress(OSError):
                (self.path / f"{name}{SUFFIX}").unlink(missing_ok=True)
