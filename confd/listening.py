"""Sockets to listen on. One that is taken is named with who holds it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from confd.errors import Configuration

__all__ = ["MAX_SOCKET_PATH", "holder_of", "listen", "listen_all"]

MAX_SOCKET_PATH = 107  # bytes, see unix(7)


def listen_all(addresses: Sequence[str]) -> list[socket.socket]:
    """All of the addresses, or none. Raises `Configuration`."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(listen(address)) for address in addresses]
        opened.pop_all()
        return sockets


def listen(address: str, flag: str = "--listen") -> socket.socket:
    """Listen on HOST:PORT or unix:PATH, as the flag says. Raises `Configuration`."""
    if address.startswith("unix:"):
        return _unix(Path(address.removeprefix("unix:")), flag)
    return _tcp(address, flag)


def holder_of(port: int) -> str:
    """Who listens on a TCP port of this machine, in words."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for link in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link))
                    if found and found[1] in inodes:
                        name = (process / "comm").read_text("utf-8", "replace").strip()
                        return f"{name} (process {process.name})"
    return "a process of another user"


def _tcp(address: str, flag: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    number = int(port)
    if number > 65535:
        raise Configuration(f"{flag} {address}: a port is at most 65535")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, number))
        made.listen(1024)
    except OSError as exc:
        made.close()
        if exc.errno in (98, 48):  # address in use, on Linux and elsewhere
            raise Configuration(f"port {number} is taken by {holder_of(number)}; stop it, or use {flag}") from exc
        raise Configuration(f"cannot listen on {address}: {exc.strerror or exc}") from exc
    return made


def _unix(path: Path, flag: str) -> socket.socket:
    """Open to every user of the machine, as a port is: a shim may run as any user, and always needs a token."""
    if len(str(path).encode()) > MAX_SOCKET_PATH:
        raise Configuration(f"the path {path} is too long for a socket; use a shorter --data or {flag}")
    made = socket.socket(socket.AF_UNIX)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            if _answers(path):
                raise Configuration(f"{path} is taken by a server that runs; stop it, or use {flag}")
            path.unlink()
        made.bind(str(path))
        path.chmod(0o666)
        made.listen(1024)
    except OSError as exc:
        made.close()
        raise Configuration(
            f"cannot listen on unix:{path}: {exc.strerror or exc}; use another --data or {flag}"
        ) from exc
    except Configuration:
        made.close()
        raise
    return made


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _listening(table: Path, port: int) -> list[str]:
    """The inodes of the sockets in state LISTEN (0A) on the port."""
    try:
        rows = [line.split() for line in table.read_text("ascii").splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
