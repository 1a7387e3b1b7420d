"""What every write has in common: its options, its echo, its dry run, and `--wait`."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from confd.cli.output import cell, emit, say, table, value_text
from confd.cli.scope import Common
from confd.client import Client, Document, Edit, Scope, integer
from confd.errors import NeedsYes, Unavailable
from confd.wording import counted

__all__ = [
    "NAMED",
    "WaitCommand",
    "Writing",
    "carry_out",
    "confirmed",
    "finish",
    "parse_duration",
    "proposed",
    "say_reach",
    "say_state",
    "settings_options",
    "show_diff",
    "show_plan",
    "wait",
    "write_options",
]

DEFAULT_WAIT = "5m"
POLL_S = 0.3
NAMED = 10
"""So many containers are named for each action."""
LOOK_S = 1.0
NEW_CONTAINER_S = 10.0
"""How soon an agent tells of a container that was just started."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}
F = TypeVar("F", bound=Callable[..., Any])


def parse_duration(text: str) -> float:
    """`30s`, `500ms`, `5m`, `1h` or seconds. Raises `click.BadParameter`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no duration; write 30s, 500ms, 5m or 1h")
    return float(match[1]) * _UNITS[match[2]]


class WaitCommand(click.Command):
    """A command whose `--wait` takes the next word only when that is a duration."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        for at, word in enumerate(args[:end]):
            following = args[at + 1] if at + 1 < end else ""
            if word == "--wait" and not _DURATION.fullmatch(following):
                args[at] = f"--wait={DEFAULT_WAIT}"
        return super().parse_args(ctx, args)


@dataclass(frozen=True, slots=True)
class Writing:
    """The options of a write."""

    message: str
    dry_run: bool
    yes: bool
    wait: str | None
    force: bool = False

    def edit(self, **members: Any) -> Edit:
        return Edit(message=self.message, dry_run=self.dry_run, yes=self.yes, force=self.force, **members)


def _checked(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Refuse a wrong duration before anything is stored."""
    if text is not None:
        parse_duration(text)
    return text


def settings_options(function: F) -> F:
    """Add the options of a write of settings; the command takes them as `**flags` for `Writing`."""
    force = click.option("--force", is_flag=True, help="Confirm that more than a third of the keys go, or all.")
    return write_options(force(function))


def write_options(function: F) -> F:
    """Add the options of a write; the command takes them as `**flags` for `Writing`."""
    for option in (
        click.option(
            "--wait",
            metavar="[DURATION]",
            callback=_checked,
            help=f"Wait until it is in effect ({DEFAULT_WAIT} at most).",
        ),
        click.option("--yes", is_flag=True, help="Confirm a write that reaches further than usual."),
        click.option("--dry-run", is_flag=True, help="Store nothing; print the difference and the plan."),
        click.option("-m", "--message", default="", metavar="TEXT", help="Why; it stands in the history."),
    ):
        function = option(function)
    return function


def carry_out(
    common: Common, scope: Scope, writing: Writing, send: Callable[[Client, Edit], Document], **members: Any
) -> None:
    """Say what a write reaches and what that does, then store it, and say what became of it."""
    client, edit = common.client(), writing.edit(**members)
    shown = send(client, replace(edit, dry_run=True))
    if shown.get("diff") and not (edit.dry_run and _plan_tells_all(shown)):
        say_reach(shown.get("reaches") or {}, None if edit.dry_run else NAMED)
    if not edit.dry_run:
        shown = send(client, confirmed(edit, shown))
    finish(client, scope, shown, writing, common.output)


def confirmed(edit: Edit, shown: Document) -> Edit:
    """The write with the word that it needs, where there is somebody at a terminal to give it."""
    reaches = shown.get("reaches") or {}
    if reaches.get("needs_yes") and not edit.yes and sys.stdin.isatty() and sys.stderr.isatty():
        if not click.confirm("Store it?", err=True):
            raise NeedsYes("nothing was stored")
        return replace(edit, yes=True)
    return edit


def _plan_tells_all(shown: Document) -> bool:
    """Whether the plan of a dry run, which is one app's in one env, has every container that the write reaches."""
    planned = (shown.get("plan") or {}).get("containers") or ()
    return bool(planned) and len(planned) == integer((shown.get("reaches") or {}).get("containers"))


def say_reach(reaches: Document, most: int | None = NAMED) -> None:
    """One line of counts, and one for each action with the containers that it is done to, so many by name."""
    if not integer(reaches.get("containers")):
        say("reaches no container that an agent has told of")
        return
    containers, apps, hosts = (
        counted(integer(reaches.get(name)), name[:-1]) for name in ("containers", "apps", "hosts")
    )
    which = reaches.get("which") or ()
    names = sorted({cell(one.get("app")) for one in which})
    told = f" ({', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''})" if len(names) > 1 else ""
    say(f"reaches {containers} of {apps}{told} on {hosts}")
    for action, count in sorted((reaches.get("actions") or {}).items()):
        done = [one for one in which if one["action"] == action]
        names = [f"{cell(one['name'])} on {cell(one['host'])}" for one in done[:most]]
        more = f" and {integer(count) - len(names)} more" if integer(count) > len(names) else ""
        say(f"  {action}: {', '.join(names)}{more}")
        for why, reasons in Counter(one["blocked"] for one in done if one.get("blocked")).items():
            say(f"    {cell(why)}" + (f" ({counted(reasons, 'container')})" if reasons < len(done) else ""))


def finish(client: Client, scope: Scope, done: Document, writing: Writing, output: str | None) -> None:
    """Say what became of a write; with `--wait`, follow it and exit 3 unless it is in effect everywhere."""
    difference, waits = done.get("diff") or [], done.get("proposal")
    emit(output, done, lambda: show_diff(difference) if writing.dry_run or waits else None)
    where = _place(scope)
    for warning in done.get("warnings") or ():
        say(f"warning: {cell(warning)}")
    if writing.dry_run:
        say(f"dry run for {where}: nothing is stored")
        if done.get("approval"):
            say(f"{', '.join(map(cell, done['approval']))} asks for approval: it would become a proposal")
        if isinstance(done.get("plan"), Mapping) and output in (None, "table"):
            show_plan(done["plan"])
        return
    if not say_state(client, scope, done, writing):
        click.get_current_context().exit(3)


def _place(scope: Scope) -> str:
    return f"{scope.app} in env {scope.env}" + (f" on host {scope.host}" if scope.host else "")


def proposed(done: Document, app: str, env: str, host: str | None = None) -> str:
    """What is to be said of a write that waits for approval."""
    which = f"{app} {cell(done['proposal'])} -e {env}" + (f" --host {host}" if host else "")
    if "approved" in done:
        lacks = counted(integer(done["approved"]["lacks"]), "approval")
        return f"approved, and still lacks {lacks}: `confctl approve {which}`"
    return f"proposed as {cell(done['proposal'])}: needs approval by somebody else; `confctl approve {which}`"


def say_state(client: Client, scope: Scope, done: Document, writing: Writing) -> bool:
    """Say whether a write is stored; with `--wait`, follow it. False where it is not in effect everywhere then."""
    timeout_s = parse_duration(writing.wait) if writing.wait else 0.0
    difference, where = done.get("diff") or [], _place(scope)
    layer = (done.get("approved") or {}).get("layer")  # a proposal of a layer that reaches the app
    if layer not in (None, f"{scope.env}/{scope.app}"):
        where = f"layer {cell(layer)}"
    if done.get("proposal"):
        say(f"{where}: {proposed(done, scope.app, scope.env, scope.host)}")
        return True
    if not difference:
        say(f"{where}: nothing to change, every value is already so")
    else:
        effect = "stored" if writing.wait else "stored, not yet in effect"
        say(f"{where}: {effect} (change {integer(done.get('change'))}, revision {integer(done.get('revision'))})")
    revision = integer(done.get("revision")) if difference else 0
    return not writing.wait or wait(client, _followed(scope, done), revision, timeout_s)


def show_diff(difference: Iterable[Document]) -> None:
    """One line a key, as `diff` writes it: `+` added, `-` removed, `~` changed."""
    signs = {"add": "+", "remove": "-", "change": "~"}
    for entry in difference:
        sign = signs.get(str(entry.get("action")), "~")
        before, after = value_text(entry.get("before")), value_text(entry.get("after"))
        values = {"+": after, "-": before}.get(sign, f"{before} -> {after}")
        click.echo(f"{sign} {cell(entry['key'])} = {values}")


_FIELD = ("field", "before", "after")


def show_plan(plan: Document) -> None:
    """A row a step, a row without action for a container that needs nothing."""
    rows: list[list[Any]] = []
    for container in plan.get("containers", []):
        name, host = container.get("name") or container.get("container"), container.get("host")
        for step in container.get("steps", []):
            why = "; ".join(f"{r.get('key')}: {r.get('why')}" for r in step.get("reasons", []))
            blocked = f"BLOCKED: {step['blocked']}" if step.get("blocked") else ""
            rows.append(
                [name, host, step.get("action"), step.get("reach"), "; ".join(filter(None, [blocked, why]))]
            )
        if not container.get("steps"):
            rows.append([name, host, "-", "-", "nothing to do"])
    table(["CONTAINER", "HOST", "ACTION", "REACH", "WHY"], rows)
    changes = [
        [container.get("name"), container.get("host"), *(field.get(at) or "-" for at in _FIELD)]
        for container in plan.get("containers", [])
        for field in container.get("fields", [])
    ]
    if changes:
        table(["CONTAINER", "HOST", "FIELD", "NOW", "THEN"], changes)


Followed = Mapping[Scope, set[tuple[Any, Any]]]
"""Whose containers a write reaches; of other apps than the scope's only these, by name and host."""


def _followed(scope: Scope, done: Document) -> Followed:
    found: dict[Scope, set[tuple[Any, Any]]] = {scope: set()}
    for one in (done.get("reaches") or {}).get("which") or ():
        if (one.get("app"), one.get("env")) != (scope.app, scope.env):
            other = replace(scope, app=str(one.get("app")), env=str(one.get("env")))
            found.setdefault(other, set()).add((one.get("name"), one.get("host")))
    return found


def _containers(client: Client, followed: Followed, revision: int) -> list[Document]:
    return [
        one
        for scope, only in followed.items()
        for one in client.status(scope, revision).get("containers", [])
        if not only or (one.get("name"), one.get("host")) in only
    ]


def wait(client: Client, followed: Followed, revision: int, timeout_s: float) -> bool:
    """Follow the containers that a write reaches until each reports `revision`; a line at each step of each.

    True when all are in sync. A lost host's containers count as not in effect once all others are through.
    """
    began, told, alone = time.monotonic(), {}, True  # type: float, dict[str, str], bool
    containers: list[Document] = []
    limit_s = min(NEW_CONTAINER_S, timeout_s)
    while True:
        try:
            containers = _containers(client, followed, revision)
        except Unavailable as exc:
            say(f"waiting: {exc.detail}")
        else:
            if not containers and time.monotonic() > began + limit_s:
                say(f"no container has come for these settings within {limit_s:g} s: nothing to wait for")
                return True
            if not containers and alone and time.monotonic() > began + LOOK_S:
                say(f"no container has these settings yet; waiting up to {limit_s:g} s for one")
                alone = False
            _tell(containers, revision, told)
            if containers and all(_stands(container, revision) not in ("pending",) for container in containers):
                break
        if time.monotonic() > began + timeout_s:
            break
        time.sleep(POLL_S)
    return _conclude(containers, revision, timeout_s)


def _named(container: Document) -> str:
    return f"{container.get('name')} on {container.get('host')}"


def _stands(container: Document, revision: int) -> str:
    """in-sync, pending, blocked, failed or lost, as seen from a write at `revision`."""
    state = str(container.get("state"))
    if state == "in-sync" and integer(container.get("revision")) >= revision:
        return state
    if container.get("alive") is False:
        return "lost"
    return state if integer(container.get("revision")) >= revision and state != "in-sync" else "pending"


def _tell(containers: Iterable[Document], revision: int, told: dict[str, str]) -> None:
    for container in containers:
        name, stands = _named(container), _stands(container, revision)
        detail = container.get("detail") if stands == container.get("state") else None  # else it tells of before
        line = f"{name}: {stands}" + (f", {detail}" if detail else "")
        if told.get(name) != line:
            told[name] = line
            say(cell(line))


def _conclude(containers: Iterable[Document], revision: int, timeout_s: float) -> bool:
    states = {_named(one): _stands(one, revision) for one in containers}
    late = {
        name: "timed out" if state == "pending" else state for name, state in states.items() if state != "in-sync"
    }
    if states and not late:
        say(f"in effect in {len(states)} of {len(states)} containers")
        return True
    which = ", ".join(f"{name} ({state})" for name, state in late.items()) or f"no answer within {timeout_s:g} s"
    say(f"stored, but not in effect everywhere: {which}; 'confctl why CONTAINER' tells the reason")
    return False
