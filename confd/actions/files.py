"""Replace files in directories that are mounted into a container: whole, by rename, and never through a link.

All of them are staged beside their places first, so that each can be looked at before the first takes its place.
Every folder on the way is opened by its own descriptor without following links, so that nobody inside the container
can swap one for a link between a look and a write (B158).
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from confd.errors import EngineRefused
from confd.model import RenderedFile

__all__ = ["Staged", "replace_all", "staged"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Staged:
    """A file beside its place, as it is to be. `old`: another name of what stood there; `is_first`: nothing did."""

    file: RenderedFile
    name: str
    temporary: str
    folder: int
    old: str = ""
    is_first: bool = False

    @property
    def inside(self) -> str:
        """Where the container sees the new file."""
        return str(PurePosixPath(self.file.path).with_name(self.temporary))

    def keep_old(self) -> None:
        """Nothing is kept where nothing stands yet, or where the file system has no second names."""
        name = _temporary(self.name)
        try:
            os.link(self.name, name, src_dir_fd=self.folder, dst_dir_fd=self.folder, follow_symlinks=False)
            self.old = name
        except FileNotFoundError:
            self.is_first = True
        except OSError:
            return

    def put(self) -> None:
        os.rename(self.temporary, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def put_back(self) -> None:
        with contextlib.suppress(OSError):
            if self.old:
                os.rename(self.old, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
            elif self.is_first:
                os.unlink(self.name, dir_fd=self.folder)

    def clear(self) -> None:
        for name in filter(None, (self.temporary, self.old)):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self.folder)


@contextlib.contextmanager
def staged(files: Sequence[tuple[Path, RenderedFile]]) -> Iterator[Sequence[Staged]]:
    """The files, each written beside its place on this host; what has not taken its place goes when the block ends.

    Raises `EngineRefused` with the reason; nothing is changed then.
    """
    with contextlib.ExitStack() as stack:
        yield [_stage(place, file, stack) for place, file in files]


def replace_all(files: Sequence[Staged]) -> None:
    """Let all of them take their places. Raises `EngineRefused` where one cannot; then the old ones are back."""
    done: list[Staged] = []
    for one in files:
        try:
            if len(files) > 1:
                one.keep_old()
            one.put()
            done.append(one)
            os.fsync(one.folder)
        except OSError as exc:
            for other in reversed(done):
                other.put_back()
            raise _refused(one.file, exc) from exc


def _stage(place: Path, file: RenderedFile, stack: contextlib.ExitStack) -> Staged:
    try:
        folder = stack.enter_context(_folder(Path(os.path.realpath(place.parent))))
        _clear_left(folder, place.name)
        made = Staged(file, place.name, _temporary(place.name), folder)
        stack.callback(made.clear)
        _fill(folder, made.temporary, file)
    except OSError as exc:
        raise _refused(file, exc) from exc
    return made


def _refused(file: RenderedFile, exc: OSError) -> EngineRefused:
    return EngineRefused(f"{file.path}: cannot be written on the host: {exc.strerror}")


def _temporary(name: str) -> str:
    """Hidden, so that nothing that reads the folder takes it for one of its own, and with the same ending."""
    return f".confd-{uuid.uuid4().hex[:12]}-{name[-60:]}"


def _clear_left(folder: int, name: str) -> None:
    """What a crash has left of this file beside it."""
    ours = re.compile(rf"\.confd-[0-9a-f]{{12}}-{re.escape(name[-60:])}")
    for found in os.listdir(folder):
        if ours.fullmatch(found):
            with contextlib.suppress(OSError):
                os.unlink(found, dir_fd=folder)


def _fill(folder: int, name: str, file: RenderedFile) -> None:
    handle = os.open(
        name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    with os.fdopen(handle, "wb") as stream:
        stream.write(file.content.encode())
        if file.owner is not None:
            os.fchown(stream.fileno(), *file.owner)
        os.fchmod(stream.fileno(), file.mode)
        stream.flush()
        os.fsync(stream.fileno())


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[int]:
    """The folder's descriptor; each step of the way is made where it is missing, and none may be a link."""
    handle = os.open("/", _FOLDER)
    try:
        for part in path.parts[1:]:
            try:
                deeper = os.open(part, _FOLDER, dir_fd=handle)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=handle)
                deeper = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = deeper
        yield handle
    finally:
        os.close(handle)
