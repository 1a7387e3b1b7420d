"""`confctl outofband`: what was put straight into etcd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say
from confd.cli.scope import Common, common_options
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options, show_diff

__all__ = ["outofband_command"]


@click.command("outofband", cls=WaitCommand)
@click.argument("app")
@click.option("--adopt", is_flag=True, help="Vouch for them as they stand; they come into effect.")
@click.option("--undo", is_flag=True, help="Bring back what stood there before, as a new change.")
@settings_options
@common_options
def outofband_command(common: Common, app: str, adopt: bool, undo: bool, **flags: Any) -> None:
    """List, adopt or undo what was put straight into etcd for APP.

    The server records such edits as changes by out-of-band. Where the env applies them they are in effect, and
    'rollback' takes them back; where it holds them they wait here.

    \b
    Examples:
      confctl outofband web -e prod
      confctl outofband web -e prod --adopt -m "it was urgent" --wait
      confctl outofband web -e prod --undo
    """
    if adopt and undo:
        raise click.UsageError("Which one? Give --adopt or --undo.")
    scope = common.scope(app)
    if adopt or undo:
        do = "adopt" if adopt else "undo"
        carry_out(common, scope, Writing(**flags), lambda client, edit: client.settle_edits(scope, do, edit))
        return
    document = common.client().edits(scope)
    emit(common.output, document, lambda: show_diff(document["diff"]))
    _say(scope.env, document)


def _say(env: str, document: Mapping[str, Any]) -> None:
    if not document["diff"]:
        say(f"nothing of {cell(document['layer'])} was put there past the API, or it is recorded")
    elif document["out_of_band"] == "hold":
        say(f"env {env} holds them: --adopt brings them into effect, --undo takes them back")
    else:
        say(f"env {env} applies them; they are recorded as a change in a moment")
