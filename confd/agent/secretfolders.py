"""The folders with the secrets of this host's containers: in memory, one for each, filled before it starts.

They are gone after a reboot. An engine does not start a container whose folder is missing; the agent fills it and
starts the container then.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from confd.actions.files import replace_all, staged
from confd.errors import EngineRefused
from confd.model import Rendered, RenderedFile
from confd.ports import Inspect, Restarts, Target
from confd.secretfiles import folder_of, is_secret_path

__all__ = ["SecretFolders", "place_of", "root_of"]

log = logging.getLogger(__name__)

SIZE = "256m"
"""Of the memory that is mounted for them where there is none; it is taken only for what stands in it."""

_IN_MEMORY = ("tmpfs", "ramfs")
_FLAGS = 2 | 4 | 8  # nosuid, nodev, noexec


class _Able(Target, Restarts, Protocol):
    def start(self, container: str) -> None: ...


def place_of(inspect: Inspect, path: str, root: Path) -> tuple[Path | None, str]:
    """Where a secret file of a container stands on this host, or why it has none."""
    folder = Path(folder_of(inspect) or "/")
    if folder.parent != root:
        return None, "it has no folder for secrets yet; a new container gets one"
    return folder / Path(path).name, ""


def root_of(folder: Path, engine: str) -> Path:
    """Where in a folder the secrets of one engine's containers stand."""
    return folder / hashlib.sha256(engine.encode()).hexdigest()[:16]


class SecretFolders:
    """Those below `root`, which are of one engine. Safe for several threads, and for several agents of the engine.

    `known` are the containers as they were last seen. `pending` gives texts that name folders of some which may
    come back.
    """

    def __init__(
        self,
        root: Path,
        target: _Able,
        known: Callable[[], Iterable[Inspect]] = lambda: (),
        pending: Callable[[], Iterable[str]] = lambda: (),
    ) -> None:
        self.root = root
        self._target = target
        self._known = known
        self._pending = pending
        self._lock = threading.Lock()

    def why_not(self) -> str:
        """Why this host can keep no secrets in memory; empty: it can."""
        if is_in_memory(self.root) or os.geteuid() == 0:
            return ""
        return (
            f"secrets: {self.root} is on a disk, and this agent may not mount memory there; start it with "
            "--secrets-dir on a tmpfs, like a folder below $XDG_RUNTIME_DIR"
        )

    @contextmanager
    def filled(self, files: Sequence[RenderedFile]) -> Iterator[str]:
        """A new folder with these files, for a container that is made in the block; empty where there are none.

        Raises `EngineRefused`. One that no container has afterwards goes with the next sweep.
        """
        due = [file for file in files if is_secret_path(file.path)]
        if not due:
            yield ""
            return
        self.prepare()
        with _locked(self.root, fcntl.LOCK_SH):
            folder = self.root / uuid.uuid4().hex
            self.fill(folder, due)
            yield str(folder)

    def fill(self, folder: Path, files: Sequence[RenderedFile]) -> None:
        """Write secret files into a folder, which is made where it is missing. Raises `EngineRefused`."""
        self.prepare()
        try:
            folder.mkdir(mode=0o755, exist_ok=True)
            folder.chmod(0o755)  # what keeps others of the host out is the folder above
        except OSError as exc:
            raise EngineRefused(f"secrets: {folder} cannot be made on the host: {exc.strerror}") from exc
        with staged([(folder / Path(file.path).name, file) for file in files]) as ready:
            replace_all(ready)

    def prepare(self) -> None:
        """Have the root there, in memory, for the agent alone. Raises `EngineRefused`."""
        try:
            with self._lock:
                above = self.root.parent
                above.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not is_in_memory(above):
                    _mount_memory(above)
                self.root.mkdir(mode=0o700, exist_ok=True)
                self.root.chmod(0o700)
        except OSError as exc:
            raise EngineRefused(
                f"secrets: {self.root} cannot be had in memory: {exc.strerror}; start the agent with --secrets-dir "
                "on a tmpfs"
            ) from exc

    def revive(self, inspect: Inspect, due: Rendered) -> bool:
        """Fill a container's folder that a reboot has taken, and start what the engine could not start without it.

        Whether it was started. Raises `EngineRefused`, also where a secret cannot be opened: without that it stays
        down.
        """
        folder = Path(folder_of(inspect) or "/")
        if folder.parent != self.root:
            return False
        if not folder.is_dir():
            shut = next((problem for problem in due.problems if problem.code == "secret"), None)
            if shut is not None:
                raise EngineRefused(f"it is not started again without its secrets: {shut.detail}")
            self.fill(folder, [file for file in due.files if is_secret_path(file.path)])
            log.info("%s: its secrets are there again", str(inspect["Name"]).lstrip("/"))
        state = inspect.get("State") or {}
        if state.get("Running") or str(folder) not in str(state.get("Error") or ""):
            return False
        self._target.start(str(inspect["Id"]))
        return True

    def sweep(self) -> None:
        """Remove the folders that no container has, or may have again."""
        if not self._left(self._known()):
            return
        with suppress(BlockingIOError), _locked(self.root, fcntl.LOCK_EX | fcntl.LOCK_NB):  # else one is being made
            pending = " ".join(self._pending())
            for name in self._left(self._target.containers("")):
                if name not in pending:
                    shutil.rmtree(self.root / name, ignore_errors=True)

    def _left(self, containers: Iterable[Inspect]) -> set[str]:
        """The folders that none of these has."""
        try:
            names = set(os.listdir(self.root))
        except OSError:
            return set()  # none was ever needed here
        return names - {Path(folder_of(one) or "/").name for one in containers} if names else names


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    """Raises `BlockingIOError` where it may not wait."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)


def is_in_memory(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether what is written into a folder, which may not be there yet, stays in memory."""
    real, found = Path(os.path.realpath(folder)), (0, "")
    for line in mounts.read_text("utf-8").splitlines():
        fields, _, after = line.partition(" - ")
        point = Path(fields.split()[4].encode("latin-1", "replace").decode("unicode_escape"))
        if real.is_relative_to(point) and len(point.parts) >= found[0]:
            found = (len(point.parts), after.split()[0])
    return found[1] in _IN_MEMORY


def _mount_memory(folder: Path) -> None:
    """Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"mode=0700,size={SIZE}".encode()
    if libc.mount(b"confd-secrets", os.fsencode(folder), b"tmpfs", _FLAGS, options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
