"""Where the API listens, and one HTTP/1.1 answer read off a socket. http.client would cost twice the start-up."""

from __future__ import annotations

import os
import socket
import time

from confd.shim.told import FetchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEAD_LIMIT", "Reader", "Server", "quote"]

BODY_LIMIT = 64 * 1024 * 1024
HEAD_LIMIT = 64 * 1024


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
