"""`confd-server key`: makes a master key, and the file of keys that an agent of one env is given."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from confd.credentials import read_keys, write_keys
from confd.errors import Configuration, Malformed
from confd.keyfile import exported, fresh_key_file
from confd.keys import DEFAULT, Env, parse_env

__all__ = ["run"]


def run(arguments: Sequence[str]) -> int:
    """The command. Raises `Configuration`; a wrong flag ends the process with 2."""
    parser = argparse.ArgumentParser("confd-server key", description="Makes and shares the keys of secrets.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new", help="a new master key")
    new.add_argument(
        "file", nargs="?", type=Path, help="where to; it is made with mode 0600 (default: standard output)"
    )
    export = commands.add_parser("export", help="the keys of single envs and of _default, for an agent")
    export.add_argument("--env", action="append", required=True, help="repeatable")
    export.add_argument("--key-file", type=Path, help="the master keys (default: CONFD_KEY_FILE)")
    given = parser.parse_args(arguments)
    if given.command == "new":
        _new(given.file)
    else:
        _export(given.env, given.key_file)
    return 0


def _new(file: Path | None) -> None:
    if file is None:
        sys.stdout.write(fresh_key_file())
        return
    if file.exists():
        raise Configuration(f"{file} is there already, and a key that is lost is lost for good; name another file")
    write_keys(file, fresh_key_file())


def _export(names: Sequence[str], file: Path | None) -> None:
    where = file or Path(os.environ.get("CONFD_KEY_FILE") or "")
    if where == Path():
        raise Configuration("which master keys? give --key-file FILE, or CONFD_KEY_FILE")
    keys = read_keys(where)
    if not keys.masters:
        raise Configuration(f"{where} holds no master key; an env's key is derived from one")
    try:
        envs = [parse_env(name) for name in names]
    except Malformed as exc:
        raise Configuration(f"--env: {exc.detail}") from exc
    sys.stdout.write(exported(keys, [*envs, Env(DEFAULT)]))
