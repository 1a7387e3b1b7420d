"""What shim tests need: a small server of the config route, and the shim's file run as a process of its own."""

from __future__ import annotations

import atexit
import functools
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from confd.shim.pack import pack

__all__ = ["PYTHON", "ConfigServer", "await_text", "await_that", "packed", "shim"]

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable


@functools.cache
def packed() -> Path:
    """The shim as the file that images have, packed once in each process of the tests."""
    made = tempfile.TemporaryDirectory(prefix="confd-shim-")
    atexit.register(made.cleanup)
    return pack(Path(made.name, "confd-entrypoint"))


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class ConfigServer:
    """Speaks the config route with its long poll, on a free TCP port or a unix socket."""

    def __init__(self, socket_path: Path | None = None) -> None:
        self.variables: dict[str, str | None] = {}
        self.revision = 1
        self.allow_shrink = True
        self.status = 200
        self.chunked = False
        self.silent = False
        self.requests: list[tuple[str, Mapping[str, list[str]], str | None]] = []
        self.changed = threading.Condition()
        self._socket_path = socket_path
        self._server = self._bind()
        name = self._server.socket.getsockname()
        self.url = f"unix:{socket_path}" if socket_path else f"http://127.0.0.1:{name[1]}"

    def _bind(self) -> _Tcp | _Unix:
        outer = self

        class Handler(_Handler):
            config = outer

        if self._socket_path is not None:
            return _Unix(str(self._socket_path), Handler)
        return _Tcp(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Self:
        self._serve()
        return self

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the listener and end every long poll."""
        self.silent = True
        self._server.shutdown()
        self._server.server_close()
        with self.changed:
            self.changed.notify_all()

    def set(self, **variables: str | None) -> None:
        """Change variables in one new revision."""
        with self.changed:
            self.variables = {**self.variables, **variables}
            self.revision += 1
            self.changed.notify_all()

    def unset(self, *names: str, meant: bool = True) -> None:
        """Take variables out, in a new revision; not `meant`: without a change."""
        with self.changed:
            self.variables = {n: v for n, v in self.variables.items() if n not in names}
            self.allow_shrink = meant
            self.revision += 1
            self.changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    config: ConfigServer
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest shows what matters."""

    def do_GET(self) -> None:
        """Answer the config route."""
        config = self.config
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        config.requests.append((url.path, query, self.headers.get("Authorization")))
        index = int(query["index"][0]) if "index" in query else None
        with config.changed:
            if index is not None:
                config.changed.wait_for(lambda: config.revision != index or config.silent, 50)
            if config.silent:
                config.changed.wait_for(lambda: False, 0.05)
                self.close_connection = True
                return
            status = config.status
            answer = {
                "revision": config.revision,
                "digest": f"d{hash(frozenset(config.variables.items()))}",
                "variables": config.variables,
                "allow_shrink": config.allow_shrink,
            }
        if status != 200:
            answer = {"code": "x", "detail": "told why"}
        with suppress(ConnectionError):  # the shim may have ended in the middle of its wait
            self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        if self.config.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (body[:7], body[7:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def shim(
    server: str,
    command: Sequence[str],
    *options: str,
    pid1: bool = False,
    environ: Mapping[str, str] | None = None,
    wrapper: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """The shim as a process (as PID 1 of its own namespace on request), ended when the block is left."""
    words = ["--app", "web", "--env", "dev", "--server", server, *options, "--", *command]
    prefix = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"] if pid1 else []
    process = subprocess.Popen(
        [*wrapper, *prefix, PYTHON, "-I", "-S", str(packed()), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/", **(environ or {})},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        for child in _session(process.pid):
            try:
                os.kill(child, 9)
            except ProcessLookupError:
                continue
        process.communicate()


def _session(session: int) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[3] == str(session):
                found.append(int(folder.name))
    return found


def await_that(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until it holds; fails after the deadline."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def await_text(path: Path, text: str, timeout_s: float = 10.0) -> None:
    """Wait until the file holds the text."""
    await_that(lambda: path.exists() and text in path.read_text(), timeout_s)
