"""`confctl env get|set`: what an env asks of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import proposed
from confd.client import Edit, integer
from confd.jsontext import plain
from confd.keys import DEFAULT, parse_env
from confd.wording import counted

__all__ = ["env_command"]


@click.group("env")
def env_command() -> None:
    """Read and set what an env asks of its changes.

    Whether somebody else has to approve them, what becomes of settings that somebody puts straight into etcd, and
    how long records of changes are kept. What an env leaves open, _default says.

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
        ["approval", _approval(rules["approval"])],
        ["out-of-band", cell(rules["out_of_band"])],
        ["records", " or ".join(filter(None, kept)) or "all"],
    ]
    table(["RULE", "VALUE"], rows)


def _approval(rule: Mapping[str, Any]) -> str:
    if not rule["required"]:
        return "none"
    names, count = ", ".join(map(cell, rule["approvers"])), integer(rule["count"])
    return f"of {counted(count, 'other')}" + (f" of {names}" if names else "")


@env_command.command("set")
@click.argument("env_name", metavar="ENV")
@click.option("--out-of-band", type=click.Choice(["apply", "hold"]), help="What becomes of edits in etcd itself.")
@click.option("--keep-changes", type=click.IntRange(min=0), metavar="N", help="Records of a layer; 0: no limit.")
@click.option("--keep-days", type=click.IntRange(min=0), metavar="N", help="Days of a record; 0: no limit.")
@click.option("--approval", type=click.Choice(["required", "none"]), help="Whether somebody else has to agree.")
@click.option("--approver", "approvers", multiple=True, metavar="NAME", help="The name of a token that may.")
@click.option(
    "--approvals", "count", type=click.IntRange(1, 10), metavar="N", help="How many others have to agree."
)
@click.option("--dry-run", is_flag=True, help="Store nothing; say what would change.")
@click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history.")
@common_options
def set_env(common: Common, env_name: str, message: str, dry_run: bool, **given: Any) -> None:
    """Set what ENV asks of its changes; what is not named stays.

    \b
    Examples:
      confctl env set prod --out-of-band hold
      confctl env set prod --keep-changes 5000 --keep-days 0
      confctl env set prod --approval required --approver anna --approver ben
    """
    if all(value in (None, ()) for value in given.values()):
        raise click.UsageError("Set what? Give --approval, --out-of-band, --keep-changes or --keep-days.")
    env, client = parse_env(env_name), common.client()
    own = plain(client.rules(env)["own"])
    rules: dict[str, Any] = dict(own) if isinstance(own, dict) else {}
    records = dict(rules.get("records") or {})
    records |= {name: given[f"keep_{name}"] for name in ("changes", "days") if given[f"keep_{name}"] is not None}
    rules |= {"records": records} if records else {}
    rules |= {"out_of_band": given["out_of_band"]} if given["out_of_band"] else {}
    rules |= _rule(rules.get("approval"), given)
    document = client.put_rules(env, rules, Edit(message=message, dry_run=dry_run))
    emit(common.output, document, lambda: None)
    where = "every env" if env == DEFAULT else f"env {env}"
    if document.get("proposal"):
        say(f"{where}: {proposed(document, DEFAULT, env)}")
    elif not document["diff"]:
        say(f"{where}: nothing to change")
    elif dry_run:
        say(f"dry run for {where}: nothing is stored")
    else:
        say(f"{where}: stored (change {integer(document['change'])}, revision {integer(document['revision'])})")


def _rule(before: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The member `approval` with what is given; none where nothing of it is."""
    found: dict[str, Any] = {}
    if given["approval"] is not None:
        found["required"] = given["approval"] == "required"
    if given["approvers"]:
        found["approvers"] = list(given["approvers"])
    if given["count"] is not None:
        found["count"] = given["count"]
    rule = {"required": before} if isinstance(before, bool) else dict(before or {})
    return {"approval": rule | found} if found else {}
