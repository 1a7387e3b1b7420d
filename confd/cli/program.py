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
    "set": "settings",
    "get": "settings",
    "unset": "settings",
    "list": "settings",
    "explain": "settings",
    "import": "files",
    "export": "files",
    "history": "history",
    "show": "history",
    "diff": "history",
    "rollback": "history",
    "binding": "binding",
    "hosts": "delivery",
    "plan": "delivery",
    "status": "delivery",
    "watch": "delivery",
    "why": "delivery",
    "run": "process",
    "doctor": "doctor",
    "completion": "completion",
}
"""Command to module of confd.cli; the command is the module's attribute `<name>_command`."""


class Program(click.Group):
    """A group that imports a command's module when the command is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"confd.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

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
    if isinstance(exc, (KeyboardInterrupt, click.Abort)):
        return 130
    if isinstance(exc, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    if os.environ.get("CONFD_DEBUG"):
        raise exc
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
