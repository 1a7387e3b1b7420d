"""Where the API listens, and answers as they come off a socket."""

from __future__ import annotations

import socket
import time

import pytest

from confd.shim.server import Reader, Server, quote
from confd.shim.told import FetchError


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix", "tls"),
    [
        ("http://127.0.0.1:8700", "127.0.0.1", 8700, "", False),
        ("http://[::1]:8700/", "::1", 8700, "", False),
        ("https://api.example/base/", "api.example", 443, "/base", True),
        ("http://api", "api", 80, "", False),
        ("http://[::1]", "::1", 80, "", False),
    ],
)
def test_server_urls(url: str, host: str, port: int, prefix: str, tls: bool) -> None:
    server = Server(url)
    assert (server.host, server.port, server.prefix, server.tls, server.path) == (host, port, prefix, tls, "")


def test_a_unix_socket_as_server() -> None:
    assert Server("unix:/run/confd/api.sock").path == "/run/confd/api.sock"
    assert Server("unix:///run/api.sock").path == "/run/api.sock"


@pytest.mark.parametrize("url", ["", "unix:", "127.0.0.1:8700", "ftp://x", "http://", "http://x:y", "http://a@b:1"])
def test_what_is_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="--server"):
        Server(url)


def answer_of(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        return Reader(ours, time.monotonic() + 5).answer()


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: x\r\n\r\n",
            b"hello",
        ),
        (b"HTTP/1.0 200 OK\n\nhello", b"hello"),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", b""),
    ],
)
def test_bodies_are_read_whole(raw: bytes, body: bytes) -> None:
    assert answer_of(raw)[2] == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
)
def test_a_broken_answer_is_no_answer(raw: bytes) -> None:
    with pytest.raises(FetchError):
        answer_of(raw)


def test_quoting() -> None:
    assert quote("web-1.x~y_z") == "web-1.x~y_z"
    assert quote("a/b ?\u00e9") == "a%2Fb%20%3F%C3%A9"
