"""`confctl binding set|get|check`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from confd.cli.files import read_text
from confd.cli.output import cell, emit, pretty, say
from confd.cli.scope import Common, common_options
from confd.cli.writing import WaitCommand, Writing, carry_out, write_options
from confd.keys import App, Env
from confd.wording import counted

__all__ = ["binding_command"]


@click.group("binding")
def binding_command() -> None:
    """Read, check and store the binding of an app.

    A binding says which containers settings reach, how they are rendered, and what a change does to them.

    \b
    Examples:
      confctl binding get web -e dev
      confctl binding check web web.binding.json -e dev
      confctl binding set web web.binding.json -e dev
    """


@binding_command.command("set", cls=WaitCommand)
@click.argument("app")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@write_options
@common_options
def set_binding(common: Common, app: str, file: str, **flags: Any) -> None:
    """Store the binding of APP from a JSON FILE ('-' is stdin).

    \b
    Examples:
      confctl binding set web web.binding.json -e dev --dry-run
      echo '{"on_change": [{"keys": "**", "action": "restart", "escalate": true}]}' | \\
        confctl binding set web - -e dev --wait
    """
    from confd.jsontext import parse

    writing, scope, binding = Writing(**flags), common.scope(app), parse(read_text(file))
    carry_out(common, scope, writing, lambda client, edit: client.put_binding(scope, binding, edit))


@binding_command.command("get")
@click.argument("app")
@common_options
def get_binding(common: Common, app: str) -> None:
    """Print the binding of APP, as 'binding set' takes it.

    With -o json or yaml also whose it is.

    \b
    Example:
      confctl binding get web -e dev > web.binding.json
    """
    document = common.client().binding(common.scope(app))
    emit(common.output, document, lambda: click.echo(pretty(document["binding"])))
    say(f"from {document['from']}")


@binding_command.command("check")
@click.argument("app")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--offline", is_flag=True, help="Without a server: look at the document alone.")
@common_options
def check_binding(common: Common, app: str, file: str, offline: bool) -> None:
    """Check a binding's JSON FILE, and show the files that it gives with the present settings; nothing is stored.

    A file that the stored binding gives as well is shown by what differs. Secrets are masked.

    \b
    Examples:
      confctl binding check web web.binding.json -e dev
      confctl binding check web web.binding.json -e dev --offline
    """
    from confd.binding import parse_binding
    from confd.jsontext import parse

    scope, binding = common.scope(app), parse(read_text(file))
    parse_binding(binding, (Env(scope.env), App(scope.app)))
    if not offline:
        document = common.client().check_binding(scope, binding)
        emit(common.output, document, lambda: _show(document["files"]))
        for problem in document["problems"]:
            say(f"left out: {problem}")
    say(f"{file}: a right binding")


def _show(files: Sequence[Mapping[str, Any]]) -> None:
    for file in files:
        of = counted(int(str(file["containers"])), "container")
        say(f"{file['path']} (mode {file['mode']}): {file['written']} of {of} with it as it would be")
        for line in _lines(file):
            click.echo(cell(line))


def _lines(file: Mapping[str, Any]) -> Iterable[str]:
    """All lines of a new file; of another one those that differ."""
    import difflib

    now = str(file["content"]).splitlines()
    if file["before"] is None:
        return now
    return difflib.unified_diff(str(file["before"]).splitlines(), now, "stored", "checked", lineterm="")
