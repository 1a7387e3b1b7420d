"""What a container said last: a few lines for the ledger, many more in a file on the host, for a time.

Never raises: what a container has said is worth keeping, and not worth an action.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from confd.model import KeepLogs
from confd.outcomes import LOG_LINES
from confd.ports import Clock, Replaces

__all__ = ["KeptLogs", "LastWords", "Room"]

log = logging.getLogger(__name__)

HEAD = "# confd keeps this until "
"""How the first line of each file begins; a file without it is none of ours."""


@dataclass(frozen=True, slots=True)
class Room:
    """What all kept logs of a host may take."""

    files: int = 200
    size: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LastWords:
    """The last lines, and the file on this host that has more of them, where there is one."""

    text: str
    file: str = ""


ROOM = Room()


class KeptLogs:
    """The logs in `folder`; without one only the last lines are read, and nothing is written.

    `mask` takes out of each what nobody is to see.
    """

    def __init__(self, target: Replaces, clock: Clock, folder: Path | None = None, room: Room = ROOM) -> None:
        self.mask: Callable[[str], str] = lambda text: text
        self._target = target
        self._clock = clock
        self._folder = folder
        self._room = room

    def last_words(self, container: str, name: str, keep: KeepLogs) -> LastWords:
        """Of a container that is about to go, or that failed."""
        folder = self._folder if keep.lines else None
        text = self.mask(self._target.logs(container, LOG_LINES if folder is None else max(keep.lines, LOG_LINES)))
        if folder is None or not text:
            return LastWords(text)
        file = folder / _file_name(name, container, self._clock.utc())
        try:
            _write(file, HEAD + _later(self._clock.utc(), keep.age_s), text)
        except OSError as error:
            log.warning("the log of %s is not kept: %s: %s", name, folder, error.strerror)
            return LastWords(text)
        self.clear()
        return LastWords(text, str(file))

    def clear(self) -> None:
        """Remove the files whose time is over, and the oldest where there are too many."""
        if self._folder is None:
            return
        now, files, left = self._clock.utc(), 0, self._room.size
        try:
            for file, until, size in sorted(_ours(self._folder), key=lambda one: _written(one[0]), reverse=True):
                files, left = files + 1, left - size
                if until <= now or files > self._room.files or left < 0:
                    file.unlink(missing_ok=True)
        except OSError as error:
            log.warning("old logs are not removed: %s: %s", self._folder, error.strerror)


def _file_name(name: str, container: str, utc: str) -> str:
    when = re.sub(r"[-:]", "", utc)
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)[:100]}-{container[:12]}-{when}.log"


def _written(file: Path) -> str:
    """The time in its name."""
    return file.stem.rpartition("-")[2]


def _later(utc: str, seconds: float) -> str:
    until = datetime.fromisoformat(utc) + timedelta(seconds=seconds)
    return until.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write(file: Path, head: str, text: str) -> None:
    """For the agent's own user only: a log may hold anything."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(f"{head}\n{text}")


def _ours(folder: Path) -> Iterator[tuple[Path, str, int]]:
    """Each file that was kept here, until when, and its size."""
    for file in folder.glob("*.log"):
        with file.open("rb") as opened:
            first = opened.readline(200).decode("utf-8", "replace").rstrip("\n")
        if first.startswith(HEAD):
            yield file, first.removeprefix(HEAD), file.stat().st_size
