"""`confctl diff`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from confd.cli.files import NAMES
from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import show_diff
from confd.client import Client, Document, Scope, integer
from confd.wording import counted

__all__ = ["diff_command"]

_CHANGES = re.compile(r"(\d+)(?:\.\.(\d+))?")


def _changes(_ctx: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int | None] | None:
    """`12`, or `12..15`."""
    if text is None:
        return None
    match = _CHANGES.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is neither a number nor two like 12..15")
    return int(match[1]), int(match[2]) if match[2] else None


@dataclass(frozen=True, slots=True)
class _Against:
    """What is compared with what."""

    file: str | None
    from_env: str | None
    change: tuple[int, int | None] | None
    live: bool
    format_name: str | None

    @property
    def count(self) -> int:
        given = (self.file is not None, self.from_env is not None, self.change is not None, self.live)
        return given.count(True)


@click.command("diff")
@click.argument("app", required=False)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--from", "from_env", metavar="ENV", help="The env to compare with.")
@click.option("--to", "to_env", metavar="ENV", help="The env that is compared; without it -e.")
@click.option(
    "--change", callback=_changes, metavar="N[..M]", help="Compare with the state after change N, or N with M."
)
@click.option("--live", is_flag=True, help="Compare what containers run with, with what is set.")
@click.option("--format", "format_name", type=click.Choice(NAMES), help="Of FILE; else by its name.")
@click.option("--all", "everything", is_flag=True, help="All apps of either env; with --from or --live.")
@common_options
def diff_command(common: Common, app: str | None, to_env: str | None, everything: bool, **given: Any) -> None:
    """Compare APP with another env, a change, a FILE, or what runs.

    Exits 1 when they differ. Agents tell no values of variables: --live names the keys that are not in effect.

    \b
    Examples:
      confctl diff web --from qa --to prod
      confctl diff --all --from qa --to prod
      confctl diff web --change 12 -e prod
      confctl diff web --change 12..15 -e prod
      confctl diff web prod.env -e prod
      confctl diff web -e prod --live
    """
    against = _Against(**given)
    if against.count != 1:
        raise click.UsageError("Compare with what? Give one of --from ENV, --change N, --live or a FILE.")
    if everything == (app is not None) or (everything and not (against.from_env or against.live)):
        raise click.UsageError("Compare which app? Name one, or give --all with --from ENV or --live.")
    client, scope = common.client(), Common(env=to_env).over(common).scope(app or "_default")
    apps = [scope.app] if not everything else _apps(client, scope.env, against.from_env)
    found = {name: _compare(client, replace(scope, app=name), against) for name in apps}
    document = {"apps": found} if everything else found[scope.app]
    emit(common.output, document, lambda: _show(found, alone=not everything))
    if any(_differs(one) for one in found.values()):
        click.get_current_context().exit(1)
    say("no differences")


def _apps(client: Client, *envs: str | None) -> Sequence[str]:
    known, wanted = client.apps().get("apps", []), {*envs, "_default"}
    return [one["app"] for one in known if one["app"] != "_default" and wanted & set(one["envs"])]


def _compare(client: Client, scope: Scope, against: _Against) -> Document:
    if against.file is not None:
        return _against_file(client, scope, against.file, against.format_name)
    if against.live:
        return client.diff(scope, "live")
    if against.from_env is not None:
        return client.diff(scope, f"env:{against.from_env}")
    first, second = against.change or (0, None)
    return client.diff(scope, f"change:{first}", second)


def _differs(document: Document) -> bool:
    return bool(document.get("diff") or document.get("containers"))


def _show(found: Mapping[str, Document], *, alone: bool) -> None:
    for app, document in found.items():
        if not alone and _differs(document):
            click.echo(f"{app}:")
        show_diff(document.get("diff") or ())
        _show_live(document)


def _show_live(document: Document) -> None:
    containers = document.get("containers") or ()
    rows = [
        [one["name"], one["host"], key["key"], key["state"], key["why"] or "-"]
        for one in containers
        for key in one["keys"]
    ]
    table(["CONTAINER", "HOST", "KEY", "STATE", "WHY"], rows)
    rows = [
        [one["name"], one["host"], *(field.get(name) or "-" for name in ("field", "before", "after"))]
        for one in containers
        for field in one["fields"]
    ]
    table(["CONTAINER", "HOST", "FIELD", "NOW", "THEN"], rows)
    if "seen" in document:
        say(f"looked at {counted(integer(document['seen']), 'container')}, as of {cell(document.get('as_of'))}")


def _against_file(client: Client, scope: Scope, file: str, format_name: str | None) -> Document:
    from confd.cli.files import K8S_SECRET, TYPED, guessed, read_settings
    from confd.jsontext import dump
    from confd.secret import MASK

    own = client.settings(scope, own=True)["settings"]
    secret = {key for key, setting in own.items() if setting.get("secret")}
    wanted = {key: value for key, value in read_settings(file, format_name, None).items() if key not in secret}
    if secret:
        say(f"secrets are not compared: {', '.join(map(cell, sorted(secret)))}")
    values = {key: one.get("written", one["value"]) for key, one in own.items() if key not in secret}
    for key in wanted.keys() & values.keys() if (format_name or guessed(file)) not in TYPED else ():
        if not isinstance(values[key], str) and dump(values[key]) == wanted[key]:  # a text, which the schema types
            wanted[key] = values[key]
    if (format_name or guessed(file)) == K8S_SECRET:  # all of it is secret: of what differs nothing is shown
        wanted = {key: value if key in values and values[key] == value else MASK for key, value in wanted.items()}
    return {"diff": _differences(values, wanted)}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Document]:
    entries: list[Document] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if key not in before or key not in after or old != new:
            action = "add" if key not in before else "remove" if key not in after else "change"
            entries.append({"key": key, "before": old, "after": new, "action": action})
    return entries
