"""`confctl env get|set`: what an env asks of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.client import Edit, integer
from confd.jsontext import plain
from confd.keys import DEFAULT, parse_env

__all__ = ["env_command"]


@click.group("env")
def env_command() -> None:
    """Read and set what an env asks of its changes.

    What becomes of settings that somebody puts straight into etcd, and how long records of changes are kept. What
    an env leaves open, _default says.

    \b
    Examples:
      confctl env get prod
      confctl env set prod --out-of-band hold -m "etcd is shared"
      confctl env set _default --keep-changes 5000 --keep-days 365
    """


@env_command.command("get")
@click.argument("env_name", metavar="ENV")
@common_options
def get_env(common: Common, env_name: str) -> None:
    """Show what holds in ENV.

    \b
    Example:
      confctl env get prod
    """
    document = common.client().rules(parse_env(env_name))
    emit(common.output, document, lambda: _show(document["rules"]))


def _show(rules: Mapping[str, Any]) -> None:
    records = rules["records"]
    kept = [f"{integer(records[name])} {name}" if integer(records[name]) else "" for name in ("changes", "days")]
    rows = [
        ["out-of-band", cell(rules["out_of_band"])],
        ["records", " or ".join(filter(None, kept)) or "all"],
    ]
    table(["RULE", "VALUE"], rows)


@env_command.command("set")
@click.argument("env_name", metavar="ENV")
@click.option("--out-of-band", type=click.Choice(["apply", "hold"]), help="What becomes of edits in etcd itself.")
@click.option("--keep-changes", type=click.IntRange(min=0), metavar="N", help="Records of a layer; 0: no limit.")
@click.option("--keep-days", type=click.IntRange(min=0), metavar="N", help="Days of a record; 0: no limit.")
@click.option("--dry-run", is_flag=True, help="Store nothing; say what would change.")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history.")
@common_options
def set_env(common: Common, env_name: str, message: str, dry_run: bool, **given: Any) -> None:
    """Set what ENV asks of its changes; what is not named stays.

    \b
    Examples:
      confctl env set prod --out-of-band hold
      confctl env set prod --keep-changes 5000 --keep-days 0
    """
    if all(value is None for value in given.values()):
        raise click.UsageError("Set what? Give --out-of-band, --keep-changes or --keep-days.")
    env, client = parse_env(env_name), common.client()
    own = plain(client.rules(env)["own"])
    rules: dict[str, Any] = dict(own) if isinstance(own, dict) else {}
    records = dict(rules.get("records") or {})
    records |= {name: given[f"keep_{name}"] for name in ("changes", "days") if given[f"keep_{name}"] is not None}
    rules |= {"records": records} if records else {}
    rules |= {"out_of_band": given["out_of_band"]} if given["out_of_band"] else {}
    document = client.put_rules(env, rules, Edit(message=message, dry_run=dry_run))
    emit(common.output, document, lambda: None)
    where = "every env" if env == DEFAULT else f"env {env}"
    if not document["diff"]:
        say(f"{where}: nothing to change")
    elif dry_run:
        say(f"dry run for {where}: nothing is stored")
    else:
        say(f"{where}: stored (change {integer(document['change'])}, revision {integer(document['revision'])})")
