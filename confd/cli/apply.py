"""`confctl apply`: manifests from files, brought in by the server as one set."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from confd.cli.files import read_text
from confd.cli.output import cell, emit, say
from confd.cli.scope import Common, common_options
from confd.cli.writing import (
    NAMED,
    WaitCommand,
    Writing,
    confirmed,
    parse_duration,
    say_reach,
    settings_options,
    show_diff,
    wait,
)
from confd.client import Client, Document, Scope, integer
from confd.errors import ConfdError, Malformed
from confd.jsontext import Value

__all__ = ["apply_command"]

ENDS = (".yaml", ".yml", ".json")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a document comes from: its file with all its text, and its place in there."""

    file: str
    text: str
    place: int

    def words(self, pointer: str) -> str:
        """The document and the line in it to which a pointer leads."""
        from confd.formats.yamlreader import line_at

        members = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        line = line_at(self.text, self.place, members)
        return f"{self.file}, document {self.place + 1}, line {line}"


@click.command("apply", cls=WaitCommand)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    type=click.Path(exists=True, allow_dash=True),
    metavar="FILE_OR_DIR",
    help="A file of manifests, a directory of such files, or '-' for stdin; several may be given.",
)
@settings_options
@common_options
def apply_command(common: Common, files: tuple[str, ...], **flags: Any) -> None:
    """Bring in what manifests say, all checked before the first is written.

    A file is YAML, of one or several documents, or JSON; of a directory all *.yaml, *.yml and *.json count, in the
    order of their names. Each document has a kind (settings, schema, binding or policy) and says where it goes.

    A manifest of settings owns the keys that it names: one that it names no more is unset, and what others have set
    stays. --force takes keys over that belong to another manifest.

    \b
    Examples:
      confctl apply -f web.yaml --dry-run
      confctl apply -f config/ -m "release 42" --wait
      cat web.yaml | confctl apply -f -
    """
    writing, client = Writing(**flags), common.client()
    sources, documents = _read(files)
    edit = writing.edit()
    try:
        shown = client.apply(documents, replace(edit, dry_run=True))
        if any(one["diff"] for one in shown["documents"]):
            say_reach(shown["reaches"], None if edit.dry_run else NAMED)
        done = shown if edit.dry_run else client.apply(documents, confirmed(edit, shown))
    except ConfdError as error:
        raise _located(error, sources) from error
    emit(common.output, done, lambda: _show(done["documents"]) if edit.dry_run else None)
    for one in done["documents"]:
        _say(one, edit.dry_run)
    if edit.dry_run:
        say("dry run: nothing is stored")
    elif writing.wait:
        _await(client, done["documents"], parse_duration(writing.wait))


def _read(files: Iterable[str]) -> tuple[Sequence[_Source], Sequence[Value]]:
    """The documents of all files in order, and where each comes from."""
    pairs = [pair for named in files for file in _files(named) for pair in _documents(file)]
    if not pairs:
        raise click.UsageError(f"No manifest stands in {', '.join(files)}.")
    return [source for source, _ in pairs], [document for _, document in pairs]


def _files(named: str) -> Sequence[str]:
    folder = Path(named)
    if named == STDIN or not folder.is_dir():
        return [named]
    found = sorted(one for one in folder.iterdir() if one.suffix in ENDS and one.is_file() and one.name[0] != ".")
    return [str(one) for one in found]


def _documents(file: str) -> Iterable[tuple[_Source, Value]]:
    from confd.formats.yamlreader import documents
    from confd.jsontext import parse

    text, name = read_text(file), "stdin" if file == STDIN else file
    try:
        found = [(0, parse(text))] if file.endswith(".json") else documents(text)
    except Malformed as error:
        raise Malformed(f"{name}: {error.detail}") from error
    return [(_Source(name, text, place), value) for place, value in found]


def _located(error: ConfdError, sources: Sequence[_Source]) -> ConfdError:
    """The error with the file and the line that it is about."""
    _, _, rest = (error.pointer or "").partition("/documents/")
    index, slash, inner = rest.partition("/")
    if not index.isdigit() or int(index) >= len(sources):
        return error
    words = error.detail.removeprefix(f"document {int(index) + 1}").removeprefix(":").strip()
    pointer = slash + inner
    where = f" (at {pointer})" if pointer else ""
    return type(error)(f"{sources[int(index)].words(pointer)}: {words}{where}")


def _show(documents: Iterable[Document]) -> None:
    for one in documents:
        if one["diff"]:
            click.echo(f"{one['kind']} {cell(one['name'])}:")
            show_diff(one["diff"])


def _say(one: Document, dry_run: bool) -> None:
    what = f"{one['kind']} {cell(one['name'])}"
    for warning in one["warnings"]:
        say(f"{what}: warning: {cell(warning)}")
    if not one["diff"]:
        say(f"{what}: nothing to change, it is already so")
    elif not dry_run:
        say(f"{what}: stored (change {integer(one['change'])}, revision {integer(one['revision'])})")
    others = one["others"]
    if others:
        more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
        say(f"{what}: set by others, and left as it is: {', '.join(map(cell, others[:NAMED]))}{more}")


def _await(client: Client, documents: Iterable[Document], timeout_s: float) -> None:
    """Wait for each layer that was changed; exit 3 unless all is in effect."""
    newest: dict[Scope, int] = {}
    for one in documents:
        if one["kind"] in ("settings", "binding"):
            scope = Scope(one["app"], one["env"], one["host"])
            newest[scope] = max(newest.get(scope, 0), integer(one["revision"]) if one["diff"] else 0)
    sys.stdout.flush()
    if not all([wait(client, {scope: set()}, revision, timeout_s) for scope, revision in newest.items()]):
        click.get_current_context().exit(3)
