"""A directory of files as the settings of one layer. What a file is, its name says; nothing is read below it.

    app.yaml  db.toml  .env  limits.env      each by its format; together they are one set of settings
    README.md  app.yaml~  4913  old/         passed over
    ..data  .app.yaml.swp                    hidden, and so passed over too, save `.env`

Links are followed, so that what Kubernetes mounts (links into a folder that is swapped) is read as a whole or not
at all: a directory that changes while it is read is read again.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confd.cli.files import BY_NAME, COMPOSE, ENCODINGS, guessed
from confd.errors import ConfdError, Malformed
from confd.jsontext import Value

__all__ = ["Folder", "Signature", "Unsteady", "format_of", "merged", "read_folder", "signature"]

MAX_FILE_BYTES = 4 * 1024 * 1024

_PASSING = re.compile(r"[~#]$|^#|^\d+$|\.(tmp|bak|swp|swx|orig|part)$")
"""Names that editors and copies make for a moment."""

Signature = Mapping[str, tuple[int, ...]]
"""Name to what tells one content of a file from another; empty for one that leads nowhere."""


class Unsteady(Exception):
    """The directory changed while it was read."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What the files of a directory say. `passed_over` are those that somebody may have taken for settings."""

    settings: Mapping[str, Value]
    names: frozenset[str]
    passed_over: Sequence[str] = ()
    warnings: Sequence[str] = ()


def format_of(name: str) -> str | None:
    """The format that a file's name tells; None for one that is passed over."""
    if name == ".env":
        return "env"
    if name.startswith(".") or guessed(name) == COMPOSE:
        return None
    suffix = Path(name).suffix.lower()
    return "env" if suffix == ".env" else BY_NAME.get(suffix)


def signature(folder: Path) -> Signature:
    """What the directory holds by now. Raises `OSError` where it cannot be listed."""
    found: dict[str, tuple[int, ...]] = {}
    for name in sorted(os.listdir(folder)):
        try:
            seen = os.stat(folder / name)
        except OSError:
            found[name] = ()
            continue
        if stat.S_ISREG(seen.st_mode):
            found[name] = (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


def read_folder(folder: Path) -> tuple[Folder, Signature]:
    """The settings of a directory at one moment.

    Raises `Malformed` for what cannot be read, naming the file; `Unsteady` where it changes meanwhile.
    """
    try:
        before = signature(folder)
        texts = {name: _content(folder / name, seen) for name, seen in before.items() if format_of(name)}
        after = signature(folder)
    except OSError as error:
        raise Malformed(f"{error.filename or folder} cannot be read: {error.strerror}") from error
    if before != after:
        raise Unsteady
    return merged(texts, [name for name in before if not format_of(name) and name[0] != "."]), after


def _content(path: Path, seen: Sequence[int]) -> bytes:
    if not seen:
        raise Malformed(f"{path.name} leads nowhere")
    if seen[2] > MAX_FILE_BYTES:
        raise Malformed(f"{path.name} has {seen[2]} bytes; at most {MAX_FILE_BYTES} are taken")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Unsteady from error


def merged(contents: Mapping[str, bytes], others: Sequence[str] = ()) -> Folder:
    """The settings of files by their names. Raises `Malformed` where two give one key, or one cannot be read."""
    settings: dict[str, Value] = {}
    origin: dict[str, str] = {}
    warnings: list[str] = []
    for name, content in contents.items():
        try:
            found, told = _settings(name, content)
        except ConfdError as error:
            raise Malformed(f"{name}: {error.detail}") from error
        for key, value in found:
            if key in origin:
                where = f"twice in {name}" if origin[key] == name else f"in {origin[key]} and in {name}"
                raise Malformed(f"{key} stands {where}; keep one of them")
            origin[key], settings[key] = name, value
        warnings += [f"{name}: {one}" for one in told]
    shown = [name for name in others if not _PASSING.search(name)]
    return Folder(settings, frozenset(contents), shown, warnings)


def _settings(name: str, content: bytes) -> tuple[list[tuple[str, Value]], Sequence[str]]:
    from confd.formats import FORMATS
    from confd.keys import parse_key
    from confd.references import plain_text

    known = format_of(name) or ""
    form = FORMATS[known]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        if known not in ENCODINGS:
            raise Malformed(f"it is not UTF-8 (byte {error.start}); convert it first") from error
        text = content.decode(ENCODINGS[known])
    pairs = [(parse_key(key), value) for key, value in form.load(text)]
    if not form.keyed:  # such a file has what programs see: nothing in it is a reference
        pairs = [(key, plain_text(value)) for key, value in pairs]
    return [(str(key), value) for key, value in pairs], form.warnings(text)
