"""The command tree: which command lives in which module, and the one edge where errors become exit codes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from confd.cli.scope import Common, common_options

__all__ = ["COMMANDS", "Program", "confctl"]

COMMANDS = {
    "set": ("settings", "Store settings of APP, all in one change."),
    "get": ("settings", "Print the settings of APP, or the bare value of one KEY."),
    "unset": ("settings", "Take settings of APP away."),
    "list": ("settings", "List the apps and their envs, or the keys of APP."),
    "explain": ("settings", "Say which layer KEY comes from."),
    "import": ("files", "Store the settings of a FILE in one change ('-' is stdin)."),
    "export": ("files", "Write the settings of APP to stdout."),
    "apply": ("apply", "Bring in what manifests say, all checked before the first is written."),
    "edit": ("edit", "Edit the layer of APP in $VISUAL or $EDITOR."),
    "sync": ("sync", "Keep the layer of APP equal to the files of a directory."),
    "history": ("history", "List the changes that reach APP, of all layers, newest first."),
    "show": ("history", "Show change N of APP."),
    "diff": ("diff", "Compare APP with another env, a change, a FILE, or what runs."),
    "rollback": ("history", "Bring back an earlier state of APP."),
    "outofband": ("outofband", "List, adopt or undo what was put straight into etcd for APP."),
    "env": ("env", "Read and set what an env asks of its changes."),
    "promote": (
        "promote",
        "Carry settings of APP, or of all apps, over from one env to another.",
    ),
    "propose": ("proposals", "Propose a change of APP, for somebody else to approve."),
    "proposals": ("proposals", "List what waits for approval, of all layers that reach APP, or show one proposal."),
    "approve": ("proposals", "Approve the proposal ID of somebody else."),
    "reject": ("proposals", "Turn the proposal ID down, or take one's own back."),
    "rebase": ("proposals", "Put one's own proposal ID on what is there now."),
    "binding": ("binding", "Read, check and store the binding of an app."),
    "policy": ("policy", "Read, check and store what containers of an env may be run with."),
    "schema": ("schema", "Read, try and store the schema of an app."),
    "find": ("find", "Find settings of all apps and envs by key or value."),
    "backup": ("backup", "Save everything in the store to FILE ('-' is stdout)."),
    "restore": ("backup", "Put a backup FILE into an empty store ('-' is stdin)."),
    "hosts": ("fleet", "List the Docker hosts, alive or lost."),
    "plan": ("delivery", "Show what will be done to the containers of APP, and why."),
    "status": ("delivery", "Show where every container of APP stands."),
    "watch": ("delivery", "Print each change of APP's settings as it comes."),
    "adopt": ("care", "Let settings into containers of APP that ran before their host was watched."),
    "resume": ("care", "Let agents go on that doubt the store."),
    "upgrade": ("fleet", "Raise the store's format, once every agent is of this release."),
    "rotate": ("secrets", "Change the keys under which secrets stand in the store."),
    "audit": ("secrets", "List who was shown which secrets, and who changed their keys."),
    "freeze": ("brakes", "Stop all actions on APP, an env, a host, or everything."),
    "unfreeze": ("brakes", "Take the brake off APP, an env, a host, or everything."),
    "why": ("fleet", "Say what was done to CONTAINER, when, and for which change."),
    "run": ("process", "Run COMMAND with the variables of APP."),
    "doctor": ("doctor", "Look for the usual faults, and say how to mend them."),
    "completion": ("completion", "Print the completion script of SHELL."),
}
"""Command to its module of confd.cli, where it is the attribute `<name>_command`, and to its line of help.

The line stands here so that `confctl --help` imports no command; a test compares it with the command's own.
"""


class Program(click.Group):
    """A group that imports a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"confd.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run and exit: 0, or the exit code of what went wrong, with words on stderr and no traceback."""
        extra["standalone_mode"] = False
        try:
            code = super().main(args, *rest, **extra)
            sys.stdout.flush()
        except BaseException as exc:
            code = _explain(exc)
        sys.exit(code if isinstance(code, int) else 0)


def _explain(exc: BaseException) -> int:
    from confd.errors import ConfdError

    if isinstance(exc, SystemExit):
        return exc.code if isinstance(exc.code, int) else 1
    if isinstance(exc, ConfdError):
        where = f" (at {exc.pointer})" if exc.pointer and exc.pointer not in exc.detail else ""
        click.echo(f"error: {exc.detail}{where}", err=True)
        return exc.exit_code
    if isinstance(exc, click.ClickException):
        exc.show()
        return 2
    return _explain_rest(exc)


def _explain_rest(exc: BaseException) -> int:
    from confd.errors import Malformed

    if isinstance(exc, (KeyboardInterrupt, click.Abort)):
        return 130
    if isinstance(exc, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    if os.environ.get("CONFD_DEBUG"):
        raise exc
    if isinstance(exc, UnicodeEncodeError) and exc.reason.startswith("surrogates"):
        click.echo("error: an argument holds bytes that are not UTF-8; nothing was sent", err=True)
        return Malformed.exit_code
    click.echo(f"error: a fault of confctl itself: {type(exc).__name__}; CONFD_DEBUG=1 shows where", err=True)
    return 70


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 'diff' found differences; 2 wrong usage; 3 stored, but not in effect everywhere; "
    "65 invalid; 66 not found; 69 server out of reach; 75 conflict, try again; 77 refused; 78 bad configuration.",
)
@common_options
@click.version_option(package_name="confd", prog_name="confctl")
@click.pass_context
def confctl(ctx: click.Context, common: Common) -> None:
    """Change, read and follow the settings of running containers.

    Data goes to stdout, words to stderr. Options that every command takes may stand before or after the
    command.

    \b
    Examples:
      confctl set web LOG_LEVEL=debug -e dev --wait   # store it, wait until every container has it
      confctl explain web LOG_LEVEL -e dev            # which layer it comes from
      confctl rollback web -e dev --wait              # take the last change back
      confctl doctor                                  # what is wrong, and how to mend it
    """
    ctx.obj = common
