"""`confctl schema set|get|check|history|delete`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from confd.cli.files import read_text
from confd.cli.output import cell, emit, pretty, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import Writing, carry_out
from confd.client import Client, Document, Edit, Scope
from confd.errors import Invalid
from confd.jsontext import Value
from confd.keys import DEFAULT, parse_app
from confd.wording import counted

__all__ = ["schema_command"]

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


def _write_options(function: F) -> F:
    for option in (
        click.option("--force", is_flag=True, help="Also where settings that are there now are against it."),
        click.option("--yes", is_flag=True, help="Confirm a write that reaches further than usual."),
        click.option("--dry-run", is_flag=True, help="Store nothing; print what would fail, and the difference."),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history."),
    ):
        function = option(function)
    return function


def read_document(file: str) -> Value:
    """A JSON or YAML file. Raises `Malformed` with the file's name."""
    from confd.errors import Malformed
    from confd.formats.yamlreader import document
    from confd.jsontext import parse

    text = read_text(file)
    plain = text.lstrip().startswith("{") and Path(file).suffix not in (".yaml", ".yml")
    try:
        return parse(text) if plain else document(text)
    except Malformed as exc:
        raise Malformed(f"{file}: {exc.detail}") from exc


@click.group("schema")
def schema_command() -> None:
    """Read, try and store the schema of an app.

    A JSON Schema (2020-12) of all settings of the app as one object of keys. Every write is checked against it in
    each env that it reaches; it gives KEY=VALUE its type, and keys their defaults.

    \b
    Examples:
      confctl schema check web web.schema.json -e prod
      confctl schema set web web.schema.json -m "port is a number"
      confctl schema get web
    """


@schema_command.command("set")
@click.argument("app")
@click.argument("file", type=FILE)
@_write_options
@common_options
def set_schema(common: Common, app: str, file: str, **flags: Any) -> None:
    """Store the schema of APP from a JSON or YAML FILE ('-' is stdin), as its next version.

    All settings of any env that are against it are shown. It is refused where they were right before; with --force
    containers there keep what they have until the settings are right.

    \b
    Examples:
      confctl schema set web web.schema.yaml --dry-run
      confctl schema get web --version 3 | confctl schema set web - -m "back to 3"
    """
    schema = read_document(file)
    _write(common, app, flags, lambda client, edit: client.put_schema(app, schema, edit))


@schema_command.command("delete")
@click.argument("app")
@_write_options
@common_options
def delete_schema(common: Common, app: str, **flags: Any) -> None:
    """Take the schema of APP away, and its defaults; its versions can still be read.

    \b
    Example:
      confctl schema delete web -m "described elsewhere"
    """
    _write(common, app, flags, lambda client, edit: client.remove_schema(app, edit))


def _write(common: Common, app: str, flags: dict[str, Any], send: Callable[[Client, Edit], Document]) -> None:
    """Say what fails with the dry run that every write begins with, then store it."""
    told: list[Document] = []

    def sent(client: Client, edit: Edit) -> Document:
        done = send(client, edit)
        if not told:
            _say_faults(done["failing"])
        told.append(done)
        return done

    carry_out(common, Scope(parse_app(app), DEFAULT), Writing(wait=None, **flags), sent)
    last = told[-1]
    if not flags["dry_run"]:
        say(f"the schema of {app} has version {last['version']} now")
    elif str(last["fresh"]) != "0":
        say(f"it would be refused without --force: {counted(int(str(last['fresh'])), 'fault')} would be new")
        if not flags.get("force"):
            click.get_current_context().exit(Invalid.exit_code)


def _say_faults(faults: Sequence[Document]) -> None:
    for one in faults:
        say(cell(f"fails in {_where(one)}: {one['key'] or 'the settings'} (at {one['pointer']}): {one['allowed']}"))


def _where(fault: Document) -> str:
    env = "every env" if fault["env"] == DEFAULT else str(fault["env"])
    return env + (f" on {fault['host']}" if fault["host"] else "")


@schema_command.command("get")
@click.argument("app")
@click.option("--version", type=click.IntRange(min=1), metavar="N", help="An earlier version.")
@common_options
def get_schema(common: Common, app: str, version: int | None) -> None:
    """Print the schema of APP, as 'schema set' takes it.

    \b
    Example:
      confctl schema get web > web.schema.json
    """
    document = common.client().schema(parse_app(app), version)
    emit(common.output, document, lambda: click.echo(pretty(document["schema"])))
    versions = ", ".join(str(one) for one in document["versions"])
    say(f"version {document['version']} of: {versions}")
    if document["broken"]:
        say(f"it is none, so that containers keep what they have: {cell(document['broken'])}")


@schema_command.command("check")
@click.argument("app")
@click.argument("file", type=FILE, required=False)
@common_options
def check_schema(common: Common, app: str, file: str | None) -> None:
    """Show which settings of APP in the env are against the schema of a FILE, or the stored one; nothing is stored.

    Exits 65 when any are.

    \b
    Examples:
      confctl schema check web next-image.schema.json -e prod
      confctl schema check web -e prod
    """
    scope, schema = common.scope(app), read_document(file) if file is not None else None
    document = common.client().check_schema(scope, schema)
    faults = document["faults"]
    rows = [[_where(one), one["key"] or "-", one["pointer"] or "-", one["allowed"]] for one in faults]
    emit(common.output, document, lambda: table(["ENV", "KEY", "POINTER", "ALLOWED"], rows))
    for warning in document["warnings"]:
        say(f"warning: {cell(warning)}")
    what = file or f"the schema of {app} (version {document['version']})"
    where = f"{app} in {scope.env}"
    say(f"{where}: {counted(len(faults), 'fault')} by {what}" if faults else f"{where} is right by {what}")
    click.get_current_context().exit(Invalid.exit_code if faults else 0)


@schema_command.command("history")
@click.argument("app")
@common_options
def schema_history(common: Common, app: str) -> None:
    """List the versions of the schema of APP: who stored each, when and why.

    \b
    Example:
      confctl schema history web
    """
    scope = Scope(parse_app(app), DEFAULT)
    document = common.client().changes(scope)
    changes = [one for one in document["changes"] if one["kind"] == "schema"]
    rows = [[one["schemas"][app], one["number"], one["at"], one["author"], one["message"]] for one in changes]
    emit(
        common.output,
        {**document, "changes": changes},
        lambda: table(["VERSION", "CHANGE", "AT", "AUTHOR", "MESSAGE"], rows),
    )
    if not rows:
        say(f"{app} never had a schema")
