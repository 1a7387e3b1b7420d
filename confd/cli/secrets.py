"""`confctl rotate` and `audit`: the keys of secrets, and who was shown them."""

from __future__ import annotations

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.client import Client, Document, integer
from confd.errors import Conflict
from confd.wording import counted

__all__ = ["audit_command", "rotate_command"]

PASSES = 3


@click.command("rotate")
@click.option("--reencrypt", is_flag=True, help="Make new data keys, and seal every secret with them, history too.")
@common_options
def rotate_command(common: Common, reencrypt: bool) -> None:
    """Change the keys under which secrets stand in the store.

    Puts the data keys under the first master key of the server's key file. Nothing else changes: no change is
    recorded, no container is touched. What was cut off goes on when it is started again.

    \b
    Examples:
      confctl rotate                # after a new master key was put first
      confctl rotate --reencrypt    # after a data key may have been seen
    """
    client = common.client()
    if reencrypt:
        _reencrypt(client, common)
        return
    document = client.rotate()
    emit(common.output, document, lambda: None)
    keys, envs = counted(integer(document["rewrapped"]), "data key"), ", ".join(document["envs"])
    say(f"{keys} put under the first master key (envs: {envs})")


def _reencrypt(client: Client, common: Common) -> None:
    rewritten, passes, after = 0, 0, ""
    while True:
        document = client.reencrypt(after)
        rewritten += integer(document["rewritten"])
        say(f"{integer(document['done'])} of {integer(document['total'])} settings and records gone through")
        following = document["next"]
        if following is None:
            break
        passes += not following
        if passes >= PASSES:
            raise Conflict(f"{rewritten} are sealed anew, and others still change; start it again")
        after = str(following)
    emit(common.output, {**document, "rewritten": rewritten}, lambda: None)
    _say_done(document, rewritten)


def _say_done(document: Document, rewritten: int) -> None:
    dropped = counted(integer(document["dropped"]), "old data key")
    say(f"{rewritten} of them sealed anew, {dropped} dropped (envs: {', '.join(document['envs'])})")
    for name in document["kept"]:
        say(f"an old key stays, since this needs it: {cell(name)}")


@click.command("audit")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="So many, the newest.")
@common_options
def audit_command(common: Common, limit: int) -> None:
    """List who was shown which secrets, and who changed their keys.

    \b
    Example:
      confctl audit --limit 20
    """
    document = common.client().audit(limit)
    acts = document["acts"]
    rows = [[a.get("at"), _who(a), a.get("what"), _where(a), ", ".join(a.get("keys") or ())] for a in acts]
    emit(common.output, document, lambda: table(["AT", "WHO", "WHAT", "WHERE", "KEYS"], rows))
    if not acts:
        say("no secret was shown yet, and no key changed")


def _who(act: Document) -> str:
    said = act.get("said")
    return cell(act.get("who")) + (f" (as {cell(said)})" if said else "")


def _where(act: Document) -> str:
    if "app" not in act:
        return ", ".join(map(cell, act.get("envs") or ()))
    return f"{cell(act.get('app'))}@{cell(act.get('env'))}" + (
        f" on {cell(act['host'])}" if act.get("host") else ""
    )
