"""Settings of our own programs, parsed once at the edge into frozen values.

Each setting is a flag, a `CONFD_...` variable and a member of a TOML file, under one name; the flag wins over
the variable, the variable over the file, the file over the default.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confd.errors import Configuration, Malformed
from confd.given import CONFIG_FILE, Flag, Given
from confd.keys import DEFAULT, Env, Host, parse_env, parse_host
from confd.secretfiles import HOST_FOLDER

__all__ = [
    "AGENT_FLAGS",
    "CONFIG_FILE",
    "SERVER_FLAGS",
    "AgentConfig",
    "EtcdConfig",
    "Flag",
    "LogConfig",
    "ServerConfig",
    "agent_config",
    "server_config",
]


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """How to reach etcd. An endpoint is HOST:PORT, http(s)://HOST:PORT or unix:/ABSOLUTE/PATH."""

    endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    user: str | None = None
    password_file: str | None = None
    prefix: str = "/confd"
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise Configuration("no etcd endpoint is given; use --etcd HOST:PORT")
        if (self.cert is None) != (self.key is None):
            raise Configuration("a client certificate needs its key and the other way round; give both files")
        if (self.user is None) != (self.password_file is None):
            raise Configuration("an etcd user needs a password file and the other way round; give both")


@dataclass(frozen=True, slots=True)
class LogConfig:
    format: str = "text"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One agent. `allow_run`: run options beyond limits that the store may set here; `monitor_s`: see --monitor."""

    env: Env
    host: Host
    etcd: EtcdConfig = field(default_factory=EtcdConfig)
    target: str = "docker"
    docker_host: str | None = None
    docker_timeout_s: float = 60.0
    observe: bool = False
    allow_run: tuple[str, ...] = ()
    label_prefix: str = "confd."
    resync_s: float = 300.0
    monitor_s: float = 5.0
    data: Path = Path("/var/lib/confd-agent")
    secrets_dir: Path = Path(HOST_FOLDER)
    metrics_listen: str | None = "127.0.0.1:8701"
    key_file: Path | None = None
    log: LogConfig = field(default_factory=LogConfig)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """`confd-server`. `up` has its own etcd below `data` and an agent of its own; `api` uses `etcd`."""

    mode: str
    env: Env
    listen: tuple[str, ...]
    data: Path
    token_file: Path
    user_token_file: Path | None = None
    key_file: Path | None = None
    etcd: EtcdConfig = field(default_factory=EtcdConfig)
    allow_run: tuple[str, ...] = ()
    agent_arguments: tuple[str, ...] = ()
    log: LogConfig = field(default_factory=LogConfig)


_LOG = (
    Flag("log-format", "text or json (default text)"),
    Flag("log-level", "debug, info, warning or error (default info)"),
)
_ETCD = (
    Flag(
        "etcd",
        "etcd's endpoints: HOST:PORT, https://HOST:PORT or unix:/PATH; repeatable, or with commas "
        "(default 127.0.0.1:2379)",
        many=True,
    ),
    Flag("prefix", "where everything stands in etcd (default /confd)"),
    Flag("etcd-ca", "file with the authority that signed etcd's certificate"),
    Flag("etcd-cert", "file with this client's certificate"),
    Flag("etcd-key", "file with this client's key"),
    Flag("etcd-user", "etcd user"),
    Flag("etcd-password-file", "file with the etcd user's password"),
    Flag("etcd-timeout", "seconds that one etcd call may take (default 5)"),
)
_KEYS = Flag(
    "key-file",
    "file with the keys of secrets, which nobody else may read: of a server the master keys (`confd-server key new "
    "FILE`; the first wraps, all unwrap; default for up: DATA/api/keys), of an agent those of its envs "
    "(`confd-server key export --env ENV`)",
)
_NUMBERS = {"resync": 300.0, "monitor": 5.0}
_HOST = (
    Flag("host-name", "this host's name (default: the machine's)"),
    Flag(
        "docker-host", "the engine: unix:///PATH or tcp://HOST:PORT (default: DOCKER_HOST, else its default socket)"
    ),
    Flag("allow-run", "run options beyond limits that the store may set on this host; repeatable", many=True),
    Flag("label-prefix", "prefix of the labels on containers (default confd.)"),
    Flag(
        "secrets-dir",
        "folder in memory where the secrets of containers stand as files, for this agent alone; where it is on a "
        f"disk memory is mounted there (default {HOST_FOLDER})",
    ),
    Flag("observe", "look and tell, and change nothing", switch=True),
    Flag(
        "metrics-listen",
        "HOST:PORT or unix:PATH of the agent's /metrics, /livez and /readyz, or none (default 127.0.0.1:8701; "
        "where that is taken the agent goes on without)",
    ),
    Flag("resync", "seconds between two full passes (default 300)"),
    Flag("monitor", "seconds that a new container is watched where its binding does not say (default 5)"),
)
AGENT_FLAGS = (
    Flag("env", "the env of containers that have no label for it"),
    Flag("target", "where the containers live: docker (default), or memory, an empty engine to try an agent out"),
    Flag("docker-timeout", "seconds that one engine call may take (default 60)"),
    Flag(
        "data",
        "folder of this agent on the host, where it remembers the store and its containers, and keeps the logs of "
        "those that were replaced or failed for a time; a file `freeze` in it stops all action "
        "(default /var/lib/confd-agent as root, else ~/.local/share/confd-agent)",
    ),
    _KEYS,
    *_HOST,
    *_ETCD,
    *_LOG,
)
SERVER_FLAGS = (
    Flag("env", "up: the env that is served (default dev)"),
    Flag("listen", "HOST:PORT or unix:PATH; repeatable (default 127.0.0.1:8700)", many=True),
    Flag("data", "folder of all data (default ~/.local/share/confd)"),
    Flag("token-file", "file with the token of the administrator (default DATA/api/token)"),
    Flag(
        "user-token-file",
        "file with a token that may do all but see secrets; made where it is missing (default none)",
    ),
    _KEYS,
    *_HOST,
    *_ETCD,
    *_LOG,
)


EXAMPLES: Mapping[str, str] = {
    "confd-agent": """\
Examples:
  confd-agent --env prod --etcd 10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379
  confd-agent --env prod --etcd 10.0.0.1:2379 --allow-run user --allow-run publish
  confd-agent --env prod --etcd 10.0.0.1:2379 --observe      # first look, nothing is changed""",
    "confd-server": """\
Examples:
  confd-server up                                            # all of it, for this machine
  confd-server up --env qa --listen 127.0.0.1:8800 --data ~/confd-qa
  confd-server api --etcd 10.0.0.1:2379 --listen 0.0.0.0:8700 --token-file /etc/confd/token
  confd-server api --etcd 10.0.0.1:2379 --key-file /etc/confd/keys             # with secrets
  confd-server key new /etc/confd/keys                       # a master key for secrets
  confd-server key export --env prod --key-file /etc/confd/keys > prod.keys    # for the agents of one env""",
}


def agent_config(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> AgentConfig:
    """The settings of `confd-agent`. Raises `Configuration`; a wrong flag ends the process with 2."""
    parser = _parser("confd-agent", "Keeps this host's containers equal to what the store says.", AGENT_FLAGS)
    given = Given(AGENT_FLAGS, parser.parse_args(arguments), os.environ if environ is None else environ)
    name = given.text("env")
    if name is None:
        raise Configuration("which env does this host serve? give --env, CONFD_ENV, or env in the file")
    return AgentConfig(
        env=_env(name),
        host=_host_name(given.text("host-name")),
        etcd=_etcd(given),
        target=given.text("target") or "docker",
        docker_host=given.text("docker-host") or given.environ.get("DOCKER_HOST") or None,
        docker_timeout_s=given.number("docker-timeout", 60.0),
        observe=given.switch("observe"),
        allow_run=given.many("allow-run"),
        label_prefix=_label_prefix(given.text("label-prefix")),
        resync_s=given.number("resync", _NUMBERS["resync"]),
        monitor_s=given.number("monitor", _NUMBERS["monitor"]),
        data=_path(given.text("data")) or _agent_folder(),
        secrets_dir=_path(given.text("secrets-dir")) or Path(HOST_FOLDER),
        metrics_listen=_metrics_listen(given.text("metrics-listen") or "127.0.0.1:8701"),
        key_file=_path(given.text(_KEYS.name)),
        log=_log(given),
    )


def server_config(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> ServerConfig:
    """The settings of `confd-server up` and `api`. Raises `Configuration`; a wrong flag ends with 2."""
    parser = _parser("confd-server", "Serves settings over HTTP.", SERVER_FLAGS)
    parser.add_argument("mode", choices=("up", "api"), help="up: with an etcd and an agent of its own; api: alone")
    namespace = parser.parse_args(arguments)
    given = Given(SERVER_FLAGS, namespace, os.environ if environ is None else environ)
    data = _path(given.text("data")) or Path.home() / ".local" / "share" / "confd"
    listen = given.many("listen") or ("127.0.0.1:8700",)
    for address in listen:
        _check_address("--listen", address)
    return ServerConfig(
        mode=namespace.mode,
        env=_env(given.text("env") or "dev"),
        listen=listen,
        data=data,
        token_file=_path(given.text("token-file")) or data / "api" / "token",
        user_token_file=_path(given.text("user-token-file")),
        key_file=_path(given.text(_KEYS.name)) or (data / "api" / "keys" if namespace.mode == "up" else None),
        etcd=_etcd(given),
        allow_run=given.many("allow-run"),
        agent_arguments=tuple(_passed_on(given)),
        log=_log(given),
    )


def _parser(program: str, words: str, flags: Sequence[Flag]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        program,
        description=f"{words} Each option is also read from the variable CONFD_..., as CONFD_ETCD for --etcd.",
        epilog=EXAMPLES[program],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", help=CONFIG_FILE.help)
    for flag in flags:
        if flag.switch:
            parser.add_argument(f"--{flag.name}", action="store_true", default=None, help=flag.help)
        else:
            action = "append" if flag.many else "store"
            parser.add_argument(f"--{flag.name}", action=action, help=flag.help, metavar="X")
    return parser


def _etcd(given: Given) -> EtcdConfig:
    prefix = given.text("prefix") or "/confd"
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", prefix):
        raise Configuration(
            f"--prefix {prefix!r} is not allowed; use /NAME or /NAME/NAME, without a slash at the end"
        )
    return EtcdConfig(
        endpoints=given.many("etcd") or ("127.0.0.1:2379",),
        ca=given.text("etcd-ca"),
        cert=given.text("etcd-cert"),
        key=given.text("etcd-key"),
        user=given.text("etcd-user"),
        password_file=given.text("etcd-password-file"),
        prefix=prefix,
        timeout_s=given.number("etcd-timeout", 5.0),
    )


def _log(given: Given) -> LogConfig:
    return LogConfig(given.text("log-format") or "text", given.text("log-level") or "info")


def _env(name: str) -> Env:
    try:
        env = parse_env(name)
    except Malformed as exc:
        raise Configuration(f"--env: {exc.detail}") from exc
    if env == DEFAULT:
        raise Configuration(f"--env: {DEFAULT} stands for every env; name the one that this host serves")
    return env


def _host_name(name: str | None) -> Host:
    try:
        return parse_host((name or socket.gethostname()).lower())
    except Malformed as exc:
        raise Configuration(f"--host-name: {exc.detail}") from exc


def _label_prefix(given: str | None) -> str:
    prefix = "confd." if given is None else given
    if not re.fullmatch(r"[A-Za-z0-9_.-]*[.]", prefix):
        raise Configuration(f"--label-prefix {prefix!r} is not allowed; it ends with a dot, like confd.")
    return prefix


def _check_address(flag: str, address: str) -> None:
    if not re.fullmatch(r"unix:.+|\[[0-9a-fA-F:]+\]:\d{1,5}|[^:]+:\d{1,5}", address):
        raise Configuration(f"{flag} {address!r} is no address; use HOST:PORT or unix:PATH")


def _metrics_listen(address: str) -> str | None:
    if address == "none":
        return None
    _check_address("--metrics-listen", address)
    return address


def _path(given: str | None) -> Path | None:
    return Path(given).expanduser() if given else None


def _agent_folder() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/confd-agent")
    return Path.home() / ".local" / "share" / "confd-agent"


def _passed_on(given: Given) -> list[str]:
    """The flags that `up` gives its agent."""
    arguments: list[str] = []
    for flag in (*_HOST, *_LOG):
        if flag.switch:
            arguments += [f"--{flag.name}"] if given.switch(flag.name) else []
        elif flag.many:
            arguments += [word for item in given.many(flag.name) for word in (f"--{flag.name}", item)]
        elif (number := _NUMBERS.get(flag.name)) is not None:
            arguments += [f"--{flag.name}", str(given.number(flag.name, number))]
        else:
            text = given.text(flag.name)
            arguments += [f"--{flag.name}", text] if text else []
    return arguments
