"""The pure parts of the entrypoint shim."""

from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.shim import entrypoint
from confd.shim.entrypoint import (
    FetchError,
    Reader,
    Server,
    Settings,
    ShimError,
    backoff_s,
    child_environment,
    command_of,
    parse_duration,
    parse_on_change,
    parse_options,
    parse_settings,
    parse_signal,
    quote,
)
from confd.shrink import is_shrink

NEEDED = ["--app", "web", "--env", "dev"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("1m", 60), ("1h", 3600), ("3", 3), ("1.5s", 1.5), ("0", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration("--splay", text) == seconds


@pytest.mark.parametrize("text", ["", "s", "10x", "-1s", "1e3s", "10 s", "1.2.3s", "nan", "99999h", "sm5"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--splay"):
        parse_duration("--splay", text)


@pytest.mark.parametrize(("text", "number"), [("TERM", 15), ("SIGTERM", 15), ("hup", 1), ("9", 9), ("RTMIN+3", 37)])
def test_signal_names(text: str, number: int) -> None:
    assert parse_signal("--stop-signal", text) == number


@pytest.mark.parametrize("text", ["", "NOPE", "0", "99", "SIG"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--stop-signal"):
        parse_signal("--stop-signal", text)


def test_on_change() -> None:
    assert parse_on_change("signal:USR1") == ("signal", 10)
    assert parse_on_change("exit") == ("exit", 0)
    for text in ("signal", "signal:", "respawn:x", "restart"):
        with pytest.raises(ValueError, match="--on-change"):
            parse_on_change(text)


@pytest.mark.parametrize(
    ("command", "vector"),
    [
        (["/srv/app --x 1"], ["/srv/app", "--x", "1"]),
        (["/srv/app", "--x", "1 2"], ["/srv/app", "--x", "1 2"]),
        (["/srv/app"], ["/srv/app"]),
        (["app $PORT 'a b'"], ["/bin/sh", "-c", "exec app $PORT 'a b'"]),
        (["a && b"], ["/bin/sh", "-c", "a && b"]),
        (["X=1 app"], ["/bin/sh", "-c", "X=1 app"]),
    ],
)
def test_a_command_as_one_string_b133(command: list[str], vector: list[str]) -> None:
    assert command_of(command) == vector


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        NEEDED,
        [*NEEDED, "--nope", "x"],
        [*NEEDED, "--splay"],
        [*NEEDED, "--splay", "soon", "app"],
        [*NEEDED, "--once=1", "app"],
        [*NEEDED, "--source", "dir", "app"],
        [*NEEDED, "--server", "ftp://x", "app"],
        ["--env", "dev", "app"],
        [*NEEDED, "-x", "app"],
    ],
)
def test_wrong_usage_is_64(arguments: list[str]) -> None:
    with pytest.raises(ShimError) as caught:
        parse_options(arguments, {})
    assert caught.value.exit_code == entrypoint.USAGE


def test_a_wrong_variable_is_78() -> None:
    with pytest.raises(ShimError) as caught:
        parse_options([*NEEDED, "app"], {b"CONFD_STOP_TIMEOUT": b"soon"})
    assert caught.value.exit_code == entrypoint.CONFIGURATION


def test_options_come_from_variables_and_flags_win() -> None:
    environ = {b"CONFD_APP": b"api", b"CONFD_ENV": b"qa", b"CONFD_SPLAY": b"5s", b"CONFD_ONCE": b"false"}
    options = parse_options(["--app=web", "--pristine", "--", "run", "--once"], environ)
    assert (options.app, options.env, options.splay_s, options.follow) == ("web", "qa", 5, True)
    assert (options.pristine, options.command) == (True, ["run", "--once"])


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


def test_settings_are_parsed() -> None:
    settings = parse_settings(b'{"revision": 7, "digest": "d", "variables": {"A": "\\u00e9", "B": null}}')
    assert (settings.revision, settings.variables) == (7, {"A": "\u00e9", "B": None})


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")), st.booleans())
def test_the_shrink_guard_is_that_of_the_agents(was: set[str], now: set[str], meant: bool) -> None:
    before = Settings(1, dict.fromkeys(was, "x") | {"null": None})
    after = Settings(2, dict.fromkeys(now, "x"), allow_shrink=meant)
    held = is_shrink(was, now) or (bool(was) and not was & now)
    assert bool(after.lost(before)) == (held and not meant)


def test_an_answer_that_says_nothing_of_it_allows_fewer() -> None:
    assert parse_settings(b'{"variables": {}}').allow_shrink
    assert not parse_settings(b'{"variables": {}, "allow_shrink": false}').allow_shrink


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"variables": []}',
        b'{"variables": {"A": 1}}',
        b'{"variables": {"A=B": "x"}}',
        b'{"variables": {"": "x"}}',
        b'{"variables": {"A": "planted\\u0000"}}',
        b'{"variables": {"A": "planted\\ud800"}}',
        b"[" * 100_000,
    ],
)
def test_settings_that_no_process_can_be_given_are_refused_without_a_value(body: bytes) -> None:
    with pytest.raises(FetchError) as caught:
        parse_settings(body)
    assert "planted" not in caught.value.detail


def test_the_childs_environment_overlays_the_base_b51() -> None:
    options = parse_options([*NEEDED, "--no-limits", "app"], {})
    base = {b"A": b"base", b"B": b"\xff", b"C": b"c"}
    assert child_environment(options, base, {"A": "1", "C": None}) == {b"A": b"1", b"B": b"\xff"}


def test_pristine_keeps_what_a_process_cannot_do_without() -> None:
    options = parse_options([*NEEDED, "--no-limits", "--pristine", "app"], {})
    assert child_environment(options, {b"PATH": b"/bin", b"X": b"x"}, {"A": "1"}) == {b"PATH": b"/bin", b"A": b"1"}


def test_limits_are_told_as_numbers() -> None:
    limits = entrypoint.read_limits()
    assert b"CONFD_LIMIT_NOFILE" in limits
    assert all(float(value) > 0 for value in limits.values())


@pytest.mark.parametrize("failures", [1, 3, 50, 5000])
def test_back_off_stays_within_its_bounds(failures: int) -> None:
    assert 1 <= backoff_s(failures, started=True) <= 60
    assert 1 <= backoff_s(failures, started=False) <= 5


def test_quoting() -> None:
    assert quote("web-1.x~y_z") == "web-1.x~y_z"
    assert quote("a/b ?\u00e9") == "a%2Fb%20%3F%C3%A9"
