"""The agent's own small HTTP server: `/metrics`, `/livez`, `/readyz`. It changes nothing and needs no token.

Up from the agent's first moment, so that a probe sees a process that waits for its engine as one that lives.
"""

from __future__ import annotations

import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from confd.metrics import Page

__all__ = ["Front", "Shown"]

STARTING = "the agent is starting: its engine does not answer yet"
SLOW_S = 5.0
"""How long a client may take to send what it wants."""


class Shown(Protocol):
    """What there is to show of an agent."""

    def page(self) -> Page: ...

    def why_not_ready(self) -> str:
        """Empty when it can do its work."""


class Front:
    """Serves on a listening socket until it is closed; what it shows is given to it once that exists."""

    def __init__(self, listener: socket.socket) -> None:
        self._shown: Shown | None = None
        self._page: Page | None = None
        self._server = _Server(listener, self.answer)
        self._thread = threading.Thread(target=self._server.serve_forever, name="front", daemon=True)
        self._thread.start()

    def show(self, shown: Shown) -> None:
        self._shown, self._page = shown, shown.page()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        path = path.partition("?")[0]
        if path == "/livez":
            return _told({"status": "alive"})
        if path == "/readyz":
            why = self._shown.why_not_ready() if self._shown is not None else STARTING
            return _problem(503, "unavailable", why) if why else _told({"status": "ready"})
        if path != "/metrics":
            return _problem(404, "not-found", "there are /metrics, /livez and /readyz here")
        if self._page is None:
            return _problem(503, "unavailable", STARTING)
        return 200, *self._page.text(accept)


def _told(document: dict[str, str], status: int = 200, kind: str = "json") -> tuple[int, str, bytes]:
    return status, f"application/{kind}", (json.dumps(document) + "\n").encode()


def _problem(status: int, code: str, detail: str) -> tuple[int, str, bytes]:
    title = HTTPStatus(status).phrase
    document: dict[str, Any] = {"type": f"urn:confd:{code}", "title": title, "status": status}
    return _told({**document, "code": code, "detail": detail}, status, "problem+json")


class _Server(ThreadingHTTPServer):
    """On a socket that listens already, of either family."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, answer: Any) -> None:
        self.answer = answer
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "confd-agent"
    sys_version = ""
    timeout = SLOW_S
    server: _Server

    def do_GET(self) -> None:
        status, kind, body = self.server.answer(self.path, self.headers.get("Accept", ""))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a scrape every few seconds is no news."""
