"""How data is written on stdout: tables for people, JSON and YAML.

Text that comes from the store is escaped before it meets a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from confd.jsontext import Number, Value, dump

__all__ = ["cell", "emit", "pretty", "say", "say_left_out", "table", "value_text", "yaml"]


def say(words: str) -> None:
    """Words for a person, on stderr."""
    click.echo(words, err=True)


def say_left_out(config: Mapping[str, Any], *, reveal: bool = False) -> None:
    """Which settings are not among the variables that are due, and why."""
    for problem in config.get("problems") or ():
        say(f"left out: {cell(problem)}")
    if config.get("secret") and not reveal:
        say(f"left out, since they are secret: {cell(', '.join(config['secret']))}")


def emit(output: str | None, document: Any, show: Callable[[], None]) -> None:
    """Write a document as JSON or YAML, or call `show` for the table."""
    if output == "json":
        click.echo(pretty(document))
    elif output == "yaml":
        click.echo(yaml(document))
    else:
        show()


def pretty(value: Value, indent: str = "") -> str:
    """JSON over several lines; numbers keep their text."""
    deeper = indent + "  "
    if isinstance(value, Mapping) and value:
        members = (f"{deeper}{dump(str(name))}: {pretty(item, deeper)}" for name, item in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and value:
        return "[\n" + ",\n".join(deeper + pretty(item, deeper) for item in value) + f"\n{indent}]"
    return dump(value)


def yaml(value: Value) -> str:
    """A YAML document whose scalars are JSON scalars."""
    from confd.formats.yamlfile import written

    return written(value)


def cell(value: Any) -> str:
    """A value as it stands in a table: a string bare, all else as JSON; control characters escaped."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else dump(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; no line when there is no row."""
    texts = [[item if isinstance(item, str) and item.isprintable() else cell(item) for item in row] for row in rows]
    if not texts:
        return
    lines = [list(header), *texts]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def value_text(value: Any) -> str:
    """A setting's value: JSON, except that a string without odd characters stands bare."""
    if isinstance(value, Number):
        return value.text
    if value is None or isinstance(value, bool):
        return dump(value)
    return cell(value)
