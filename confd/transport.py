"""How requests reach the server: over TCP and unix sockets, on the standard library alone."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol
from urllib.parse import urlsplit

from confd.errors import Configuration, Unavailable

__all__ = ["DEFAULT_SERVER", "Answer", "HttpTransport", "Opened", "Request", "Transport", "integer"]

DEFAULT_SERVER = "http://127.0.0.1:8700"
MAX_ANSWER_BYTES = 256 * 1024 * 1024


def integer(value: object, default: int = 0) -> int:
    """A number of the API's own (a revision, a count) as a Python integer; `default` for anything else."""
    text = str(value)
    return int(text) if text.lstrip("-").isdigit() else default


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a transport sends it; `target` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def revision(self) -> int:
        """The store revision that the answer reflects, 0 when it does not say."""
        return integer(self.headers.get("x-confd-revision", ""))


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer that is still to be read, for one that is too large to be held, or that tells how far it is."""

    status: int
    headers: Mapping[str, str]
    lines: IO[bytes]


class Transport(Protocol):
    """Brings a request to the server. Raises `Unavailable` when it cannot."""

    def send(self, request: Request, timeout_s: float) -> Answer: ...

    def opened(self, request: Request, timeout_s: float) -> AbstractContextManager[Opened]:
        """The answer as it comes; `Unavailable` is also raised for what is read from it."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class HttpTransport:
    """One connection a request, to `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`."""

    def __init__(self, server: str = DEFAULT_SERVER) -> None:
        self.server = server
        self._base = ""
        if server.startswith("unix:"):
            if not server.removeprefix("unix:"):
                raise Configuration("the server 'unix:' names no socket; write unix:/path/to/confd.sock")
            return
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _port_is_right(server):
            raise Configuration(
                f"the server {server!r} is no address; write http://HOST:PORT, https://HOST:PORT or unix:PATH"
            )
        self._base = parts.path.rstrip("/")

    def send(self, request: Request, timeout_s: float) -> Answer:
        with self.opened(request, timeout_s) as answer:
            return Answer(answer.status, answer.headers, answer.lines.read(MAX_ANSWER_BYTES))

    @contextmanager
    def opened(self, request: Request, timeout_s: float) -> Iterator[Opened]:
        connection = self._connection(timeout_s)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise Unavailable(
                f"no server answers at {self.server} ({_reason(exc)}); start one with 'confd-server up', "
                "or name another with --server or CONFD_SERVER"
            ) from exc
        try:
            connection.request(request.method, self._base + request.target, request.body, dict(request.headers))
            response = connection.getresponse()
            yield Opened(response.status, {k.lower(): v for k, v in response.getheaders()}, response)
        except TimeoutError as exc:
            raise Unavailable(
                f"{self.server} did not answer within {timeout_s:g} s{_doubt(request)}; see 'confctl doctor'"
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise Unavailable(
                f"{self.server} closed the connection ({_reason(exc)}){_doubt(request)}; try again"
            ) from exc
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self.server.startswith("unix:"):
            return _UnixConnection(self.server.removeprefix("unix:"), timeout_s)
        parts = urlsplit(self.server)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "", parts.port, timeout=timeout_s)


def _port_is_right(server: str) -> bool:
    try:
        urlsplit(server).port  # noqa: B018 - reading the port is what checks it
    except ValueError:
        return False
    return True


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc) or type(exc).__name__


def _doubt(request: Request) -> str:
    """A write whose answer was lost may be stored."""
    return "" if request.method == "GET" else "; the write may or may not be stored, look with 'confctl history'"
