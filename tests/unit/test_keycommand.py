"""`confd-server key`, and the files that servers and agents read."""

from __future__ import annotations

from pathlib import Path

import pytest

from confd.credentials import ensure_keys, read_keys, write_keys
from confd.errors import Configuration
from confd.keyfile import parse_key_file
from confd.keys import DEFAULT, Env
from confd.main import server

DEV = Env("dev")


def test_a_new_key_goes_into_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "keys"
    assert server(["key", "new", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(read_keys(file).masters) == 1


def test_a_key_that_is_there_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server(["key", "new", str(tmp_path / "keys")])
    before = (tmp_path / "keys").read_bytes()
    assert server(["key", "new", str(tmp_path / "keys")]) == 78
    assert (tmp_path / "keys").read_bytes() == before
    assert "lost for good" in capsys.readouterr().err


def test_a_new_key_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert server(["key", "new"]) == 0
    assert len(parse_key_file(capsys.readouterr().out).masters) == 1


def test_an_agents_file_has_its_envs_and_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server(["key", "new", str(tmp_path / "keys")])
    assert server(["key", "export", "--env", "dev", "--key-file", str(tmp_path / "keys")]) == 0
    text = capsys.readouterr().out
    assert [one.env for one in parse_key_file(text).envs] == [DEV, DEFAULT]
    monkeypatch.setenv("CONFD_KEY_FILE", str(tmp_path / "keys"))
    assert server(["key", "export", "--env", "dev"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--env", "dev"], "which master keys?"),
        (["--env", "dev", "--key-file", "agent"], "holds no master key"),
        (["--env", "NO", "--key-file", "keys"], "--env: env 'NO'"),
        (["--env", "dev", "--key-file", "gone"], "gone cannot be read"),
    ],
)
def test_what_cannot_be_exported_says_why(
    tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONFD_KEY_FILE", raising=False)
    server(["key", "new", "keys"])
    server(["key", "export", "--env", "dev", "--key-file", "keys"])
    write_keys(Path("agent"), capsys.readouterr().out)
    assert server(["key", "export", *words]) == 78
    assert told in capsys.readouterr().err


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    ensure_keys(file)
    file.chmod(0o640)
    with pytest.raises(Configuration, match="chmod 600"):
        read_keys(file)


def test_a_file_that_holds_no_keys_is_named(tmp_path: Path) -> None:
    write_keys(tmp_path / "keys", "canary\n")
    with pytest.raises(Configuration, match="keys: line 1 is no key") as caught:
        read_keys(tmp_path / "keys")
    assert "canary" not in caught.value.detail


def test_keys_are_made_once(tmp_path: Path) -> None:
    assert ensure_keys(tmp_path / "a" / "keys") == ensure_keys(tmp_path / "a" / "keys")
    assert read_keys(None).masters == ()


def test_where_no_file_can_be_made_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for make in (ensure_keys, lambda path: write_keys(path, "")):
        with pytest.raises(Configuration, match="key file"):
            make(tmp_path / "file" / "keys")
