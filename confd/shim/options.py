"""What the command line and the CONFD_ variables ask for."""

from __future__ import annotations

import os
import signal

from confd.shim.server import Server
from confd.shim.told import CONFIGURATION, USAGE, ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Base = Mapping[bytes, bytes]

__all__ = [
    "USAGE_TEXT",
    "Options",
    "command_of",
    "parse_duration",
    "parse_on_change",
    "parse_options",
    "parse_signal",
]

SHELL_SYNTAX = frozenset("|&;<>()$`\\\"'*?[]#~%!{}\n")
SHELL_LISTS = frozenset("|&;()\n!{}")

USAGE_TEXT = """\
usage: confd-entrypoint [OPTIONS] [--] COMMAND [ARGUMENT ...]

Start COMMAND with the settings of an app as variables, and act when they change.
Each option is also read from the variable CONFD_..., as CONFD_APP for --app.

  --app APP                whose settings (required)
  --env ENV                of which deployment environment (required)
  --host HOST              with the overrides of this host
  --server URL             http://HOST:PORT, https://HOST:PORT or unix:PATH (http://127.0.0.1:8700)
  --token-file FILE        file with the bearer token, read again for every request
  --source http            where settings come from
  --on-change ACTION       respawn, signal:NAME, exit or none (respawn)
  --stop-signal NAME       what asks the child to end (TERM)
  --stop-timeout TIME      then it is killed, with its whole group (10s)
  --start-timeout TIME     how long to try for the first settings (60s)
  --splay TIME             wait a random time up to this before acting on a change (0s)
  --once                   fetch once, do not follow changes
  --pristine               pass on only PATH, HOME, HOSTNAME and TERM besides the settings
  --no-limits              leave out CONFD_LIMIT_MEMORY_BYTES, _CPUS, _PIDS and _NOFILE
  --help

Examples:
  confd-entrypoint --app web --env prod --server http://10.0.0.1:8700 --token-file /run/token -- myapp --verbose
  ENTRYPOINT ["confd-entrypoint", "--"]       in an image; docker run -e CONFD_APP=web -e CONFD_ENV=prod ...
"""

DEFAULTS = {
    "app": "", "env": "", "host": "", "server": "http://127.0.0.1:8700", "token-file": "", "source": "http",
    "on-change": "respawn", "stop-signal": "TERM", "stop-timeout": "10s", "start-timeout": "60s", "splay": "0s",
}  # fmt: skip
SWITCHES = ("once", "pristine", "no-limits")


class Options:
    """What the command line and the CONFD_ variables ask for."""

    __slots__ = (
        "app", "command", "env", "follow", "host", "limits", "on_change", "pristine", "server",
        "signal_on_change", "splay_s", "start_timeout_s", "stop_signal", "stop_timeout_s", "token_file",
    )  # fmt: skip

    def __init__(self, texts: Mapping[str, str], command: Sequence[str]) -> None:
        if not command:
            raise ValueError(
                "no command; give it after --, as in: confd-entrypoint --app web --env prod -- /srv/web"
            )
        for name in ("app", "env"):
            if not texts[name]:
                raise ValueError(f"--{name} is required, also as CONFD_{name.upper()}")
        if texts["source"] != "http":
            raise ValueError("--source: only http is supported")
        self.app, self.env, self.host = texts["app"], texts["env"], texts["host"]
        self.server = Server(texts["server"])
        self.token_file = texts["token-file"]
        self.on_change, self.signal_on_change = parse_on_change(texts["on-change"])
        self.stop_signal = parse_signal("--stop-signal", texts["stop-signal"])
        self.stop_timeout_s = parse_duration("--stop-timeout", texts["stop-timeout"])
        self.start_timeout_s = parse_duration("--start-timeout", texts["start-timeout"])
        self.splay_s = parse_duration("--splay", texts["splay"])
        self.follow = not texts["once"] and self.on_change != "none"
        self.pristine, self.limits = bool(texts["pristine"]), not texts["no-limits"]
        self.command = command_of(command)


def parse_options(arguments: Sequence[str], environ: Base) -> Options:
    """Options from variables, then flags. Raises ShimError 64, or 78 when the flags alone are not to blame."""
    variables, from_variables = _from_variables(environ)
    try:
        flags, command = _from_flags(arguments)
        return Options({**DEFAULTS, **dict.fromkeys(SWITCHES, ""), **variables, **flags}, command)
    except ValueError as exc:
        name = str(exc).split(":")[0].removeprefix("--")
        told_by_variable = name in from_variables and f"--{name}" not in " ".join(arguments)
        code = CONFIGURATION if told_by_variable else USAGE
        raise ShimError(code, str(exc)) from exc


def _from_variables(environ: Base) -> tuple[dict[str, str], set[str]]:
    texts: dict[str, str] = {}
    for name in (*DEFAULTS, *SWITCHES):
        value = environ.get(b"CONFD_" + name.upper().replace("-", "_").encode())
        if value:
            texts[name] = os.fsdecode(value)
    for name in SWITCHES:
        if texts.get(name, "").lower() in ("0", "false", "no", "off"):
            texts[name] = ""
    return texts, set(texts)


def _from_flags(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    texts: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if flag == "--":
            break
        name, equals, value = flag.removeprefix("--").partition("=")
        if flag.startswith("--") and name in SWITCHES and not equals:
            texts[name] = "yes"
        elif flag.startswith("--") and name in DEFAULTS:
            if not equals and not rest:
                raise ValueError(f"--{name}: needs a value")
            texts[name] = value if equals else rest.pop(0)
        else:
            raise ValueError(f"unknown option {flag.partition('=')[0]}; see --help")
    return texts, rest


def parse_duration(name: str, text: str) -> float:
    """Seconds of `10s`, `500ms`, `1m`, `1h`, or a number of seconds."""
    number = text.rstrip("hms")
    factor = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}.get(text[len(number) :])
    if factor is None or not number.replace(".", "", 1).isdecimal() or float(number) * factor > 1e6:
        raise ValueError(f"{name}: not a duration; write it like 10s, 500ms or 1m")
    return float(number) * factor


def parse_signal(name: str, text: str) -> int:
    """The number of `TERM`, `SIGTERM`, `15` or `RTMIN+3`."""
    base, _, offset = text.upper().removeprefix("SIG").partition("+")
    numbers = {known.name.removeprefix("SIG"): int(known) for known in signal.Signals}
    number = int(base) if base.isdecimal() else numbers.get(base, 0)
    number += int(offset) if offset.isdecimal() else 0
    if number not in signal.valid_signals():
        raise ValueError(f"{name}: not a signal; write its name, as HUP or TERM")
    return number


def parse_on_change(text: str) -> tuple[str, int]:
    """The action and, for `signal:NAME`, the signal's number."""
    action, _, name = text.partition(":")
    if action == "signal" and name:
        return action, parse_signal("--on-change", name)
    if text not in ("respawn", "exit", "none"):
        raise ValueError("--on-change: write respawn, signal:NAME, exit or none")
    return action, 0


def command_of(command: Sequence[str]) -> list[str]:
    """The argument vector. A command given as one string runs with no shell between it and its signals."""
    line = command[0]
    if len(command) > 1 or not any(c.isspace() for c in line.strip()) or os.path.exists(line):
        return list(command)
    if not SHELL_SYNTAX.intersection(line) and "=" not in line.split()[0]:
        return line.split()
    simple = not SHELL_LISTS.intersection(line) and "=" not in line.split()[0]
    return ["/bin/sh", "-c", f"exec {line}" if simple else line]
