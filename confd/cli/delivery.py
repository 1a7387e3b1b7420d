"""`confctl hosts`, `plan`, `status`, `watch` and `why`: where containers stand and what would be done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table, value_text
from confd.cli.scope import Common, common_options
from confd.cli.writing import show_plan
from confd.client import Client, Document, Scope, integer
from confd.errors import NotFound

__all__ = ["hosts_command", "plan_command", "status_command", "watch_command", "why_command"]

WATCH_S = 1.0


@click.command("hosts")
@common_options
def hosts_command(common: Common) -> None:
    """List the Docker hosts, alive or lost.

    \b
    Example:
      confctl hosts
    """
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
    if not hosts:
        say("no host has an agent yet; start one with 'confd-agent --env ENV'")


def _life(host: Mapping[str, Any]) -> str:
    if not host.get("alive"):
        return f"lost since {cell(host.get('lost_since'))}"
    away = host.get("engine_away_since")
    return f"alive, no engine since {cell(away)}" if away else "alive"


def _count(containers: Any) -> str:
    return str(len(containers)) if isinstance(containers, (list, tuple)) else cell(containers)


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
@click.option("--watch", is_flag=True, help="Go on, and print again at each change.")
@common_options
def status_command(common: Common, app: str, watch: bool) -> None:
    """Show where every container of APP stands.

    \b
    Examples:
      confctl status web -e dev
      confctl status web -e dev --watch
    """
    client, scope, shown = common.client(), common.scope(app), None
    while True:
        document = client.status(scope)
        containers = document.get("containers", [])
        if containers != shown:
            emit(common.output, document, lambda now=containers: _show_status(now))  # type: ignore[misc]
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
            c.get("state") if c.get("alive", True) else "lost",
            c.get("revision"),
            c.get("detail") or "",
        ]
        for c in containers
    ]
    table(["CONTAINER", "HOST", "STATE", "REVISION", "DETAIL"], rows)


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


@click.command("why")
@click.argument("container")
@common_options
def why_command(common: Common, container: str) -> None:
    """Say why CONTAINER stands as it does.

    CONTAINER is a name or the beginning of an id.

    \b
    Example:
      confctl why web-1
    """
    if not container:
        raise click.UsageError("Which container? Give its name or the beginning of its id.")
    client = common.client()
    found = next(_find(client, common.find_env(), common.host, container), None)
    if found is None:
        raise NotFound(f"no agent has reported a container {cell(container)}; 'confctl hosts' shows who reports")
    scope = Scope(found["app"], found["env"])
    planned = [c for c in client.plan(scope).get("containers", []) if c.get("container") == found.get("container")]
    emit(common.output, {"status": found, "plan": planned}, lambda: _show_why(found, planned))


def _find(client: Client, env: str | None, host: str | None, container: str) -> Iterator[Document]:
    for app in client.apps().get("apps", []):
        for its_env in app.get("envs", []):
            if env is not None and its_env != env:
                continue
            for candidate in client.status(Scope(app["app"], its_env)).get("containers", []):
                named = candidate.get("name") == container or str(candidate.get("container")).startswith(container)
                if named and host in (None, candidate.get("host")):
                    yield {"app": app["app"], "env": its_env} | dict(candidate)


def _show_why(found: Document, planned: list[Document]) -> None:
    alive = "" if found.get("alive", True) else ", and its host is lost"
    click.echo(f"{cell(found.get('name'))} on {cell(found.get('host'))} is {cell(found.get('state'))}{alive}")
    click.echo(
        f"  app {cell(found.get('app'))}, env {cell(found.get('env'))}, revision {cell(found.get('revision'))}"
    )
    if found.get("detail"):
        click.echo(f"  {cell(found['detail'])}")
    show_plan({"containers": planned})
