"""`confctl plan`, `status` and `watch`: where containers stand and what would be done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import emit, say, table, value_text
from confd.cli.scope import Common, common_options
from confd.cli.writing import show_plan
from confd.client import Client, Document, Scope, integer

__all__ = ["plan_command", "status_command", "watch_command"]

WATCH_S = 1.0


@click.command("plan")
@click.argument("app")
@common_options
def plan_command(common: Common, app: str) -> None:
    """Show what will be done to the containers of APP, and why.

    \b
    Example:
      confctl plan web -e dev
    """
    document = common.client().plan(common.scope(app))
    emit(common.output, document, lambda: show_plan(document))
    if not document.get("containers"):
        say("no container of this app has been seen in this env")


@click.command("status")
@click.argument("app")
@click.option("--keys", is_flag=True, help="Show where each key stands in each container.")
@click.option("--watch", is_flag=True, help="Go on, and print again at each change.")
@common_options
def status_command(common: Common, app: str, keys: bool, watch: bool) -> None:
    """Show where every container of APP stands.

    \b
    Examples:
      confctl status web -e dev
      confctl status web -e dev --keys
      confctl status web -e dev --watch
    """
    client, scope, shown = common.client(), common.scope(app), None
    show = _show_keys if keys else _show_status
    while True:
        document = client.status(scope, keys=keys)
        containers = document.get("containers", [])
        if containers != shown:
            emit(common.output, document, lambda now=containers: show(now))  # type: ignore[misc]
        if not containers and shown is None:
            say(f"no container of {scope.app} has been seen in env {scope.env}; is it labelled confd.app?")
        if not watch:
            return
        shown = containers
        time.sleep(WATCH_S)


def _show_status(containers: list[Document]) -> None:
    rows = [
        [
            c.get("name"),
            c.get("host"),
            c.get("state") if c.get("alive", True) else f"lost since {c.get('lost_since')}",
            *(c.get(name) for name in ("published", "rendered", "running")),
            c.get("detail") or "",
        ]
        for c in containers
    ]
    table(["CONTAINER", "HOST", "STATE", "PUBLISHED", "RENDERED", "RUNNING", "DETAIL"], rows)


def _show_keys(containers: list[Document]) -> None:
    rows = [
        [c.get("name"), c.get("host"), key, one.get("state"), one.get("why") or ""]
        for c in containers
        for key, one in c.get("keys", {}).items()
    ]
    table(["CONTAINER", "HOST", "KEY", "STATE", "WHY"], rows)


@click.command("watch")
@click.argument("app")
@common_options
def watch_command(common: Common, app: str) -> None:
    """Print each change of APP's settings as it comes.

    It goes on until Ctrl-C.

    \b
    Example:
      confctl watch web -e dev
    """
    client, scope = common.client(), common.scope(app)
    revision, settings = _settings(client, scope)
    say(f"watching {scope.app} in env {scope.env} from revision {revision}")
    while True:
        if client.next_config(scope, revision) is None:
            continue
        before, (revision, settings) = settings, _settings(client, scope)
        for key in sorted(before.keys() | settings.keys()):
            old, new = before.get(key), settings.get(key)
            if old != new:
                _show_change(common.output, revision, key, old, new)


def _settings(client: Client, scope: Scope) -> tuple[int, Mapping[str, Any]]:
    document = client.settings(scope)
    return integer(document["revision"]), {key: s["value"] for key, s in document["settings"].items()}


def _show_change(output: str | None, revision: int, key: str, old: Any, new: Any) -> None:
    if output in ("json", "yaml"):
        from confd.jsontext import dump

        click.echo(dump({"revision": revision, "key": key, "before": old, "after": new}))
    else:
        click.echo(f"{revision}  {key}: {value_text(old)} -> {value_text(new)}")
