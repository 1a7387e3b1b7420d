from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from confd.errors import Configuration
from confd.listening import listen, listen_all


def test_a_taken_port_is_named_with_who_holds_it() -> None:
    with listen("127.0.0.1:0") as held:
        port = held.getsockname()[1]
        with pytest.raises(Configuration, match=rf"port {port} is taken by .*process {os.getpid()}\)"):
            listen(f"127.0.0.1:{port}")


def test_a_unix_socket_left_behind_is_replaced_and_one_that_answers_is_not(tmp_path: Path) -> None:
    path = tmp_path / "api" / "s"
    listen(f"unix:{path}").close()
    with listen(f"unix:{path}"), pytest.raises(Configuration, match="taken"):
        listen(f"unix:{path}")


def test_a_unix_socket_is_open_to_every_user_as_a_port_is(tmp_path: Path) -> None:
    path = tmp_path / "api" / "s"
    with listen(f"unix:{path}"):
        assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o755, 0o666)


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(Configuration, match="cannot listen"):
        listen(f"unix:{path}")
    assert path.read_text() == "precious"


def test_all_or_none(tmp_path: Path) -> None:
    with listen("127.0.0.1:0") as held:
        taken = f"127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(Configuration):
            listen_all([f"unix:{tmp_path / 's'}", taken])
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(str(tmp_path / "s"))


@pytest.mark.parametrize("address", ["127.0.0.1:70000", "192.0.2.1:0", "unix:/proc/no/such"])
def test_what_cannot_be_listened_on_is_a_configuration_error(address: str) -> None:
    with pytest.raises(Configuration):
        listen(address)


def test_a_path_that_is_too_long_for_a_socket_is_told_with_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="too long for a socket; use a shorter --data"):
        listen(f"unix:{tmp_path / ('a' * 100) / 's'}")
