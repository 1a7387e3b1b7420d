"""`confctl set`, `get`, `unset`, `list` and `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table, value_text
from confd.cli.scope import Common, common_options
from confd.cli.writing import WaitCommand, Writing, carry_out, settings_options
from confd.jsontext import Value, parse, pointer

__all__ = ["explain_command", "get_command", "list_command", "set_command", "unset_command"]

NO_SETTINGS = "no settings yet; 'confctl set APP KEY=VALUE' stores one"


@click.command("set", cls=WaitCommand)
@click.argument("app")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE ...")
@click.option("--json", "as_json", is_flag=True, help="The values are JSON: numbers, true, null, lists, objects.")
@click.option("--secret", is_flag=True, help="Keep the values as secrets; a secret stays one until --plain.")
@click.option("--plain", is_flag=True, help="Let the values be read again where they are secrets.")
@settings_options
@common_options
def set_command(common: Common, app: str, settings: tuple[str, ...], as_json: bool, **flags: Any) -> None:
    """Store settings of APP, all in one change.

    A value is a string, unless --json says otherwise. Keys under run/ are what 'docker run' takes.

    \b
    Examples:
      confctl set web LOG_LEVEL=debug -e dev
      confctl set web run/memory=256m -e dev --wait
      confctl set web db/password="$(cat password)" --secret -e prod
      confctl set web 'pool/size=12' 'tags=["a","b"]' --json -e prod -m "more load" --dry-run
    """
    secret, plain = flags.pop("secret"), flags.pop("plain")
    writing, scope = Writing(**flags), common.scope(app)
    if secret and plain:
        raise click.UsageError("--secret and --plain are opposites; keep one of them.")
    values: dict[str, Value] = {}
    for text in settings:
        key, value = _assignment(text, as_json)
        if key in values:
            raise click.UsageError(f"{key} is given twice; keep one of them.")
        values[key] = value
    marks = {"secret": tuple(values) if secret else (), "plain": tuple(values) if plain else ()}
    carry_out(common, scope, writing, lambda client, edit: client.change(scope, edit), set=values, **marks)


def _assignment(text: str, as_json: bool) -> tuple[str, Value]:
    from confd.errors import Malformed
    from confd.keys import parse_key

    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{cell(text)} is no KEY=VALUE. To take a key away: confctl unset APP KEY")
    parse_key(key)
    try:
        return key, parse(value) if as_json else value
    except Malformed as exc:
        detail = f"{key}: {exc.detail}; with --json a string stands in double quotes"
        raise Malformed(detail, pointer=pointer("set", key)) from exc


@click.command("unset", cls=WaitCommand)
@click.argument("app")
@click.argument("keys", nargs=-1, required=True, metavar="KEY ...")
@settings_options
@common_options
def unset_command(common: Common, app: str, keys: tuple[str, ...], **flags: Any) -> None:
    """Take settings of APP away.

    What a lower layer or the container itself says comes back.

    \b
    Example:
      confctl unset web LOG_LEVEL run/memory -e dev --wait
    """
    from confd.keys import parse_key

    writing, scope, unset = Writing(**flags), common.scope(app), [parse_key(key) for key in keys]
    carry_out(common, scope, writing, lambda client, edit: client.change(scope, edit), unset=unset)


@click.command("get")
@click.argument("app")
@click.argument("key", required=False)
@click.option("--own", is_flag=True, help="Only what the app's own layer says, not the effective value.")
@click.option("--reveal", is_flag=True, help="Show secrets, if you may.")
@common_options
def get_command(common: Common, app: str, key: str | None, own: bool, reveal: bool) -> None:
    """Print the settings of APP, or the bare value of one KEY.

    \b
    Examples:
      confctl get web -e dev
      confctl get web LOG_LEVEL -e dev
      confctl get web -e prod --host h1 -o json
    """
    scope, client = common.scope(app), common.client()
    if key is None:
        document = client.settings(scope, own=own, reveal=reveal)
        emit(common.output, document, lambda: _show_settings(document["settings"]))
        return
    setting = client.setting(scope, key, own=own, reveal=reveal)
    value = setting["value"]
    emit(common.output, setting, lambda: click.echo(value if isinstance(value, str) else value_text(value)))


def _show_settings(settings: Mapping[str, Any]) -> None:
    rows = ([key, value_text(s.get("value")), s.get("layer"), s.get("change")] for key, s in settings.items())
    table(["KEY", "VALUE", "LAYER", "CHANGE"], rows)
    if not settings:
        say(NO_SETTINGS)


@click.command("list")
@click.argument("app", required=False)
@common_options
def list_command(common: Common, app: str | None) -> None:
    """List the apps and their envs, or the keys of APP.

    \b
    Examples:
      confctl list
      confctl list web -e dev
    """
    client = common.client()
    if app is not None:
        settings = client.settings(common.scope(app))
        keys = sorted(settings["settings"])
        emit(common.output, keys, lambda: click.echo("".join(f"{key}\n" for key in keys), nl=False))
        if not keys:
            say(NO_SETTINGS)
        return
    document = client.apps()
    apps = document.get("apps", [])
    rows = [[a["app"], ", ".join(a.get("envs", []))] for a in apps]
    emit(common.output, document, lambda: table(["APP", "ENVS"], rows))
    if not apps:
        say("no app has settings yet; 'confctl set APP KEY=VALUE -e ENV' stores the first")


@click.command("explain")
@click.argument("app")
@click.argument("key")
@click.option("--container", metavar="NAME", help="The effect on this container only.")
@common_options
def explain_command(common: Common, app: str, key: str, container: str | None) -> None:
    """Say which layer KEY comes from.

    Also what that layer hides, and what a change of the key would do.

    \b
    Example:
      confctl explain web LOG_LEVEL -e dev
    """
    document = common.client().explain(common.scope(app), key, container)
    emit(common.output, document, lambda: _show_explanation(key, document))


def _show_explanation(key: str, document: Mapping[str, Any]) -> None:
    winner = document.get("winner")
    if isinstance(winner, Mapping):
        click.echo(f"{key} = {value_text(winner.get('value'))}")
        click.echo(f"  from      {cell(winner.get('layer'))} (change {cell(winner.get('change'))})")
    else:
        click.echo(f"{key} is not set in any layer")
    for one in document.get("on_hosts", []):
        click.echo(f"  but on    {cell(one['host'])}: {cell(one['layer'])} = {value_text(one.get('value'))}")
    for hidden in document.get("hidden", []):
        click.echo(f"  hides     {cell(hidden.get('layer'))} = {value_text(hidden.get('value'))}")
    if document.get("variable"):
        click.echo(f"  variable  {cell(document['variable'])}")
    for effect in document.get("effects", []):
        does = f"{cell(effect.get('action'))} ({cell(effect.get('reach'))})"
        if effect.get("blocked"):
            does = f"blocked: {cell(effect['blocked'])}"
        click.echo(f"  a change  {cell(effect.get('name'))} on {cell(effect.get('host'))}: {does}")
    for problem in document.get("problems", []):
        click.echo(f"  problem   {cell(problem)}")
