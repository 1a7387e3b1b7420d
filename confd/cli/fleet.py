"""`confctl hosts`, `why` and `upgrade`: the hosts, what was done to a container, and the store's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import show_plan
from confd.client import Document, Edit, integer
from confd.keys import parse_host
from confd.wording import counted

__all__ = ["hosts_command", "upgrade_command", "why_command"]


@click.group("hosts", invoke_without_command=True)
@common_options
@click.pass_context
def hosts_command(context: click.Context, common: Common) -> None:
    """List the Docker hosts, alive or lost.

    \b
    Examples:
      confctl hosts
      confctl hosts forget h7 --dry-run
    """
    if context.invoked_subcommand is not None:
        return
    document = common.client().hosts()
    hosts = document.get("hosts", [])
    emit(
        common.output,
        document,
        lambda: table(
            ["HOST", "STATE", "ENV", "ENGINE", "CONTAINERS"],
            [
                [h["host"], _life(h), h.get("env"), h.get("engine_version"), _count(h.get("containers"))]
                for h in hosts
            ],
        ),
    )
    for host in hosts if common.output in (None, "table") else ():
        _show_troubles(host)
    if not hosts:
        say("no host has an agent yet; start one with 'confd-agent --env ENV'")


def _show_troubles(host: Mapping[str, Any]) -> None:
    """What stands still there, and what needs somebody's word."""
    for why in filter(None, (host.get("held"), *(host.get("brakes") or ()))):
        click.echo(f"{host['host']}: {cell(why)}")
    for doubt in host.get("doubts") or ():
        of = f"{doubt['app']}@{doubt['env']}: " if doubt.get("app") else ""
        click.echo(
            f"{host['host']}: {cell(of + str(doubt['why']))}; nothing is done, see 'confctl resume --dry-run'"
        )
    for one in host.get("conflicts") or ():
        click.echo(f"{host['host']}: {cell(one['name'])} in {cell(one['env'])} gets nothing: {cell(one['why'])}")


def _life(host: Mapping[str, Any]) -> str:
    if not host.get("alive"):
        return f"lost since {cell(host.get('lost_since'))}"
    away = host.get("engine_away_since")
    return f"alive, no engine since {cell(away)}" if away else "alive"


def _count(containers: Any) -> str:
    return str(len(containers)) if isinstance(containers, (list, tuple)) else cell(containers)


@hosts_command.command("forget")
@click.argument("name", metavar="HOST")
@click.option("--dry-run", is_flag=True, help="Forget nothing; print what would be forgotten.")
@click.option("--yes", is_flag=True, help="Confirm it.")
@common_options
def forget_command(common: Common, name: str, **flags: Any) -> None:
    """Forget a lost HOST that will not come back.

    Nobody waits for its containers any more then. What is set for the host stays set.

    \b
    Example:
      confctl hosts forget h7 --yes
    """
    document = common.client().forget_host(parse_host(name), Edit(**flags))
    gone = document["containers"]
    emit(common.output, document, lambda: table(["CONTAINER"], [[one] for one in gone]))
    word = "dry run, nothing is forgotten" if flags["dry_run"] else "forgotten"
    say(f"{name}: {word}; lost since {cell(document['lost_since'])}, {counted(len(gone), 'container')}")


@click.command("upgrade")
@click.option("--dry-run", is_flag=True, help="Raise nothing; print the format and whose agent is behind.")
@click.option("--yes", is_flag=True, help="Confirm it.")
@common_options
def upgrade_command(common: Common, **flags: Any) -> None:
    """Raise the store's format, once every agent is of this release.

    A release serves its newest format and the one before, so that servers and agents can be replaced one by one.
    What only the newest format has is refused until then.

    \b
    Example:
      confctl upgrade --dry-run
    """
    client = common.client()
    found = client.upgrade(Edit(dry_run=True))
    behind = found["behind"]
    done = found if flags["dry_run"] or found["format"] == found["newest"] else client.upgrade(Edit(**flags))
    rows = [[one["host"], cell(one["agent_version"]), cell(one["lost_since"])] for one in behind]
    emit(common.output, done, lambda: table(["BEHIND", "RELEASE", "LOST SINCE"], rows) if rows else None)
    before, now = integer(found["format"]), integer(done["format"])
    if before == integer(found["newest"]):
        say(f"the store has format {now}, the newest of the server; nothing to do")
    elif flags["dry_run"]:
        say(
            f"dry run: the store keeps format {now}; it can go to {integer(found['newest'])}"
            if not behind
            else f"dry run: the store keeps format {now}; {len(behind)} agents are behind"
        )
    else:
        say(f"the store went from format {before} to {now}")


@click.command("why")
@click.argument("container")
@common_options
def why_command(common: Common, container: str) -> None:
    """Say what was done to CONTAINER, when, and for which change.

    CONTAINER is a name or the beginning of an id, also of one that was replaced. The newest comes first: the change
    with its author and message, the step with its time and result, and what the container said last that was
    replaced or failed; its host keeps more of that in the file that is named.

    \b
    Examples:
      confctl why web-1
      confctl why 3f2a9c --host h7
    """
    if not container:
        raise click.UsageError("Which container? Give its name or the beginning of its id.")
    document = common.client().why(container, common.host, common.find_env())
    emit(common.output, document, lambda: _show_why(document))


def _show_why(document: Document) -> None:
    name, host, state = (cell(document.get(one)) for one in ("name", "host", "state"))
    lost = "" if document.get("alive") else ", and its host is lost"
    click.echo(f"{name} on {host} is {state}{lost}")
    click.echo(f"  app {cell(document['app'])}, env {cell(document['env'])}, id {cell(document['container'])[:12]}")
    if document.get("detail"):
        click.echo(f"  {cell(document['detail'])}")
    if document.get("steps"):
        show_plan({"containers": [document]})
    if not document["outcomes"]:
        click.echo("  nothing was done to it yet")
    for outcome in document["outcomes"]:
        _show_outcome(outcome)


def _show_outcome(outcome: Document) -> None:
    replaced = f", replaced {cell(outcome['replaced'])[:12]}" if outcome.get("replaced") else ""
    head = f"{cell(outcome['at'])}  {cell(outcome['action'])} {cell(outcome['result'])} in {outcome['took_s']} s"
    click.echo(f"\n{head}{replaced}")
    if outcome.get("detail"):
        click.echo(f"  {cell(outcome['detail'])}")
    for reason in outcome["reasons"]:
        click.echo(f"  {cell(reason['key'])}: {cell(reason['why'])}")
    if integer(outcome.get("more")):
        click.echo(f"  and {integer(outcome['more'])} more")
    for change in outcome["changes"]:
        message = f": {cell(change['message'])}" if change.get("message") else ""
        click.echo(
            f"  change {integer(change['number'])} of {cell(change['layer'])} by {cell(change['author'])}{message}"
        )
    lines = str(outcome.get("log") or "").splitlines()
    if lines:
        click.echo("  its last words:")
    for line in lines:
        click.echo(f"    {cell(line)}")
    if outcome.get("log_file"):
        click.echo(f"  more of that: {cell(outcome['log_file'])} on its host")
