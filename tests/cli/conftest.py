"""A real HTTP server in this process that answers as each test tells it, and confctl in front of it."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from confd.cli.program import confctl

__all__ = ["Confctl", "Server"]


@dataclass
class Server:
    """Answers by `METHOD path`: a document, or (status, document); `seen` holds what was asked."""

    address: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)
    date: str | None = None

    def problem(self, route: str, status: int, code: str, detail: str) -> None:
        self.answers[route] = (status, {"code": code, "detail": detail})


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path, _, query = self.path.partition("?")
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            server.seen.append(
                {"route": f"{self.command} {path}", "query": query, "body": body, "headers": dict(self.headers)}
            )
            answer = server.answers.get(f"{self.command} {path}", (404, {"code": "not-found", "detail": "no such"}))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            status, document = answer if isinstance(answer, tuple) else (200, answer)
            self._answer(status, document if isinstance(document, str) else json.dumps(document))

        def _answer(self, status: int, text: str) -> None:
            self.send_response_only(status)
            self.send_header("Date", server.date or self.date_time_string())
            kind = "application/json" if status < 400 else "application/problem+json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = _serve

    return Handler


class _Tcp(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address = True, True


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("unix", 0)


def _serve(listener: socketserver.BaseServer, server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    yield server
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    answers = Server()
    listener = _Tcp(("127.0.0.1", 0), _handler(answers))
    answers.address = f"http://127.0.0.1:{listener.server_address[1]}"
    yield from _serve(listener, answers)


@pytest.fixture
def unix_server(tmp_path: Path) -> Iterator[Server]:
    answers = Server()
    path = str(tmp_path / "s")
    answers.address = f"unix:{path}"
    yield from _serve(_Unix(path, _handler(answers)), answers)


Confctl = Callable[..., Result]


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Confctl:
    """confctl with the server of the test, no context and no variables from outside."""
    for name in ("CONFD_TOKEN", "CONFD_TOKEN_FILE", "CONFD_ENV", "CONFD_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_SERVER", server.address)

    def invoke(*args: str, text: str | None = None) -> Result:
        return CliRunner().invoke(confctl, args, input=text)

    return invoke
