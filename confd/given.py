"""What a program was given for each of its settings: by flag, variable or file, in this order."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confd.errors import Configuration

__all__ = ["CONFIG_FILE", "Flag", "Given"]


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting of a program: its name without dashes, and what it means. `many`: a list; `switch`: yes or no."""

    name: str
    help: str
    many: bool = False
    switch: bool = False

    @property
    def variable(self) -> str:
        """The variable that gives it too."""
        return "CONFD_" + self.name.replace("-", "_").upper()


CONFIG_FILE = Flag("config-file", "TOML file with any of these, under their names; the flag is --config")


class Given:
    """What was given for each flag, wherever it was given."""

    def __init__(self, flags: Sequence[Flag], namespace: argparse.Namespace, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._namespace = namespace
        path = namespace.config or environ.get(CONFIG_FILE.variable)
        self._file = _read_file(path, {flag.name for flag in flags}) if path else {}

    def _find(self, name: str) -> Any:
        given = getattr(self._namespace, name.replace("-", "_"))
        if given is None:
            given = self.environ.get(Flag(name, "").variable) or None
        return self._file.get(name) if given is None else given

    def text(self, name: str) -> str | None:
        given = self._find(name)
        if given is None or isinstance(given, str):
            return given
        raise Configuration(f"{name} must be a string")

    def many(self, name: str) -> tuple[str, ...]:
        given = self._find(name)
        items = [given] if isinstance(given, str) else given or []
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise Configuration(f"{name} must be a string or a list of strings")
        return tuple(dict.fromkeys(part.strip() for item in items for part in item.split(",") if part.strip()))

    def switch(self, name: str) -> bool:
        given = self._find(name)
        if isinstance(given, str):
            words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
            given = words.get(given.lower(), given)
        if given is None or isinstance(given, bool):
            return bool(given)
        raise Configuration(f"{name} must be true or false")

    def number(self, name: str, default: float) -> float:
        given = self._find(name)
        try:
            number = default if given is None else float(given)
        except (TypeError, ValueError):
            number = 0.0
        if not 0 < number < float("inf"):
            raise Configuration(f"{name} must be a number of seconds above 0")
        return number


def _read_file(path: str, known: set[str]) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as exc:
        raise Configuration(f"cannot read {path}: {exc.strerror}") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Configuration(f"{path} is no TOML: {exc}") from exc
    for name in document:
        if name not in known:
            raise Configuration(f"{path}: {name!r} is unknown; known are: {', '.join(sorted(known))}")
    return document
