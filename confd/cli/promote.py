"""`confctl promote`: settings from one env to another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import click

from confd.cli.output import cell, emit, say
from confd.cli.scope import Common, common_options
from confd.cli.writing import (
    WaitCommand,
    Writing,
    carry_out,
    confirmed,
    say_reach,
    say_state,
    settings_options,
    show_diff,
    show_plan,
)
from confd.client import Client, Document, Edit, Scope
from confd.wording import counted

__all__ = ["promote_command"]


@click.command("promote", cls=WaitCommand)
@click.argument("app", required=False)
@click.option("--from", "source", metavar="ENV", required=True, help="The env whose settings are carried over.")
@click.option("--to", "target", metavar="ENV", help="The env that gets them; without it -e.")
@click.option("--all", "everything", is_flag=True, help="Every app that has settings of its own in the first env.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only these keys: * within a segment, ** across.")
@click.option("--except", "left_out", multiple=True, metavar="GLOB", help="Not these keys.")
@click.option("--prune", is_flag=True, help="Take away what only the second env has.")
@settings_options
@common_options
def promote_command(common: Common, app: str | None, source: str, target: str | None, **given: Any) -> None:
    """Carry settings of APP, or of all apps, over from one env to another.

    What is carried is an app's own layer. Keys that differ by intent stay: those that the 'promote' of the app's
    binding in the second env excludes, and those that only the second env has. All apps are checked first and
    stored at once, or none is.

    \b
    Examples:
      confctl promote web --from qa --to prod --dry-run
      confctl promote web --from qa --to prod --except 'db/**' --wait
      confctl promote --all --from qa --to prod --yes
    """
    if (app is None) != given.pop("everything"):
        raise click.UsageError("Which app? Give APP, or --all.")
    choice = {"only": given.pop("only"), "except": given.pop("left_out"), "prune": given.pop("prune")}
    wish: dict[str, Any] = {"from": source} | {name: value for name, value in choice.items() if value}
    writing, below = Writing(**given), Common(env=target).over(common)
    if app is None:
        _promote_all(below, wish, writing)
        return
    scope = below.scope(app)

    def send(client: Client, edit: Edit) -> Document:
        document = client.promote(scope, wish, edit)
        if edit.dry_run:  # which comes first in any case
            _say_kept(document.get("kept") or {})
        return document

    carry_out(below, scope, writing, send)


def _say_kept(kept: Mapping[str, Any], app: str = "") -> None:
    """Which keys differ and stay as they are."""
    for why in sorted(set(kept.values())):
        keys = [cell(key) for key, one in kept.items() if one == why]
        say(f"{f'{app}: ' if app else ''}left as it is, {cell(why)}: {', '.join(keys)}")


def _promote_all(common: Common, wish: Mapping[str, Any], writing: Writing) -> None:
    client, edit, env = common.client(), writing.edit(), common.scope("_default").env
    shown = client.promote_all(env, wish, replace(edit, dry_run=True))
    changed = [one for one in shown["apps"] if one["diff"]]
    if common.output in (None, "table"):
        for one in changed:
            click.echo(f"{one['app']}:")
            show_diff(one["diff"])
    for one in shown["apps"]:
        _say_kept(one["kept"], one["app"])
    if not changed:
        emit(common.output, shown, lambda: None)
        say(f"env {env}: nothing to change in {counted(len(shown['apps']), 'app')}")
        return
    say_reach(shown["reaches"])
    if edit.dry_run:
        emit(common.output, shown, lambda: _show_plans(changed))
        say(f"dry run for env {env}: nothing is stored")
        return
    done = client.promote_all(env, wish, confirmed(edit, shown))
    emit(common.output, done, lambda: None)
    _follow(client, env, done, writing)


def _show_plans(changed: Iterable[Document]) -> None:
    for one in changed:
        show_plan(one["plan"])


def _follow(client: Client, env: str, done: Document, writing: Writing) -> None:
    """Say what became of each app; with `--wait`, follow each."""
    late = False
    for one in done["apps"]:
        scope = Scope(one["app"], env)
        if one["diff"]:
            late = not say_state(client, scope, one, writing) or late
    if late:
        click.get_current_context().exit(3)
