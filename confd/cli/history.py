"""`confctl history`, `show`, `diff` and `rollback`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options, show_diff
from confd.client import Client, Document, Scope

__all__ = ["diff_command", "history_command", "rollback_command", "show_command"]


@click.command("history")
@click.argument("app")
@common_options
def history_command(common: Common, app: str) -> None:
    """List the changes that reach APP, of all layers, newest first.

    \b
    Example:
      confctl history web -e dev
    """
    document = common.client().changes(common.scope(app))
    changes = document.get("changes", [])
    rows = [
        [c.get("number"), c.get("layer"), c.get("at"), c.get("author"), c.get("kind"), c.get("message") or ""]
        for c in changes
    ]
    emit(common.output, document, lambda: table(["CHANGE", "LAYER", "AT", "AUTHOR", "KIND", "MESSAGE"], rows))
    if not changes:
        say("no changes yet")


@click.command("show")
@click.argument("app")
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@common_options
def show_command(common: Common, app: str, number: int) -> None:
    """Show change N of APP.

    Who, when, why, and every key before and after.

    \b
    Example:
      confctl show web 3 -e dev
    """
    document = common.client().shown_change(common.scope(app), number)
    emit(common.output, document, lambda: _show(number, document))


def _show(number: int, change: Mapping[str, Any]) -> None:
    click.echo(f"change {number} by {cell(change.get('author'))} at {cell(change.get('at'))}")
    for name in ("layer", "kind", "message", "note"):
        if change.get(name):
            click.echo(f"{name}: {cell(change[name])}")
    versions = ", ".join(f"{app} {version}" for app, version in sorted((change.get("schemas") or {}).items()))
    if versions:
        click.echo(f"schema: {cell(versions)}")
    show_diff(
        change["diff"] if "diff" in change else _compare(change.get("before") or {}, change.get("after") or {})
    )


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Document]:
    entries: list[Document] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new:
            action = "add" if old is None else "remove" if new is None else "change"
            entries.append({"key": key, "before": old, "after": new, "action": action})
    return entries


@click.command("diff")
@click.argument("app")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--from", "from_env", metavar="ENV", help="The env to compare with.")
@click.option("--to", "to_env", metavar="ENV", help="The env that is compared; without it -e.")
@click.option("--change", type=click.IntRange(min=0), metavar="N", help="Compare with the state after change N.")
@common_options
def diff_command(common: Common, app: str, file: str | None, **against: Any) -> None:
    """Compare APP with another env, a change or a FILE.

    Exits 1 when they differ.

    \b
    Examples:
      confctl diff web --from qa --to prod
      confctl diff web --change 12 -e prod
      confctl diff web prod.env -e prod
    """
    from_env, to_env, change = against["from_env"], against["to_env"], against["change"]
    if [file is not None, from_env is not None, change is not None].count(True) != 1:
        raise click.UsageError("Compare with what? Give one of --from ENV, --change N or a FILE.")
    client, scope = common.client(), Common(env=to_env).over(common).scope(app)
    if file is not None:
        document = _against_file(client, scope, file)
    else:
        document = client.diff(scope, f"change:{change}" if from_env is None else f"env:{from_env}")
    difference = document.get("diff", [])
    emit(common.output, document, lambda: show_diff(difference))
    if difference:
        click.get_current_context().exit(1)
    say("no differences")


def _against_file(client: Client, scope: Scope, file: str) -> Document:
    from confd.cli.files import TYPED, guessed, read_settings
    from confd.jsontext import dump

    own = {key: s["value"] for key, s in client.settings(scope, own=True)["settings"].items()}
    wanted = dict(read_settings(file, None, None))
    for key in wanted.keys() & own.keys() if guessed(file) not in TYPED else ():
        if not isinstance(own[key], str) and dump(own[key]) == wanted[key]:  # a text there, which the schema types
            wanted[key] = own[key]
    return {"diff": _compare(own, wanted)}


@click.command("rollback", cls=WaitCommand)
@click.argument("app")
@click.option("--to", type=click.IntRange(min=0), metavar="N", help="The change to go back to.")
@settings_options
@common_options
def rollback_command(common: Common, app: str, to: int | None, **flags: Any) -> None:
    """Bring back an earlier state of APP.

    The state after change N, or the previous good one; it becomes a new change.

    \b
    Examples:
      confctl rollback web -e dev --wait
      confctl rollback web --to 3 -e dev --dry-run
    """
    writing, scope = Writing(**flags), common.scope(app)
    carry_out(common, scope, writing, lambda client, edit: client.rollback(scope, to, edit))
