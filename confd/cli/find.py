"""`confctl find`: settings of all apps and envs, by key or value."""

from __future__ import annotations

from typing import Any

import click

from confd.cli.output import emit, say, table, value_text
from confd.cli.scope import Common, common_options
from confd.keys import parse_app, parse_env, parse_host
from confd.wording import counted

__all__ = ["find_command"]


@click.command("find")
@click.argument("pattern")
@click.option("--value", is_flag=True, help="Look into values, not keys; those of secrets are left out.")
@click.option("--app", metavar="APP", help="In this app alone.")
@click.option("--effective", is_flag=True, help="What apps are due in their envs, not what each layer has.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="So many at most.")
@click.option("--after", metavar="NEXT", help="Go on after a page: what that said was next.")
@common_options
def find_command(common: Common, pattern: str, **flags: Any) -> None:
    """Find settings of all apps and envs by key or value.

    A word is found anywhere in a key. With * or ? it is a pattern for the whole key: * within a segment, ** across
    segments. In a value * is any text. -e and --host narrow it down; the env of a context does not.

    \b
    Examples:
      confctl find pool-size
      confctl find 'db/**' -e prod
      confctl find --value db.internal --effective
    """
    query = {"value" if flags["value"] else "key": pattern, "limit": str(flags["limit"])}
    query |= {"env": parse_env(common.env)} if common.env else {}
    query |= {"app": parse_app(flags["app"])} if flags["app"] else {}
    query |= {"host": parse_host(common.host)} if common.host else {}
    query |= {"effective": "true"} if flags["effective"] else {}
    query |= {"after": flags["after"]} if flags["after"] else {}
    document = common.client().find(query)
    found = document["settings"]
    rows = [
        [one["env"], one["app"], one["host"], one["key"], value_text(one["value"]), one["layer"], one["change"]]
        for one in found
    ]
    emit(
        common.output,
        document,
        lambda: table(["ENV", "APP", "HOST", "KEY", "VALUE", "LAYER", "CHANGE"], rows),
    )
    if document["truncated"]:
        say(f"there are more than these {len(found)}; go on with --after '{document['next']}'")
    else:
        say(f"{counted(len(found), 'setting')} found")
