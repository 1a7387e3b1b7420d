"""`confctl backup` and `restore`: everything in the store, as a file."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import click

from confd.backups import Backup, Head, Reader, parse
from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.client import Client, Document, integer
from confd.errors import Malformed, Refused, Unavailable
from confd.wording import counted

__all__ = ["backup_command", "restore_command"]

GZIP = b"\x1f\x8b"
ONLY_OWNER = 0o600
TOLD = 10
"""How often the progress is told where nobody looks on."""


@click.command("backup")
@click.argument("file", metavar="FILE")
@common_options
def backup_command(common: Common, file: str) -> None:
    """Save everything in the store to FILE ('-' is stdout).

    Settings, history, bindings, policies, brakes and what hosts know of their containers, at one revision; what is
    of the moment is left out. FILE is packed where its name ends in .gz, and readable by its owner alone: it holds
    the key of all digests and all that is stored as plain text.

    \b
    Examples:
      confctl backup confd-2026-11-28.jsonl.gz
      confctl backup - | age -r ... > confd.age
    """
    client = common.client()
    head = _copy(client.backup(), sys.stdout.buffer) if file == "-" else _save(client, Path(file))
    say(f"{_shown(file)}: {counted(head.entries, 'key')} of {cell(head.prefix)} at revision {head.revision}")
    if head.left_out:
        say(f"{counted(head.left_out, 'key')} below the prefix is no text and none of confd's; left out")


def _save(client: Client, path: Path) -> Head:
    """Write a backup beside its place, and put it there once it is whole."""
    beside = path.with_name(f".{path.name}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ONLY_OWNER), "wb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", fileobj=raw, mode="wb") as packed:
                    head = _copy(client.backup(), packed)
            else:
                head = _copy(client.backup(), raw)
            raw.flush()
            os.fsync(raw.fileno())
        beside.replace(path)
    except OSError as exc:
        raise Refused(f"{_shown(str(path))} cannot be written: {exc.strerror}; nothing is there") from exc
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return head


def _copy(lines: Iterable[bytes], to: IO[bytes] | gzip.GzipFile) -> Head:
    """Write the lines as they come. Raises `Malformed` where the last is not there."""
    reader = Reader()
    for line in lines:
        reader.take(line)
        to.write(line)
    return reader.end()


@click.command("restore")
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Write nothing; print what would become other.")
@click.option("--replace", is_flag=True, help="Replace what is there, once it is saved beside FILE.")
@click.option("--yes", is_flag=True, help="Confirm it.")
@common_options
def restore_command(common: Common, file: str, **flags: Any) -> None:
    """Put a backup FILE into an empty store ('-' is stdin).

    Settings, change numbers, history and all else are as they were. Until all of it is there, servers answer
    nothing and agents change nothing; one that was cut off is run again. Then agents wait for 'confctl resume', as
    with any store that is not the one they knew.

    \b
    Examples:
      confctl restore confd-2026-11-28.jsonl.gz --dry-run
      confctl restore confd-2026-11-28.jsonl.gz --yes
    """
    content = _read(file)
    backup, client = _parsed(content), common.client()
    (found,) = client.restore(content, {"dry_run": "true"})
    if common.output in (None, "table"):
        _show(found, backup)
    if flags["dry_run"]:
        emit(common.output, found, lambda: None)
        say("dry run: nothing is written")
        return
    query = {"yes": "true"} if _sure(found, flags) else {}
    if flags["replace"] and integer(found["replaces"]):
        query["replace"] = str(_saved(client, file, integer(found["revision"])).revision)
    done = _carry_out(client.restore(content, query))
    emit(common.output, done, lambda: None)
    say(
        f"restored {counted(integer(done['entries']), 'key')} (revision {integer(done['revision'])}). Agents that "
        "knew the store do nothing until 'confctl resume', which shows first what they would do"
    )


def _read(file: str) -> bytes:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except (EOFError, gzip.BadGzipFile) as exc:
        raise Malformed(f"{_shown(file)} is cut or damaged: it cannot be unpacked; nothing of it is used") from exc
    except OSError as exc:
        raise Malformed(f"{_shown(file)} cannot be read: {exc.strerror}") from exc


def _parsed(content: bytes) -> Backup:
    return parse(content.splitlines(keepends=True))


def _show(found: Document, backup: Backup) -> None:
    rows = [[one["layer"], one["key"], one["action"]] for one in found["differences"]]
    table(["LAYER", "KEY", "WHAT"], rows)
    differ = integer(found["differ"])
    say(
        f"a backup of {cell(backup.head.at)}, revision {backup.head.revision} below {cell(backup.head.prefix)}: "
        f"{counted(len(backup.records), 'key')}, {counted(integer(found['settings']), 'setting')}, "
        f"of which {differ} become other" + (f" (the first {len(rows)} are shown)" if differ > len(rows) else "")
    )
    if found["unfinished"]:
        say("the store is what an earlier restore left unfinished; it is begun anew")
    elif integer(found["replaces"]):
        say(f"the store is not empty: {counted(integer(found['replaces']), 'key')} would go, with --replace")


def _sure(found: Document, flags: dict[str, Any]) -> bool:
    if integer(found["replaces"]) and not flags["replace"]:
        return bool(flags["yes"])  # it is refused, and nothing is to be asked
    question = f"Put {counted(integer(found['entries']), 'key')} into the store?"
    return bool(flags["yes"]) or (sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(question, err=True))


def _saved(client: Client, file: str, revision: int) -> Head:
    """What is there is saved before it goes."""
    path = Path(f"{'confd' if file == '-' else file}.replaced-{revision}.gz")
    head = _save(client, path)
    say(f"{_shown(str(path))}: what is there, at revision {head.revision}")
    return head


def _carry_out(steps: Iterator[Document]) -> Document:
    """The last step; how far it has come is told on the way."""
    last: Document = {}
    shown = 0
    for last in steps:
        written, total = integer(last["written"]), max(integer(last["of"]), 1)
        if sys.stderr.isatty():
            click.echo(f"\r{written} of {total}", nl=False, err=True)
        elif written * TOLD // total > shown:
            shown = written * TOLD // total
            say(f"{written} of {total}")
    if sys.stderr.isatty():
        click.echo("", err=True)
    if "revision" not in last:
        raise Unavailable("the server ended before the store was whole; run the restore again")
    return last


def _shown(file: str) -> str:
    return {"-": "stdout"}.get(file, cell(file))
