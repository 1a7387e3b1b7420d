"""`confctl propose`, `proposals`, `approve`, `reject` and `rebase`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.settings import assigned
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options, show_diff, show_plan
from confd.client import Document, Edit, integer
from confd.wording import counted

__all__ = ["approve_command", "proposals_command", "propose_command", "rebase_command", "reject_command"]


@click.command("propose", cls=WaitCommand)
@click.argument("app")
@click.argument("settings", nargs=-1, metavar="KEY=VALUE ...")
@click.option("--unset", multiple=True, metavar="KEY", help="A key that is to go.")
@click.option("--json", "as_json", is_flag=True, help="The values are JSON: numbers, true, null, lists, objects.")
@settings_options
@common_options
def propose_command(common: Common, app: str, settings: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Propose a change of APP, for somebody else to approve.

    It is checked at once, as if it were made, and stored when it is approved. In an env that asks for approval,
    every write becomes a proposal by itself.

    \b
    Examples:
      confctl propose web LOG_LEVEL=debug -e prod -m "find the leak"
      confctl propose web --unset LOG_LEVEL -e prod
    """
    from confd.keys import parse_key

    unset = [parse_key(key) for key in flags.pop("unset")]
    if not settings and not unset:
        raise click.UsageError("Propose what? Give KEY=VALUE, or --unset KEY.")
    writing, scope, values = Writing(**flags), common.scope(app), assigned(settings, as_json)
    carry_out(common, scope, writing, lambda client, edit: client.propose(scope, edit), set=values, unset=unset)


@click.command("proposals")
@click.argument("app")
@click.argument("proposal_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Also those that are decided, for 30 days.")
@common_options
def proposals_command(common: Common, app: str, proposal_id: str | None, everything: bool) -> None:
    """List what waits for approval, of all layers that reach APP, or show one proposal.

    The one of ID with its difference, with the plan as it would be now, and with what its checks say now.

    \b
    Examples:
      confctl proposals web -e prod
      confctl proposals web 1f2e3d4c -e prod
    """
    client, scope = common.client(), common.scope(app)
    if proposal_id is not None:
        document = client.proposal(scope, proposal_id)
        emit(common.output, document, lambda: _show(document))
        return
    document = client.proposals(scope, decided=everything)
    rows = [_row(one) for one in document["proposals"]]
    emit(common.output, document, lambda: table(["ID", "LAYER", "KIND", "BY", "AGE", "STATE", "MESSAGE"], rows))
    if not rows:
        say(f"nothing waits for approval that reaches {app} in env {scope.env}")


def _row(one: Document) -> list[Any]:
    layer, by = one["layer"], _by(one)
    return [one["id"], layer, one["kind"], by, _age(one["at"]), _state(one), one["message"]]


def _by(one: Document) -> str:
    """The token's name, and beside it what its client calls its user."""
    author, token = cell(one["author"]), cell(one["by"])
    return token if author == token else f"{token} ({author})"


def _state(one: Document) -> str:
    if one["state"] != "open":
        return f"{cell(one['state'])} by {_by(one['closed'])}"
    outdated = f", outdated: {', '.join(map(cell, one['outdated']))}" if one["outdated"] else ""
    return f"lacks {counted(integer(one['lacks']), 'approval')}{outdated}"


def _age(at: str) -> str:
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _show(one: Document) -> None:
    click.echo(f"proposal {cell(one['id'])} by {_by(one)} at {cell(one['at'])}, expires {cell(one['expires'])}")
    for name in ("layer", "kind", "message", "note"):
        if one.get(name):
            click.echo(f"{name}: {cell(one[name])}")
    change = f" (change {integer(one['change'])})" if one.get("change") else ""
    click.echo(f"state: {_state(one)}{change}")
    for vote in one["approvals"]:
        click.echo(f"approved: by {_by(vote)} at {cell(vote['at'])}")
    if one.get("approvers"):
        click.echo(f"approvers: {', '.join(map(cell, one['approvers']))}")
    show_diff(one["diff"])
    _show_effect(one)


def _show_effect(one: Document) -> None:
    """What an open proposal would do now."""
    if one.get("problem"):
        click.echo(f"as it is now it is refused: {cell(one['problem'])}")
    elif one["state"] == "open":
        for warning in one.get("warnings") or ():
            say(f"warning: {cell(warning)}")
        if one.get("plan"):
            show_plan(one["plan"])


@click.command("approve", cls=WaitCommand)
@click.argument("app")
@click.argument("proposal_id", metavar="ID")
@settings_options
@common_options
def approve_command(common: Common, app: str, proposal_id: str, **flags: Any) -> None:
    """Approve the proposal ID of somebody else.

    With the last approval that it lacks it is checked anew, and stored as a change of its proposer. Where a key
    that it touches was changed since, it is not.

    \b
    Examples:
      confctl approve web 1f2e3d4c -e prod --dry-run
      confctl approve web 1f2e3d4c -e prod --wait
    """
    scope, writing = common.scope(app), Writing(**flags)
    carry_out(common, scope, writing, lambda client, edit: client.approve(scope, proposal_id, edit))


@click.command("reject")
@click.argument("app")
@click.argument("proposal_id", metavar="ID")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands with the proposal.")
@common_options
def reject_command(common: Common, app: str, proposal_id: str, message: str) -> None:
    """Turn the proposal ID down, or take one's own back.

    \b
    Example:
      confctl reject web 1f2e3d4c -e prod -m "not before the weekend"
    """
    document = common.client().reject(common.scope(app), proposal_id, Edit(message=message))
    emit(common.output, document, lambda: None)
    say(f"proposal {proposal_id}: rejected, nothing was changed")


@click.command("rebase")
@click.argument("app")
@click.argument("proposal_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Store nothing; print the difference.")
@common_options
def rebase_command(common: Common, app: str, proposal_id: str, dry_run: bool) -> None:
    """Put one's own proposal ID on what is there now.

    The values that it asks for stay, compared with those there are now. Who approved it before has to do so again.

    \b
    Example:
      confctl rebase web 1f2e3d4c -e prod
    """
    document = common.client().rebase(common.scope(app), proposal_id, Edit(dry_run=dry_run))
    emit(common.output, document, lambda: show_diff(document["diff"]))
    say(f"proposal {proposal_id}: " + ("dry run, nothing is stored" if dry_run else "compared anew"))
