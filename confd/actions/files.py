"""Replace a file in a directory that is mounted into a container: whole, by rename, and never through a link.

Every folder on the way is opened by its own descriptor without following links, so that nobody inside the
container can swap one for a link between a look and a write (B158).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from confd.errors import EngineRefused
from confd.model import RenderedFile

__all__ = ["write"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def write(place: Path, file: RenderedFile) -> None:
    """Write the file at its place on this host. Raises `EngineRefused` with the reason; the old file then stays."""
    temporary = f".{place.name}.{uuid.uuid4().hex[:12]}"
    try:
        with _folder(Path(os.path.realpath(place.parent))) as folder:
            try:
                _fill(folder, temporary, file)
                os.rename(temporary, place.name, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)
    except OSError as exc:
        raise EngineRefused(f"{file.path}: cannot be written on the host: {exc.strerror}") from exc


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
