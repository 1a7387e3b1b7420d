"""`confctl run`: a command with an app's variables, for trying things on one's own machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

import click

from confd.cli.output import say, say_left_out
from confd.cli.scope import Common, common_options
from confd.client import Client, Scope, integer
from confd.errors import ConfdError

__all__ = ["run_command"]

STOP_S = 10.0


@click.command("run", context_settings={"ignore_unknown_options": False})
@click.argument("app")
@click.option("--watch", is_flag=True, help="Start the command anew when a variable changes.")
@click.option("--reveal", is_flag=True, help="Give it the secrets too, as variables, if you may.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND ...")
@common_options
def run_command(common: Common, app: str, watch: bool, reveal: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND with the variables of APP.

    The exit code is that of COMMAND. Secrets are left out unless --reveal asks for them: then each is a variable,
    whatever the binding says.

    \b
    Examples:
      confctl run web -e dev -- env
      confctl run web -e dev --reveal -- ./migrate
      confctl run web -e dev --watch -- python3 app.py
    """
    client, scope = common.client(), common.scope(app)
    config = client.config(scope, reveal=reveal)
    say_left_out(config, reveal=reveal)
    if config.get("files"):
        say("this app also has files; 'run' gives variables only")
    sys.stdout.flush()
    if watch:
        code = _Respawner(client, scope, command, reveal).run(integer(config["revision"]), _variables(config))
        click.get_current_context().exit(code)
    try:
        os.execvpe(command[0], list(command), _environment(_variables(config)))  # noqa: S606 - that is the task
    except OSError as exc:
        click.get_current_context().exit(_cannot_start(command[0], exc))


def _variables(config: Mapping[str, Any]) -> Mapping[str, str]:
    """The variables, and the secrets in place of those that tell where their files are."""
    secrets: Mapping[str, str] = config.get("secrets") or {}
    paths = {f"{name}_FILE" for name in secrets}
    return {name: text for name, text in config["variables"].items() if name not in paths} | dict(secrets)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name not in ("CONFD_TOKEN", "CONFD_TOKEN_FILE")}
    return own | dict(variables)


def _cannot_start(command: str, exc: OSError) -> int:
    say(f"error: {command} cannot be started: {exc.strerror}")
    return 127 if isinstance(exc, FileNotFoundError) else 126


class _Respawner:
    """Runs the command, and runs it anew with each new set of variables, until it ends by itself."""

    def __init__(self, client: Client, scope: Scope, command: tuple[str, ...], reveal: bool) -> None:
        self._client, self._scope, self._command, self._reveal = client, scope, command, reveal
        self._next: Mapping[str, str] | None = None
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, revision: int, variables: Mapping[str, str]) -> int:
        threading.Thread(target=self._follow, args=(revision, variables), daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._forward)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            while True:
                code = self._once(variables)
                if code is not None:
                    return code
                variables, self._next = self._next or variables, None
                say("the settings changed: starting the command anew")
        finally:
            self._ended.set()

    def _once(self, variables: Mapping[str, str]) -> int | None:
        """Run the child to its end: its exit code, or None when it was stopped for new variables."""
        try:
            self._child = child = subprocess.Popen(  # noqa: S603 - the user's own command
                self._command,
                env=_environment(variables),
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,  # noqa: PLW1509
            )
        except OSError as exc:
            return _cannot_start(self._command[0], exc)
        threading.Thread(target=self._reap, args=(child,), daemon=True).start()
        while (code := child.poll()) is None and self._next is None:
            self._wake.wait(1.0)
            self._wake.clear()
        if code is not None:
            return 128 - code if code < 0 else code
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        return None

    def _reap(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        if child is self._child:
            self._wake.set()

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self._child is not None:
            self._child.send_signal(number)

    def _follow(self, revision: int, variables: Mapping[str, str]) -> None:
        while not self._ended.is_set():
            try:
                config = self._client.next_config(self._scope, revision, reveal=self._reveal)
            except ConfdError as exc:
                say(f"{exc.detail}; the command goes on with what it has")
                self._ended.wait(2.0)
                continue
            if config is None:
                continue
            revision = integer(config["revision"])
            if _variables(config) != variables:
                variables = _variables(config)
                self._next = variables
                self._wake.set()
