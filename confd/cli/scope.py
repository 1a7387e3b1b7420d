"""The options that every command takes, and what they mean: flag, else variable, else context of the file.

The file is `~/.config/confd/config.toml` (`XDG_CONFIG_HOME` is respected):

    current = "local"
    [contexts.local]
    server = "unix:/home/me/.local/share/confd/api/confd.sock"
    token_file = "/home/me/.local/share/confd/api/token"
    env = "dev"
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from confd.client import Client, Scope

__all__ = ["Common", "common_options", "config_path"]

P = ParamSpec("P")
R = TypeVar("R")


def _named(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Refuse an empty word: `-e "$ENV"` with the variable not set must not reach the context's env."""
    if text == "":
        raise click.BadParameter("it is empty; leave the option away, or give it a value")
    return text


OPTIONS = (
    click.option(
        "--server", metavar="URL", callback=_named, help="http://HOST:PORT or unix:PATH.  [env: CONFD_SERVER]"
    ),
    click.option(
        "--token",
        metavar="TEXT",
        callback=_named,
        help="The API's token; CONFD_TOKEN_FILE names a file with it.  [env: CONFD_TOKEN, CONFD_TOKEN_FILE]",
    ),
    click.option(
        "--context", metavar="NAME", callback=_named, help="A context of the config file.  [env: CONFD_CONTEXT]"
    ),
    click.option(
        "-e", "--env", metavar="ENV", callback=_named, help="The deployment environment.  [env: CONFD_ENV]"
    ),
    click.option(
        "--host", metavar="HOST", callback=_named, help="The layer, or the containers, of one Docker host."
    ),
    click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), help="How data is written."),
)


@dataclass(frozen=True, slots=True)
class Common:
    """The common options; what was not given is None."""

    server: str | None = None
    token: str | None = None
    context: str | None = None
    env: str | None = None
    host: str | None = None
    output: str | None = None

    def over(self, below: Common | None) -> Common:
        """These options, and those given before the command where these say nothing."""
        if below is None:
            return self
        return Common(**{f.name: getattr(self, f.name) or getattr(below, f.name) for f in fields(self)})

    def find_env(self) -> str | None:
        """The env from flag, variable or context."""
        return self.env or os.environ.get("CONFD_ENV") or self._context().get("env")

    def find_server(self) -> str:
        """The server from flag, variable or context, else the default one."""
        from confd.client import DEFAULT_SERVER

        return self._named_server() or self._context().get("server") or DEFAULT_SERVER

    def find_token(self) -> str | None:
        """The token. A context's token goes to that context's server and to no other."""
        if self.token or os.environ.get("CONFD_TOKEN"):
            return self.token or os.environ["CONFD_TOKEN"]
        if os.environ.get("CONFD_TOKEN_FILE"):
            return _read_token(os.environ["CONFD_TOKEN_FILE"])
        context = self._context()
        if context.get("token_file") and self.find_server() == context.get("server", self.find_server()):
            return _read_token(context["token_file"])
        return None

    def client(self) -> Client:
        """The client of the server that is meant."""
        import getpass

        from confd.client import Client, HttpTransport

        try:
            author = getpass.getuser()
        except (KeyError, OSError):
            author = f"uid {os.getuid()}"
        return Client(HttpTransport(self.find_server()), self.find_token(), author)

    def scope(self, app: str) -> Scope:
        """The app in the env (on the host). No env is a usage error: nothing is guessed."""
        from confd.client import Scope
        from confd.keys import parse_app, parse_env, parse_host

        env = self.find_env()
        if not env:
            raise click.UsageError("Which env? Give -e ENV, set CONFD_ENV, or name one in the context.")
        return Scope(parse_app(app), parse_env(env), parse_host(self.host) if self.host else None)

    def _named_server(self) -> str | None:
        return self.server or os.environ.get("CONFD_SERVER")

    def _context(self) -> Mapping[str, str]:
        return _read_context(self.context or os.environ.get("CONFD_CONTEXT"))


def config_path() -> Path:
    """Where the contexts stand."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "confd" / "config.toml"


@functools.cache
def _read_contexts(path: Path, _changed: int) -> Mapping[str, Any]:
    import tomllib

    from confd.errors import Configuration

    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as exc:
        raise Configuration(f"{path} cannot be read: {exc}; mend it, or move it away") from exc


def _read_context(name: str | None) -> Mapping[str, str]:
    from confd.errors import Configuration

    path = config_path()
    try:
        document = _read_contexts(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        document = {}
    name = name or document.get("current")
    contexts = document.get("contexts", {})
    if name is None:
        return {}
    if not isinstance(contexts, dict) or not isinstance(contexts.get(name), dict):
        raise Configuration(f"{path} has no [contexts.{name}]; add it, or name another with --context")
    for field, value in contexts[name].items():
        if not isinstance(value, str):
            raise Configuration(f"{path}: {field} of [contexts.{name}] must be a string")
    return dict(contexts[name])


def _read_token(path: str) -> str:
    from confd.errors import Configuration

    try:
        return Path(path).expanduser().read_text().strip()
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "not text"
        raise Configuration(
            f"the token file {path} cannot be read: {reason}; name another with CONFD_TOKEN_FILE"
        ) from exc


def common_options(function: Callable[..., R]) -> Callable[..., R]:
    """Give a command the common options, as its parameter `common`."""

    @functools.wraps(function)
    def command(*args: Any, **given: Any) -> R:
        mine = Common(**{f.name: given.pop(f.name) for f in fields(Common)})
        below = click.get_current_context().obj
        return function(*args, common=mine.over(below if isinstance(below, Common) else None), **given)

    wrapped: Callable[..., R] = command
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
