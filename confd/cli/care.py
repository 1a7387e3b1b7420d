"""`confctl adopt` and `resume`: what nothing is done about until somebody has looked and said so."""

from __future__ import annotations

import sys
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import show_plan
from confd.client import Document, Edit, integer
from confd.wording import counted

__all__ = ["adopt_command", "resume_command"]


def _sure(question: str, flags: dict[str, Any]) -> bool:
    """Whether it is confirmed: by the flag, or on a terminal by a word."""
    return bool(flags["yes"]) or (sys.stdin.isatty() and sys.stderr.isatty() and click.confirm(question, err=True))


def _acting(document: Document) -> list[Document]:
    """The containers to which something would be done."""
    return [one for one in document["containers"] if any(not step["blocked"] for step in one["steps"])]


@click.command("adopt")
@click.argument("app")
@click.option("--container", metavar="NAME", help="One alone, by its name or the beginning of its id.")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history.")
@click.option("--dry-run", is_flag=True, help="Adopt nothing; print what differs and what would be done.")
@click.option("--yes", is_flag=True, help="Confirm that what differs is brought in.")
@common_options
def adopt_command(common: Common, app: str, container: str | None, **flags: Any) -> None:
    """Let settings into containers of APP that ran before their host was watched.

    Prints what differs and what will be done to which. Nothing is done to such a container until it is adopted; one
    that has all its settings already is adopted without being touched. It also ends what is 'contested'.

    \b
    Examples:
      confctl adopt web -e prod --dry-run
      confctl adopt web -e prod --host h1 --yes
    """
    client, scope = common.client(), common.scope(app)
    document = client.adopt(scope, Edit(dry_run=True), container)
    waiting, acting = document["containers"], _acting(document)
    show = common.output in (None, "table") and waiting
    if show:
        show_plan(document)
    where = f"{scope.app} in env {scope.env}" + (f" on host {scope.host}" if scope.host else "")
    if not flags["dry_run"] and waiting:
        sure = not acting or _sure(f"Do this to {len(acting)} of {counted(len(waiting), 'container')}?", flags)
        document = client.adopt(scope, Edit(message=flags["message"], yes=sure), container)
    emit(common.output, document, lambda: None)
    if not waiting:
        say(f"{where}: no container waits to be adopted")
    elif flags["dry_run"]:
        said = f"{len(acting)} of {counted(len(waiting), 'container')}"
        say(f"{where}: dry run, nothing is adopted; adopting does something to {said}")
    else:
        count, number = counted(len(waiting), "container"), integer(document["change"])
        say(f"{where}: adopted {count}, of which {len(acting)} differed (change {number})")


@click.command("resume")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it is kept beside the store's other words.")
@click.option("--dry-run", is_flag=True, help="Leave all as it is; print who doubts what, and what would be done.")
@click.option("--restore", is_flag=True, help="Set again what has gone from apps, as far as their records know it.")
@click.option("--yes", is_flag=True, help="Confirm what is printed.")
@common_options
def resume_command(common: Common, **flags: Any) -> None:
    """Let agents go on that doubt the store.

    An agent does nothing any more when the store is another than before, older (as after a backup was restored), or
    when much of an app's settings has gone without a change. Look at what would be done; if it is wrong, put the
    settings back first, or let --restore do so.

    \b
    Examples:
      confctl resume --dry-run
      confctl resume --restore --yes
      confctl resume --yes -m "restored the backup of 10:00"
    """
    client = common.client()
    document = client.resume(Edit(dry_run=True), restore=flags["restore"])
    acting = _acting(document)
    reached = counted(len(acting), "container")
    if common.output in (None, "table"):
        table(
            ["HOST", "WHAT", "SINCE", "WHY"],
            [[d["host"], _what(d), cell(d["since"]), d["why"]] for d in document["doubts"]],
        )
        for one in document["lost"]:
            click.echo(f"gone from layer {one['layer']} without a change: {', '.join(one['keys'])}")
        click.echo()
        show_plan(document)
    if flags["dry_run"]:
        emit(common.output, document, lambda: None)
        say(f"dry run: the agents go on doing nothing; something is to be done to {reached}")
        return
    sure = _sure(f"Go on, and do this to {reached}?", flags)
    document = client.resume(Edit(message=flags["message"], yes=sure), restore=flags["restore"])
    emit(common.output, document, lambda: None)
    say(f"resumed (revision {integer(document['revision'])}); something is to be done to {reached}")


def _what(doubt: Document) -> str:
    return f"{doubt['app']}@{doubt['env']}" if doubt["app"] else "the store"
