"""The registry of file formats: each reads text into names and values, and writes them.

A format is pure: text in, text out. Adding one is a module here and a line below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confd.formats import dotenv, jsonfile
from confd.jsontext import Value

__all__ = ["FORMATS", "Format", "format_of"]


@dataclass(frozen=True, slots=True)
class Format:
    """`extensions` are the ends of file names; `dialects`, the default first, are what `load` takes.

    `load` raises `Malformed` with the line or member, `dump` raises `Invalid` for what it cannot hold.
    """

    name: str
    extensions: tuple[str, ...]
    dialects: tuple[str, ...]
    load: Callable[[str, str], list[tuple[str, Value]]]
    dump: Callable[[Mapping[str, Value]], str]


FORMATS: Mapping[str, Format] = {
    module.NAME: Format(module.NAME, module.EXTENSIONS, module.DIALECTS, module.load, module.dump)
    for module in (dotenv, jsonfile)
}


def format_of(filename: str) -> Format | None:
    """The format of a file by its name: the longest extension that fits."""
    fitting = [
        (len(end), name) for name, known in FORMATS.items() for end in known.extensions if filename.endswith(end)
    ]
    return FORMATS[max(fitting)[1]] if fitting else None
