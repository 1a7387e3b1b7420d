#!/usr/bin/env python3
"""Start one command with its settings as variables, and keep it in step with them.

    confd-entrypoint [OPTIONS] [--] COMMAND [ARGUMENT ...]

For images: it is one file, needs the standard library only, runs as `python3 -I -S entrypoint.py`, and serves as
PID 1. A thread fetches (`Feed`); signals and its answers meet in one pipe; `Supervisor` alone starts, signals,
stops and reaps the child. Start-up time and memory are budgeted, so no dataclasses, typing, argparse, http.client
or subprocess here, and ssl only for https. It must not know anything else of confd, and never prints a value.

Exit codes: the child's own; 128+n when signal n ended it; 126 and 127 when the command cannot be executed or is not
found; before a child ran: 64 usage, 69 no settings to be had, 77 refused, 78 configuration.
"""

from __future__ import annotations

import _thread
import errno
import os
import select
import signal
import socket
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Base = Mapping[bytes, bytes]
    Variables = Mapping[str, str | None]

__all__ = ["main", "run"]

USAGE, UNAVAILABLE, REFUSED, CONFIGURATION = 64, 69, 77, 78
CANNOT_EXECUTE, NOT_FOUND = 126, 127

WAIT_S = 55
ANSWER_TIMEOUT_S = 10.0
BACKOFF_S = (1.0, 60.0)
BACKOFF_BEFORE_START_S = 5.0
GROUP_POLL_S = 0.02
READY_POLL_S = 0.1
BODY_LIMIT = 64 * 1024 * 1024
HEAD_LIMIT = 64 * 1024

PRISTINE_KEEPS = (b"PATH", b"HOME", b"HOSTNAME", b"TERM")
NEVER_FORWARDED = frozenset({
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD,  # not catchable, or ours
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS,
    signal.SIGPIPE, signal.SIGXFSZ,  # the shim's own writes raise them; Python ignores them, the child does not
})  # fmt: skip
SUSPENDS = frozenset({signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU})
SHUTS_DOWN = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
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


class ShimError(Exception):
    """Ends the shim before a child runs: exit code and a sentence that holds no value."""

    def __init__(self, exit_code: int, detail: str) -> None:
        super().__init__(detail)
        self.exit_code = exit_code
        self.detail = detail


class FetchError(Exception):
    """A fetch that brought no settings. `final_code` says that another try at start is of no use."""

    def __init__(self, detail: str, *, final_code: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(detail)
        self.detail = detail
        self.final_code = final_code
        self.retry_after_s = retry_after_s


def say(text: str) -> None:
    """One line for the log; a closed or full log is nobody's reason to stop."""
    try:
        os.write(2, f"confd-entrypoint: {text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        return


# Options


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


# HTTP


class Server:
    """Where the API listens: a host and port, with or without TLS, or a unix socket."""

    __slots__ = ("host", "path", "port", "prefix", "tls")

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("unix:").removeprefix("//") if url.startswith("unix:") else ""
        self.host, self.port, self.prefix, self.tls = "localhost", 0, "", url.startswith("https://")
        if self.path:
            return
        scheme, separator, rest = url.partition("://")
        netloc, slash, prefix = rest.partition("/")
        host, _, port = netloc.rpartition(":") if not netloc.endswith("]") else (netloc, "", "")
        if not host and ":" not in netloc:
            host, port = netloc, ""
        port = port or ("443" if self.tls else "80")
        if not separator or scheme not in ("http", "https") or not host or not port.isdecimal() or "@" in host:
            raise ValueError("--server: write http://HOST:PORT, https://HOST:PORT or unix:PATH")
        self.host, self.port, self.prefix = host.strip("[]"), int(port), (slash + prefix).rstrip("/")

    def connect(self, timeout_s: float) -> socket.socket:
        """A connected socket. Raises OSError."""
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout_s)
            connection.connect(self.path)
            return connection
        connection = socket.create_connection((self.host, self.port), timeout_s)
        if not self.tls:
            return connection
        import ssl

        return ssl.create_default_context().wrap_socket(connection, server_hostname=self.host)

    @property
    def authority(self) -> str:
        """What stands in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.path else f"{host}:{self.port}"


class Reader:
    """Reads one HTTP/1.1 answer off a socket, until a deadline."""

    __slots__ = ("_buffer", "_connection", "_deadline")

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline, self._buffer = connection, deadline, bytearray()

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and the body. Raises OSError and FetchError."""
        status_line = self._line().split(" ", 2)
        if len(status_line) < 2 or not status_line[0].startswith("HTTP/1.") or not status_line[1].isdecimal():
            raise FetchError("the server does not speak HTTP")
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        status = int(status_line[1])
        return status, headers, b"" if status in (204, 304) else self._body(headers)

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = headers.get("content-length")
        if length is not None:
            return self._exactly(_number(length, 10))
        while self._more():
            self._check_size(len(self._buffer))
        return bytes(self._buffer)

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := _number(self._line().partition(";")[0].strip(), 16):
            self._check_size(len(body) + size)
            body += self._exactly(size)
            self._line()
        while self._line():
            continue
        return bytes(body)

    def _exactly(self, size: int) -> bytes:
        self._check_size(size)
        while len(self._buffer) < size:
            self._more_or_fail()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _line(self) -> str:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise FetchError("the answer's head is too long")
            self._more_or_fail()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.rstrip(b"\r").decode("latin-1")

    def _more_or_fail(self) -> None:
        if not self._more():
            raise FetchError("the answer ended early")

    def _more(self) -> bool:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise FetchError("the answer took too long")
        self._connection.settimeout(left_s)
        data = self._connection.recv(65536)
        self._buffer += data
        return bool(data)

    @staticmethod
    def _check_size(size: int) -> None:
        if size > BODY_LIMIT:
            raise FetchError("the answer is too large")


def _number(text: str, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError:
        number = -1
    if number < 0:
        raise FetchError("the answer's length is not a number")
    return number


def quote(text: str) -> str:
    """Percent-encode all but unreserved characters."""
    safe = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(chr(b) if b in safe else f"%{b:02X}" for b in os.fsencode(text))


# Settings


class Settings:
    """What one answer said: the revision to go on from, the variables, and whether fewer of them are meant.

    The digest is left alone: it also covers what is the agent's to do, and the child is due only its variables.
    """

    __slots__ = ("allow_shrink", "revision", "variables")

    def __init__(self, revision: int, variables: Variables, *, allow_shrink: bool = True) -> None:
        self.revision, self.variables, self.allow_shrink = revision, variables, allow_shrink

    def lost(self, before: Settings) -> str:
        """How much has gone since, in words; empty where it is meant, or no more than a third."""
        was, now = before.names(), self.names()
        gone = len(was - now)
        if self.allow_shrink or not gone or not (gone == len(was) or (gone > 1 and 3 * gone > len(was))):
            return ""
        return f"{gone} of {len(was)} variables are suddenly gone, without any change"

    def names(self) -> set[str]:
        """The variables that are set."""
        return {name for name, text in self.variables.items() if text is not None}


def parse_settings(body: bytes) -> Settings:
    """The settings of an answer's body. Raises FetchError, which names a variable but no value."""
    import json

    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise FetchError("the answer is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("variables"), dict):
        raise FetchError("the answer holds no variables")
    variables: dict[str, str | None] = {}
    for name, value in answer["variables"].items():
        if not name or "=" in name or not _passable(name) or not (value is None or _passable(value)):
            raise FetchError(f"the answer holds a variable that no process can be given: {name!r}")
        variables[name] = value
    revision = answer.get("revision")
    meant = answer.get("allow_shrink") is not False
    return Settings(revision if isinstance(revision, int) else 0, variables, allow_shrink=meant)


def _passable(text: object) -> bool:
    if not isinstance(text, str) or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_token(path: str) -> str:
    """The token in the file. Raises FetchError, final with 78."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read(HEAD_LIMIT).strip()
    except (OSError, ValueError) as exc:
        why = os.strerror(exc.errno or 0) if isinstance(exc, OSError) else "not text"
        raise FetchError(f"cannot read the token file {path}: {why}", final_code=CONFIGURATION) from exc
    if not token or not token.isprintable() or " " in token:
        raise FetchError(f"the token file {path} holds no token", final_code=CONFIGURATION)
    return token


def fetch(options: Options, index: int | None) -> Settings | None:
    """One request; with an index it waits for a change. None when there was none. Raises FetchError."""
    query = f"format=json&instance={quote(os.uname().nodename)}"
    query += f"&host={quote(options.host)}" if options.host else ""
    query += f"&index={index}&wait={WAIT_S}s" if index is not None else ""
    path = f"{options.server.prefix}/v1/apps/{quote(options.app)}/envs/{quote(options.env)}/config?{query}"
    lines = [f"GET {path} HTTP/1.1", f"Host: {options.server.authority}", "Accept: application/json"]
    if options.token_file:
        lines.append(f"Authorization: Bearer {read_token(options.token_file)}")
    lines += ["User-Agent: confd-entrypoint", "Connection: close", "", ""]
    deadline = time.monotonic() + ANSWER_TIMEOUT_S + (WAIT_S if index is not None else 0)
    try:
        with options.server.connect(ANSWER_TIMEOUT_S) as connection:
            connection.sendall("\r\n".join(lines).encode("ascii"))
            status, headers, body = Reader(connection, deadline).answer()
    except OSError as exc:
        why = exc.strerror or "no answer in time" if not isinstance(exc, TimeoutError) else "no answer in time"
        raise FetchError(f"the server is out of reach: {why}") from exc
    if status == 200:
        return parse_settings(body)
    if status == 304 and index is not None:
        return None
    raise _refusal(status, headers, body)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> FetchError:
    final = None
    if status in (401, 403):
        final = REFUSED
    elif 300 <= status < 500 and status not in (408, 425, 429):
        final = CONFIGURATION
    after = headers.get("retry-after", "")
    retry_after_s = min(float(after), BACKOFF_S[1]) if after.isdecimal() else 0.0
    detail = f"the server answered {status}"
    if headers.get("content-type", "").startswith("application/problem+json"):
        import json

        try:
            told = json.loads(body).get("detail", "")
        except (ValueError, AttributeError, RecursionError):
            told = ""
        detail += f": {told[:300]}" if isinstance(told, str) and told.isprintable() and told else ""
    return FetchError(detail, final_code=final, retry_after_s=retry_after_s)


def random_part() -> float:
    """A random number from 0 to 1, without the cost of the random module."""
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


def backoff_s(failures: int, *, started: bool) -> float:
    """The pause after so many failures in a row, with jitter."""
    least, most = BACKOFF_S
    most = most if started else BACKOFF_BEFORE_START_S
    return max(least, min(most, 2.0 ** min(failures, 10)) * (0.5 + random_part() / 2))


class Feed:
    """A thread that fetches, then follows; what it learns waits in `inbox`, with a zero byte in the pipe."""

    __slots__ = ("_options", "_wake", "inbox")

    def __init__(self, options: Options, wake: int) -> None:
        self._options, self._wake = options, wake
        self.inbox: list[Settings | FetchError] = []

    def start(self) -> None:
        """Begin. The thread ends with the process: it holds nothing that needs an orderly end."""
        _thread.start_new_thread(self._follow, ())

    def _follow(self) -> None:
        known: Settings | None = None
        failures = 0
        while known is None or self._options.follow:
            began = time.monotonic()
            try:
                answer = fetch(self._options, None if known is None else known.revision)
            except Exception as exc:  # noqa: BLE001, RUF100 - the worker loop's edge: it must outlive any one answer
                failures += 1
                error = exc if isinstance(exc, FetchError) else FetchError(f"fault: {type(exc).__name__}")
                self._tell(error)
                time.sleep(max(backoff_s(failures, started=known is not None), error.retry_after_s))
                continue
            failures = 0
            if answer is not None:
                unchanged = known is not None and answer.variables == known.variables
                known = answer
                self._tell(answer)
                if unchanged and time.monotonic() - began < BACKOFF_S[0]:
                    time.sleep(BACKOFF_S[0])  # a server that does not wait is not asked in a tight loop

    def _tell(self, news: Settings | FetchError) -> None:
        self.inbox.append(news)
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:
            return  # the pipe is full: the reader wakes anyway


# Limits


def read_limits() -> dict[bytes, bytes]:
    """CONFD_LIMIT_... from the cgroup (version 1 or 2), CPU set and resource limits; only what is limited."""
    limits: dict[str, str] = {}
    memory = _least(["memory.max", "memory/memory.limit_in_bytes"], "memory")
    pids = _least(["pids.max", "pids/pids.max"], "pids")
    cpus = _cpus()
    if memory is not None and memory < 1 << 60:
        limits["MEMORY_BYTES"] = str(memory)
    if cpus is not None:
        limits["CPUS"] = f"{cpus:.3f}".rstrip("0").rstrip(".")
    if pids is not None:
        limits["PIDS"] = str(pids)
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:
        limits["NOFILE"] = str(files)
    return {f"CONFD_LIMIT_{name}".encode(): value.encode() for name, value in limits.items()}


def _cgroup_file(name: str, controller: str) -> str:
    """The text of a cgroup file: of the own group where that is visible, else of the root, as in a container."""
    own = ""
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or controller in controllers.split(","):
            own = path.rstrip("/")
    folder, _, file = name.rpartition("/")
    root = f"/sys/fs/cgroup/{folder}".rstrip("/")
    return _read(f"{root}{own}/{file}") or _read(f"{root}/{file}")


def _least(names: Sequence[str], controller: str) -> int | None:
    numbers = [int(text) for text in (_cgroup_file(n, controller).strip() for n in names) if text.isdecimal()]
    return min(numbers, default=None)


def _cpus() -> float | None:
    counts: list[float] = []
    allowed = len(os.sched_getaffinity(0))
    if allowed < (os.cpu_count() or allowed):
        counts.append(float(allowed))
    quota_period = _cgroup_file("cpu.max", "cpu").split() or [
        _cgroup_file("cpu/cpu.cfs_quota_us", "cpu").strip(),
        _cgroup_file("cpu/cpu.cfs_period_us", "cpu").strip(),
    ]
    if len(quota_period) == 2 and all(text.isdecimal() and int(text) > 0 for text in quota_period):
        counts.append(int(quota_period[0]) / int(quota_period[1]))
    return min(counts, default=None)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


# Processes


def child_environment(options: Options, base: Base, variables: Variables) -> dict[bytes, bytes]:
    """The base, overlaid with limits and variables: one entry a name; what is unset shows the base again."""
    environment = {name: base[name] for name in PRISTINE_KEEPS if name in base} if options.pristine else dict(base)
    if options.limits:
        environment.update(read_limits())
    for name, value in variables.items():
        if value is None:
            environment.pop(name.encode(), None)
        else:
            environment[name.encode()] = value.encode()
    return environment


class Signals:
    """Handlers that only put the signal's number into a pipe, and what the child needs to start clean."""

    __slots__ = ("_reads", "forwarded", "wake")

    def __init__(self) -> None:
        self._reads, self.wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        # What was ignored when we started (nohup) stays so, for us and for the child.
        self.forwarded = [
            number
            for number in signal.valid_signals() - NEVER_FORWARDED
            if signal.getsignal(number) is not signal.SIG_IGN
        ]
        for number in (*self.forwarded, signal.SIGCHLD):
            signal.signal(number, _noted)

    def wait(self, timeout_s: float | None) -> list[int]:
        """The signals that arrived, and 0 for news of the feed. Waits for the first until the time is over."""
        poll = select.poll()
        poll.register(self._reads, select.POLLIN)
        poll.poll(None if timeout_s is None else max(0, int(timeout_s * 1000 + 0.999)))
        try:
            return list(os.read(self._reads, 4096))
        except BlockingIOError:
            return []

    def reset(self) -> None:
        """Give a forked child the default dispositions."""
        signal.set_wakeup_fd(-1)
        for number in (*self.forwarded, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)


def _noted(_number: int, _frame: object) -> None:
    """The wake-up pipe has the number already."""


class Terminal:
    """The terminal, when we own its foreground: the child's group gets it, at the end we take it back."""

    __slots__ = ("ours",)

    def __init__(self) -> None:
        try:
            self.ours = os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            self.ours = False

    def give(self, group: int) -> None:
        """Put the group into the foreground. SIGTTOU must be blocked, as we may be in the background."""
        if self.ours:
            try:
                os.tcsetpgrp(0, group)
            except OSError:
                return

    def take_back(self) -> None:
        """Put our own group into the foreground."""
        if self.ours:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
            self.give(os.getpgrp())


def spawn(command: list[str], environment: Base, signals: Signals, terminal: Terminal) -> int:
    """Start the command in a process group of its own; its id. Raises OSError when it cannot be executed."""
    reads, writes = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # none may hit the child half made
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            terminal.give(os.getpid())
            signals.reset()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.execvpe(command[0], command, environment)  # noqa: S606 - starting the command is what this is for
        except OSError as exc:
            os.write(writes, str(exc.errno or errno.EACCES).encode())
        finally:
            os._exit(CANNOT_EXECUTE)
    os.close(writes)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    failed = os.read(reads, 16)
    os.close(reads)
    if failed:
        os.waitpid(pid, 0)
        raise OSError(int(failed), os.strerror(int(failed)))
    return pid


def group_lives(group: int) -> bool:
    """Whether any process of the group still runs; a zombie that someone else must reap holds no port."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stats = (
        _read(f"/proc/{name}/stat").rpartition(")")[2].split() for name in os.listdir("/proc") if name.isdecimal()
    )
    return any(len(stat) > 2 and stat[2] == str(group) and stat[0] not in "ZX" for stat in stats)


def heeds(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal, or a thread keeps it back to wait for it; else it may die.

    While a thread is in sigwait the kernel shows the signals it waits for as not blocked: its call names them.
    """
    if number in (signal.SIGKILL, signal.SIGSTOP):
        return True
    try:
        threads = [f"/proc/{pid}/task/{name}" for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return True  # nothing is to be known here
    masks = (line for thread in threads for line in _read(f"{thread}/status").splitlines())
    known = (int(line[7:], 16) for line in masks if line.startswith(("SigCgt:", "SigBlk:")))
    bit = 1 << (number - 1)
    return any(mask & bit for mask in known) or any(_awaited(thread) & bit for thread in threads)


def _awaited(thread: str) -> int:
    """The signals that a thread waits for in sigwait: its call's first argument says where their set stands."""
    if "sigtimedwait" not in _read(f"{thread}/wchan"):
        return 0
    try:
        at = int(_read(f"{thread}/syscall").split()[1], 16)
        with open(f"{thread}/mem", "rb") as memory:
            memory.seek(at)
            return int.from_bytes(memory.read(8), sys.byteorder)
    except (OSError, ValueError, IndexError):
        return 0  # it runs again, or may not be looked at: what the masks show counts


class Supervisor:
    """Runs the one child: forwards signals, reaps, and acts on changes of its settings."""

    def __init__(self, options: Options, base: Base) -> None:
        self._options, self._base = options, base
        self._signals, self._terminal = Signals(), Terminal()
        self._feed = Feed(options, self._signals.wake)
        self._group = 0  # the child's process id and group; it keeps its value when the child has ended
        self._exit_code: int | None = None  # of the ended child
        self._settings: Settings | None = None  # those the child has
        self._next: Settings | None = None  # those it is due
        self._act_at: float | None = None
        self._kill_at: float | None = None
        self._replacing = False  # the child was asked to end because of a change
        self._asked_rest = False  # so was what it left behind in its group
        self._shutting_down = False
        self._suspended = False
        self._out_of_reach = False
        self._told_unready = False
        self._held = ""
        self._shutdown_signals = {*SHUTS_DOWN, options.stop_signal}

    def run(self) -> int:
        """Live until the child ends for good; its exit code. Raises ShimError when none was started."""
        self._feed.start()
        self._settings = self._first_settings()
        if self._settings is None:
            return self._exit_code or 0
        try:
            self._start(self._settings)
            while self._exit_code is None or self._waits_for_group():
                self._handle(self._signals.wait(self._timeout_s()))
                self._read_feed()
                self._keep_time()
        finally:
            self._terminal.take_back()
        return self._exit_code

    def _first_settings(self) -> Settings | None:
        """The first settings; None when a signal ended the wait. Raises ShimError."""
        deadline = time.monotonic() + self._options.start_timeout_s
        failure = FetchError("the server did not answer in time")
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise ShimError(UNAVAILABLE, f"no settings within the start timeout: {failure.detail}")
            for number in self._signals.wait(left_s):
                if number in self._shutdown_signals or number == signal.SIGHUP:
                    self._exit_code = 128 + number
                    return None
            self._reap()
            while self._feed.inbox:
                news = self._feed.inbox.pop(0)
                if isinstance(news, Settings):
                    return news
                failure = self._bear(news)

    def _bear(self, failure: FetchError) -> FetchError:
        """Tell of a failure before the start; raises ShimError when another try is of no use."""
        if failure.final_code is not None:
            raise ShimError(failure.final_code, failure.detail)
        self._tell_failure(failure)
        return failure

    def _start(self, settings: Settings) -> None:
        """Start the child. Where it cannot be executed, the exit code says so."""
        self._settings, self._exit_code = settings, None
        self._replacing = self._asked_rest = self._suspended = False
        self._kill_at = None
        command = self._options.command
        environment = child_environment(self._options, self._base, settings.variables)
        try:
            self._group = spawn(command, environment, self._signals, self._terminal)
        except OSError as exc:
            missing = exc.errno in (errno.ENOENT, errno.ENOTDIR)
            say(f"cannot execute {command[0]}: {os.strerror(exc.errno or 0)}")
            self._exit_code = NOT_FOUND if missing else CANNOT_EXECUTE

    # Signals

    def _handle(self, numbers: Sequence[int]) -> None:
        """Forward what arrived; then reap, whatever arrived."""
        for number in numbers:
            if number and number != signal.SIGCHLD:
                self._forward(number)
        self._reap()

    def _forward(self, number: int) -> None:
        if number in self._shutdown_signals:
            self._shutting_down = True
        job_control = number in SUSPENDS or number == signal.SIGCONT
        self._send(number, whole_group=job_control)
        if number in SUSPENDS:
            self._suspended = True
        elif self._suspended and (number == signal.SIGCONT or self._shutting_down):
            self._suspended = False
            if number != signal.SIGCONT:
                self._send(signal.SIGCONT, whole_group=True)

    def _send(self, number: int, *, whole_group: bool = False) -> None:
        """Signal the child, or its group; an ended child was reaped, and its id is never used again."""
        try:
            if whole_group:
                os.killpg(self._group, number)
            elif self._exit_code is None:
                os.kill(self._group, number)
        except (ProcessLookupError, PermissionError):
            return

    def _reap(self) -> None:
        """Reap every ended child: the one, and, as PID 1, all orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._group and self._exit_code is None:
                self._exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    # Changes

    def _read_feed(self) -> None:
        while self._feed.inbox:
            news = self._feed.inbox.pop(0)
            if isinstance(news, FetchError):
                self._tell_failure(news)
                continue
            if self._out_of_reach:
                self._out_of_reach = False
                say("the server answers again")
            self._take(news)

    def _tell_failure(self, failure: FetchError) -> None:
        if not self._out_of_reach:
            self._out_of_reach = True
            say(f"{failure.detail}; trying again")

    def _take(self, news: Settings) -> None:
        """Note what the child is due, and when to act; a change that was taken back needs nothing.

        What has gone without a change is not taken from the child, until it is back or a change says so.
        """
        current = (self._next if self._replacing else None) or self._settings
        held = news.lost(current) if current is not None else ""
        if held and held != self._held:
            say(f"{held}; the command keeps what it has")
        self._held = held
        if held:
            return
        if self._settings is None or self._replacing:
            self._next = news
            return
        if news.variables == self._settings.variables:
            self._settings, self._next, self._act_at = news, None, None
            return
        self._next = news
        if self._act_at is None:
            self._act_at = time.monotonic() + self._options.splay_s * random_part()

    def _act(self) -> None:
        """Do to the child what a change asks for."""
        self._act_at = None
        if self._next is None or self._shutting_down or self._exit_code is not None:
            return
        if self._options.on_change == "signal" and not heeds(self._group, self._options.signal_on_change):
            self._wait_until_ready()
            return
        self._told_unready = False
        say(f"settings changed at revision {self._next.revision}: {self._options.on_change}")
        if self._options.on_change == "signal":
            self._settings, self._next = self._next, None
            self._send(self._options.signal_on_change)
            return
        self._replacing = True
        self._kill_at = time.monotonic() + self._options.stop_timeout_s
        self._send(self._options.stop_signal)
        if self._suspended:
            self._send(signal.SIGCONT, whole_group=True)

    def _wait_until_ready(self) -> None:
        """Look again shortly: a signal that comes before its handler would end the child."""
        self._act_at = time.monotonic() + READY_POLL_S
        if not self._told_unready:
            self._told_unready = True
            number = self._options.signal_on_change
            say(f"settings changed, and the command does not catch signal {number} (yet): waiting until it does")

    def _waits_for_group(self) -> bool:
        """Whether an ended child is to be followed by a new one, once its whole group is gone."""
        return self._replacing and not self._shutting_down and self._options.on_change == "respawn"

    def _timeout_s(self) -> float | None:
        if self._exit_code is not None:
            return GROUP_POLL_S if group_lives(self._group) else 0.0
        times = [at for at in (self._act_at, self._kill_at) if at is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _keep_time(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if self._act_at is not None and now >= self._act_at:
            self._act()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            say("the stop timeout is over: killing the child's group")
            self._send(signal.SIGKILL, whole_group=True)
        if self._exit_code is not None and self._waits_for_group():
            self._succeed()

    def _succeed(self) -> None:
        """Start the successor of an ended child when its group is gone; what is left of it is asked to end."""
        if group_lives(self._group):
            if not self._asked_rest:
                self._asked_rest = True
                self._send(self._options.stop_signal, whole_group=True)
        elif self._next is not None:
            settings, self._next = self._next, None
            self._start(settings)


def run(arguments: Sequence[str], environ: Base) -> int:
    """Parse, supervise, and return the exit code."""
    if "--help" in arguments[: arguments.index("--") if "--" in arguments else 1]:
        os.write(1, USAGE_TEXT.encode())
        return 0
    try:
        return Supervisor(parse_options(arguments, environ), environ).run()
    except ShimError as exc:
        say(exc.detail)
        return exc.exit_code


def main() -> None:
    """The console script. It leaves at once: the feed's thread may be in the middle of a wait."""
    os._exit(run(sys.argv[1:], dict(os.environb)))


if __name__ == "__main__":
    main()
