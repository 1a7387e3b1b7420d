"""`confctl history`, `show` and `rollback`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options, show_diff
from confd.client import integer

__all__ = ["history_command", "rollback_command", "show_command"]


@click.command("history")
@click.argument("app")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@click.option(
    "--before", type=click.IntRange(min=1), metavar="REVISION", help="Only those of before this revision."
)
@click.option("--all", "everything", is_flag=True, help="All of them, however many.")
@click.option("--key", metavar="PATTERN", help="Only changes of these keys: * within a segment, ** across.")
@click.option("--author", metavar="NAME", help="Only changes by this author; out-of-band: edits in etcd itself.")
@click.option(
    "--kind", metavar="KIND", help="Only changes of settings, binding, schema, freeze, policy, adoption or rules."
)
@common_options
def history_command(common: Common, app: str, everything: bool, **given: Any) -> None:
    """List the changes that reach APP, of all layers, newest first.

    \b
    Examples:
      confctl history web -e dev
      confctl history web -e dev --key 'db/**' --author anna --all
      confctl history _default -e dev
    """
    client, scope = common.client(), common.scope(app)
    query = {name: str(value) for name, value in given.items() if value is not None}
    document = dict(client.changes(scope, query))
    while everything and document.get("before"):
        page = client.changes(scope, query | {"before": str(integer(document["before"]))})
        document |= {"changes": [*document["changes"], *page["changes"]], "before": page.get("before")}
    changes = document.get("changes", [])
    rows = [
        [c.get("number"), c.get("layer"), c.get("at"), c.get("author"), c.get("kind"), c.get("message") or ""]
        for c in changes
    ]
    emit(common.output, document, lambda: table(["CHANGE", "LAYER", "AT", "AUTHOR", "KIND", "MESSAGE"], rows))
    if not changes:
        say("no such changes" if query.keys() - {"limit"} else "no changes yet")
    _say_rest(document)


def _say_rest(document: Mapping[str, Any]) -> None:
    """What the list does not have."""
    if document.get("before"):
        say(f"there are older ones: --before {integer(document['before'])}, or --all")
    for layer, first in (document.get("pruned") or {}).items():
        say(f"older records of {cell(layer)} were pruned; from change {integer(first)} on all are there")
    for edits in document.get("edits") or ():
        keys = ", ".join(map(cell, edits["keys"]))
        say(f"put straight into etcd, and no change yet: {keys} of {cell(edits['layer'])} (confctl outofband)")


@click.command("show")
@click.argument("app")
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@common_options
def show_command(common: Common, app: str, number: int) -> None:
    """Show change N of APP.

    Who, when, why, and every key before and after.

    \b
    Examples:
      confctl show web 3 -e dev
      confctl show web 1 -e dev --host h1      # of the layer of one host
      confctl show _default 3 -e dev           # of the layer of all apps
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
    show_diff(change.get("diff") or ())


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
