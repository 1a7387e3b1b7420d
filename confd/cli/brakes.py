"""`confctl freeze` and `unfreeze`: the brake for everything, an env, an app or a host."""

from __future__ import annotations

from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.client import Brake, Document, integer
from confd.keys import DEFAULT, parse_app, parse_env, parse_host
from confd.wording import counted

__all__ = ["freeze_command", "unfreeze_command"]

EVERYTHING = click.option("--everything", is_flag=True, help="Every env.")


def _env(common: Common, app: str | None, everything: bool) -> str:
    """The env that is meant. Nothing is guessed: a brake on the wrong env is none."""
    if everything:
        if common.env not in (None, DEFAULT):
            raise click.UsageError("Which one? --everything is every env, and -e names one.")
        return DEFAULT
    env = common.find_env()
    if not env:
        raise click.UsageError("Which env? Give -e ENV, set CONFD_ENV, or --everything for every env.")
    return parse_env(env)


def _brake(common: Common, app: str | None, message: str) -> Brake:
    host = parse_host(common.host) if common.host else None
    return Brake(parse_app(app) if app else None, host, message)


def _what(env: str, brake: Brake) -> str:
    what = brake.app or ("every app" if not brake.host else "everything")
    return f"{what} in {'every env' if env == DEFAULT else f'env {env}'}" + (
        f" on host {brake.host}" if brake.host else ""
    )


@click.command("freeze")
@click.argument("app", required=False)
@click.option("-m", "--message", default="", metavar="WHY", help="Why; whoever finds it frozen is told.")
@click.option("--list", "listing", is_flag=True, help="Only list the brakes that are on.")
@EVERYTHING
@common_options
def freeze_command(common: Common, app: str | None, message: str, listing: bool, everything: bool) -> None:
    """Stop all actions on APP, an env, a host, or everything.

    Each agent stops before its next step, and looks and tells as before. A file 'freeze' in an agent's data folder
    does the same on its host, without server and etcd.

    \b
    Examples:
      confctl freeze web -e prod -m "the database is being moved"
      confctl freeze -e prod -m "night shift"         # every app in prod
      confctl freeze --host h7 -e prod -m "its disk is full"
      confctl freeze --everything -m "what is going on?"
      confctl freeze --list
    """
    if listing:
        _list(common)
        return
    if not message.strip():
        raise click.UsageError("Why? Give -m WHY; whoever finds it frozen has to know.")
    env, brake = _env(common, app, everything), _brake(common, app, message)
    document = common.client().freeze(env, brake)
    emit(common.output, document, lambda: None)
    say(f"{_what(env, brake)}: frozen, {_reached(document)}; 'confctl unfreeze' takes the brake off")


def _reached(document: Document) -> str:
    reaches = document["reaches"]
    containers, hosts = integer(reaches["containers"]), integer(reaches["hosts"])
    if not containers:
        return "no container that an agent has told of stands under it"
    return f"{counted(containers, 'container')} on {counted(hosts, 'host')}: kept as they are"


def _list(common: Common) -> None:
    document = common.client().brakes()
    rows = [
        [_word(b, "env"), b["app"] or "*", b["host"] or "*", b["author"], b["at"], b["message"]]
        for b in document["brakes"]
    ]
    emit(common.output, document, lambda: table(["ENV", "APP", "HOST", "BY", "SINCE", "WHY"], rows))
    hosts = document.get("hosts") or ()
    for one in hosts if common.output in (None, "table") else ():
        click.echo(f"{cell(one['host'])}: {cell(one['why'])}")
    if not rows and not hosts:
        say("no brake is on")


def _word(brake: Document, name: str) -> str:
    return "*" if brake[name] == DEFAULT else cell(brake[name])


@click.command("unfreeze")
@click.argument("app", required=False)
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history.")
@click.option("--dry-run", is_flag=True, help="Leave it on; print what would be done.")
@click.option("--yes", is_flag=True, help="Confirm that more than one app or ten containers are set off.")
@EVERYTHING
@common_options
def unfreeze_command(common: Common, app: str | None, **flags: Any) -> None:
    """Take the brake off APP, an env, a host, or everything.

    It takes off just the brake that 'freeze' with the same words has put on. What was held is done then.

    \b
    Examples:
      confctl unfreeze web -e prod --dry-run
      confctl unfreeze --everything --yes
    """
    env, brake = _env(common, app, flags["everything"]), _brake(common, app, flags["message"])
    document = common.client().unfreeze(env, brake, dry_run=flags["dry_run"], yes=flags["yes"])
    rows = [
        [one["name"], one["host"], f"{one['app']}@{one['env']}", ", ".join(one["actions"])]
        for one in document["sets_off"]
    ]
    emit(common.output, document, lambda: table(["CONTAINER", "HOST", "APP", "TO DO"], rows) if rows else None)
    state = "dry run, the brake stays on" if flags["dry_run"] else "no longer frozen"
    say(f"{_what(env, brake)}: {state}; something is to be done to {counted(len(rows), 'container')}")
    for left in document["brakes"]:
        say(f"still on: {cell(left['what'])}")
