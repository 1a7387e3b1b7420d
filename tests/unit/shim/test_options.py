"""What the shim is asked to do."""

from __future__ import annotations

import pytest

from confd.shim.options import command_of, parse_duration, parse_on_change, parse_options, parse_signal
from confd.shim.told import CONFIGURATION, USAGE, ShimError

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
    assert caught.value.exit_code == USAGE


def test_a_wrong_variable_is_78() -> None:
    with pytest.raises(ShimError) as caught:
        parse_options([*NEEDED, "app"], {b"CONFD_STOP_TIMEOUT": b"soon"})
    assert caught.value.exit_code == CONFIGURATION


def test_options_come_from_variables_and_flags_win() -> None:
    environ = {b"CONFD_APP": b"api", b"CONFD_ENV": b"qa", b"CONFD_SPLAY": b"5s", b"CONFD_ONCE": b"false"}
    options = parse_options(["--app=web", "--pristine", "--", "run", "--once"], environ)
    assert (options.app, options.env, options.splay_s, options.follow) == ("web", "qa", 5, True)
    assert (options.pristine, options.command) == (True, ["run", "--once"])
