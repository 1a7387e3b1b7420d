"""What every page of docs/reference is put together from."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

MADE = "<!-- Made by `make reference` from the sources; do not edit. -->"


def words_of(thing: Any) -> str:
    """The docstring, without its indentation. Raises `LookupError` where there is none."""
    found = inspect.cleandoc(thing.__doc__ or "")
    if not found:
        raise LookupError(f"{thing!r} has no docstring: say there what it is, then run make reference")
    return found


def first_line(thing: Any) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(words_of(thing).split("\n\n")[0].split())


def page(title: str, *parts: str) -> str:
    return "\n\n".join([MADE, f"# {title}", *filter(None, parts)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    return ", ".join(code(text) for text in texts)


def block(text: str) -> str:
    return f"```\n{text.rstrip()}\n```"
