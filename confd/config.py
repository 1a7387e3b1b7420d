"""Every setting of our own programs, as frozen dataclasses; the only reader of `os.environ` beside shim and cli.

A value comes from its flag, else from its `CONFD_...` variable, else from the default given beside it.
"""

from __future__ import annotations

import os
import socket
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from confd.errors import Configuration

__all__ = ["AgentConfig", "EtcdConfig", "add_etcd_flags", "default_flag", "etcd_config", "host_name", "read_secret"]


@dataclass(frozen=True, slots=True)
class EtcdConfig:
    """How etcd is reached. Endpoints are `HOST:PORT`, `http(s)://HOST:PORT` or `unix:/PATH`; times in seconds."""

    endpoints: tuple[str, ...] = ("127.0.0.1:2379",)
    prefix: str = "/confd"
    ca: str = ""
    cert: str = ""
    key: str = ""
    user: str = ""
    password: str = ""
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """What an agent runs with. `allow_run` are run options that the store may set beyond limits."""

    etcd: EtcdConfig
    env: str
    host: str
    docker_host: str = ""
    allow_run: tuple[str, ...] = ()
    label_prefix: str = "confd."
    resync_s: float = 300.0


def default_flag(name: str, fallback: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """The default of `--name`: the variable `CONFD_NAME`, else the fallback."""
    return environ.get("CONFD_" + name.upper().replace("-", "_"), fallback)


def add_etcd_flags(parser: ArgumentParser) -> None:
    """`--etcd`, `--prefix`, TLS and credential flags."""
    parser.add_argument(
        "--etcd",
        default=default_flag("etcd", "127.0.0.1:2379"),
        metavar="ENDPOINTS",
        help="etcd's endpoints, separated by commas: HOST:PORT, https://HOST:PORT or unix:/PATH",
    )
    parser.add_argument(
        "--prefix", default=default_flag("prefix", "/confd"), help="prefix of all keys (%(default)s)"
    )
    for name, words in (
        ("ca", "file of the CA"),
        ("cert", "file of the client's certificate"),
        ("key", "file of the client's key"),
        ("user", "etcd user"),
        ("password-file", "file with the etcd user's password"),
    ):
        parser.add_argument(f"--etcd-{name}", default=default_flag(f"etcd-{name}"), metavar="X", help=words)


def etcd_config(flags: Namespace) -> EtcdConfig:
    """The etcd settings of parsed flags. Raises `Configuration`."""
    endpoints = tuple(part.strip() for part in flags.etcd.split(",") if part.strip())
    if not endpoints:
        raise Configuration("--etcd names no endpoint; give HOST:PORT")
    if not flags.prefix.startswith("/") or flags.prefix.endswith("/"):
        raise Configuration(f"--prefix {flags.prefix!r} must begin with a slash and not end with one")
    password = read_secret(flags.etcd_password_file, "--etcd-password-file") if flags.etcd_password_file else ""
    return EtcdConfig(
        endpoints, flags.prefix, flags.etcd_ca, flags.etcd_cert, flags.etcd_key, flags.etcd_user, password
    )


def read_secret(path: str, flag: str) -> str:
    """The text of a secret's file without its line end. Raises `Configuration`."""
    try:
        text = Path(path).read_text("utf-8").strip()
    except OSError as exc:
        raise Configuration(f"{flag}: cannot read {path}: {exc.strerror}") from exc
    if not text:
        raise Configuration(f"{flag}: {path} is empty")
    return text


def host_name() -> str:
    """The machine's name in the grammar of hosts."""
    return socket.gethostname().lower().replace("_", "-")
