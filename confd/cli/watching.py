"""Being told of what happens in a directory: by the kernel, or by looking where that has no watches left.

Events only wake; what is in the directory is told by looking. The kernel drops events when there are too many, and
tells nothing of a directory that was replaced or mounted over, so whoever uses this looks by itself now and then
(`follow`).
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confd.cli.output import say

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

__all__ = ["QUIET_S", "Watcher"]

QUIET_S = 0.3
"""So long nothing is to happen before the directory is looked at."""
LONGEST_S = 10.0
"""So long at most: also of what never rests, something is to be brought in."""
POLL_S = 1.0
STEP_S = 0.02
LIMITS = {errno.ENOSPC: "fs.inotify.max_user_watches", errno.EMFILE: "fs.inotify.max_user_instances"}


class Watcher:
    """Watches one directory, whatever stands under its name; `wake` is set when something happens in it."""

    def __init__(self, folder: Path, wake: threading.Event) -> None:
        self._folder, self._wake = folder, wake
        self._observer: Any = None
        self._watched: tuple[int, int] | None = None
        self._happened = 0.0
        self._writing: set[str] = set()
        self._polls = False

    def follow(self) -> None:
        """Watch what stands under the name now; nothing is done where it is watched already, or is not there."""
        try:
            seen = os.stat(self._folder)
        except OSError:
            self.stop()
            return
        if (seen.st_dev, seen.st_ino) == self._watched and all(one.is_alive() for one in self._observer.emitters):
            return  # an inode's number may be that of a directory that is gone: then what watched it has ended
        self.stop()
        try:
            self._observer = self._started(self._kernel)
        except OSError as error:
            if error.errno not in LIMITS:
                raise
            self._polls = True
            say(
                f"the kernel gives no more watches ({LIMITS[error.errno]} is reached; raise it with sysctl): "
                f"looking every {POLL_S:g} s instead"
            )
            self._observer = self._started(self._polling)
        self._watched = (seen.st_dev, seen.st_ino)

    def settle(self, stop: threading.Event) -> None:
        """Return when nothing has happened for a moment and no file is being written, or after the longest wait."""
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and not stop.is_set():
            if time.monotonic() - self._happened >= QUIET_S and not self._writing:
                return
            stop.wait(STEP_S)
        self._writing.clear()

    def stop(self) -> None:
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
        self._observer, self._watched = None, None
        self._writing.clear()

    def _started(self, make: Callable[[], Any]) -> Any:
        from watchdog import events

        class Handler(events.FileSystemEventHandler):
            def on_any_event(_self, event: FileSystemEvent) -> None:
                self._note(event)

        told: list[Any] = [events.FileCreatedEvent, events.FileModifiedEvent, events.FileMovedEvent]
        told += [events.FileDeletedEvent, events.FileClosedEvent, events.DirMovedEvent, events.DirDeletedEvent]
        observer = make()
        try:
            observer.schedule(Handler(), str(self._folder), event_filter=told, follow_symlink=True)
            observer.start()
        except OSError:
            observer.stop()
            raise
        return observer

    @staticmethod
    def _kernel() -> Any:
        from watchdog.observers import Observer

        return Observer()

    @staticmethod
    def _polling() -> Any:
        from watchdog.observers.polling import PollingObserver

        return PollingObserver(timeout=POLL_S)

    def _note(self, event: FileSystemEvent) -> None:
        """What is written is not looked at before whoever writes it has closed it; a poll does not see that."""
        path = os.fsdecode(event.src_path)
        if event.event_type == "modified" and not self._polls:
            self._writing.add(path)
        else:
            self._writing.discard(path)
        self._happened = time.monotonic()
        self._wake.set()
