"""`confctl policy set|get|check|unset`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from confd.cli.files import read_text
from confd.cli.output import cell, emit, pretty, say, table
from confd.cli.scope import Common, common_options
from confd.cli.writing import proposed, show_diff
from confd.client import Document, Edit, integer
from confd.errors import Invalid
from confd.jsontext import Value
from confd.keys import DEFAULT, parse_env, parse_policy_name
from confd.wording import counted

__all__ = ["policy_command", "show_violations"]

F = TypeVar("F", bound=Callable[..., Any])


def _document_options(function: F) -> F:
    """A policy from a FILE, or a shipped one."""
    for option in (
        click.option(
            "--except", "left_out", multiple=True, metavar="RULE", help="A rule of the preset that does not hold."
        ),
        click.option("--preset", metavar="NAME", help="A shipped policy in the place of a FILE: secure."),
        click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True)),
    ):
        function = option(function)
    return function


def _write_options(function: F) -> F:
    for option in (
        click.option(
            "--dry-run", is_flag=True, help="Store nothing; print what would change, and what is against it."
        ),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history."),
    ):
        function = option(function)
    return function


def _document(file: str | None, preset: str | None, left_out: Iterable[str]) -> Value:
    from confd.jsontext import parse

    if (file is None) == (preset is None):
        raise click.UsageError("Which policy? Give a FILE, or --preset NAME.")
    if file is not None:
        if left_out:
            raise click.UsageError("--except goes with --preset.")
        return parse(read_text(file))
    policy: dict[str, Value] = {"preset": preset}
    return policy | ({"except": list(left_out)} if left_out else {})


def _env(common: Common) -> str:
    env = common.find_env()
    if not env:
        raise click.UsageError("Which env? Give -e ENV, set CONFD_ENV, or -e _default for every env.")
    return parse_env(env)


def _where(env: str) -> str:
    return "every env" if env == DEFAULT else f"env {env}"


@click.group("policy")
def policy_command() -> None:
    """Read, check and store what containers of an env may be run with.

    A policy is a JSON Schema over run options, or a shipped preset. A write that brings in something against it is
    refused; what is so already stays, and 'doctor --policies' reports it. Policies of -e _default hold everywhere.

    \b
    Examples:
      confctl policy check --preset secure -e prod
      confctl policy set base --preset secure --except read-only -e prod -m "after the audit"
      confctl policy get -e prod
    """


@policy_command.command("set")
@click.argument("name")
@_document_options
@_write_options
@common_options
def set_policy(common: Common, name: str, file: str | None, **flags: Any) -> None:
    """Store a policy under NAME, from a JSON FILE ('-' is stdin) or a preset.

    What is against it already is shown, and stays as it is.

    \b
    Examples:
      confctl policy set base --preset secure -e prod --dry-run
      echo '{"schema": {"required": ["memory"]}}' | confctl policy set memory - -e _default
    """
    policy = _document(file, flags["preset"], flags["left_out"])
    env, edit = _env(common), Edit(message=flags["message"], dry_run=flags["dry_run"])
    document = common.client().put_policy(env, parse_policy_name(name), policy, edit)
    emit(common.output, document, lambda: _show_write(document, edit))
    _say_write(document, (name, env), edit)
    found = _count(document)
    say(f"against it already, and left as it is: {found}" if found else "nothing is against it")


@policy_command.command("get")
@click.argument("name", required=False)
@common_options
def get_policy(common: Common, name: str | None) -> None:
    """List the policies that hold in the env, or print the one of NAME, as 'policy set' takes it.

    \b
    Example:
      confctl policy get base -e prod > base.policy.json
    """
    env = _env(common)
    if name is not None:
        document = common.client().policy(env, parse_policy_name(name))
        emit(common.output, document, lambda: click.echo(pretty(document["policy"])))
        if document["broken"]:
            say(f"it is none, so that run options stay as they are: {cell(document['broken'])}")
        return
    listing = common.client().policies(env)
    rows = [[one["name"], one["env"], _what(one)] for one in listing["policies"]]
    emit(common.output, listing, lambda: table(["POLICY", "ENV", "WHAT"], rows))
    if not rows:
        say(f"{_where(env)} has no policy")


def _what(one: Document) -> str:
    policy = one["policy"]
    if one["broken"]:
        return f"broken: {cell(one['broken'])}"
    left_out = f" except {', '.join(policy['except'])}" if policy.get("except") else ""
    preset = f"preset {policy['preset']}{left_out}" if "preset" in policy else ""
    return cell("; ".join(filter(None, [preset, policy.get("description", "")])) or "a schema")


@policy_command.command("check")
@_document_options
@common_options
def check_policy(common: Common, file: str | None, **flags: Any) -> None:
    """Show which containers and settings would be against a policy; nothing is stored.

    Exits 65 when any would be.

    \b
    Example:
      confctl policy check --preset secure -e prod
    """
    policy, env = _document(file, flags["preset"], flags["left_out"]), _env(common)
    document = common.client().check_policy(env, policy)
    emit(common.output, document, lambda: show_violations(document["containers"], document["settings"]))
    found = _count(document)
    say(f"against it in {_where(env)}: {found}" if found else f"nothing in {_where(env)} is against it")
    click.get_current_context().exit(Invalid.exit_code if found else 0)


@policy_command.command("unset")
@click.argument("name")
@_write_options
@common_options
def unset_policy(common: Common, name: str, **flags: Any) -> None:
    """Take the policy NAME away.

    \b
    Example:
      confctl policy unset base -e prod -m "replaced by strict"
    """
    env, edit = _env(common), Edit(message=flags["message"], dry_run=flags["dry_run"])
    document = common.client().remove_policy(env, parse_policy_name(name), edit)
    emit(common.output, document, lambda: show_diff(document["diff"]) if edit.dry_run else None)
    _say_write(document, (name, env), edit)


def _show_write(document: Document, edit: Edit) -> None:
    if edit.dry_run:
        show_diff(document["diff"])
    show_violations(document["containers"], document["settings"])


def _say_write(document: Document, of: tuple[str, str], edit: Edit) -> None:
    name, env = of
    what = f"policy {name} of {_where(env)}"
    if document.get("proposal"):
        say(f"{what}: {proposed(document, DEFAULT, env)}")
    elif edit.dry_run:
        say(f"dry run for {what}: nothing is stored")
    elif not document["diff"]:
        say(f"{what}: nothing to change, it is already so")
    else:
        number, revision = integer(document["change"]), integer(document["revision"])
        say(f"{what}: stored (change {number}, revision {revision})")


def _count(document: Document) -> str:
    """How many containers and apps' settings are against a policy, in words; empty for none."""
    containers, apps = len(document["containers"]), len(document["settings"])
    words = [counted(containers, "container")] if containers else []
    return " and ".join([*words, f"the settings of {counted(apps, 'app')}"] if apps else words)


def show_violations(containers: Iterable[Document], settings: Iterable[Document] = ()) -> None:
    """A row for each thing that is against a policy, and once for each rule what to do."""
    named = [(one["name"], one["host"], one) for one in containers]
    named += [("(its settings)", one["host"] or "-", one) for one in settings]
    rows: list[list[Any]] = []
    mend: dict[str, str] = {}
    for name, host, one in named:
        for found in one["violations"]:
            option = ", ".join(found["options"]) or "-"
            here = f", here {found['here']}" if found["here"] else ""
            rule = f"{found['policy']} {found['rule']}".rstrip()
            rows.append([name, host, f"{one['app']}@{one['env']}", rule, option, found["allowed"] + here])
            if found["mend"] or found["why"]:
                mend.setdefault(rule, found["mend"] or found["why"])
    table(["CONTAINER", "HOST", "APP", "POLICY", "OPTION", "ASKS FOR"], rows)
    for rule, words in mend.items():
        say(f"{cell(rule)}: {cell(words)}")
