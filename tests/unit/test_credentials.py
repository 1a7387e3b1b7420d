from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from confd.credentials import ensure_token, tokens_of, write_context
from confd.errors import Configuration

MEMBERS = {"server": "unix:/d/api/confd.sock", "token_file": "/d/api/token", "env": "dev"}


def test_a_token_is_made_once_and_only_its_user_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "api" / "token"
    token = ensure_token(path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert ensure_token(path) == token


@pytest.mark.parametrize(("text", "mode", "named"), [("short", 0o600, "16"), ("x" * 40, 0o644, "chmod")])
def test_a_token_that_is_weak_or_open_is_refused(tmp_path: Path, text: str, mode: int, named: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(Configuration, match=named):
        ensure_token(path)


def _more(path: Path, **tokens: str) -> None:
    path.with_name("token.d").mkdir(exist_ok=True)
    for name, text in tokens.items():
        (path.with_name("token.d") / name).write_text(text)
        (path.with_name("token.d") / name).chmod(0o600)


def test_each_token_beside_the_first_has_its_files_name(tmp_path: Path) -> None:
    path = tmp_path / "token"
    assert list(tokens_of(path).values()) == ["admin"]
    _more(path, anna="a" * 20, ben="b" * 20, **{".swp": "rubbish"})
    assert tokens_of(path) == {ensure_token(path): "admin", "a" * 20: "anna", "b" * 20: "ben"}


@pytest.mark.parametrize(
    ("tokens", "named"),
    [
        ({"anna": "short"}, "16"),
        ({"admin": "a" * 20}, "not admin"),
        ({"an na": "a" * 20}, "without spaces"),
        ({"anna": "a" * 20, "ben": "a" * 20}, "token of anna too"),
    ],
)
def test_a_token_of_nobody_or_of_two_is_refused(tmp_path: Path, tokens: dict[str, str], named: str) -> None:
    _more(tmp_path / "token", **tokens)
    with pytest.raises(Configuration, match=named):
        tokens_of(tmp_path / "token")


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    _more(tmp_path / "token", anna="a" * 20)
    (tmp_path / "token.d" / "anna").chmod(0o644)
    with pytest.raises(Configuration, match="chmod"):
        tokens_of(tmp_path / "token")


def test_a_folder_of_tokens_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token.d").write_text("")
    with pytest.raises(Configuration, match="cannot be read"):
        tokens_of(tmp_path / "token")


def test_a_first_context_is_the_current_one(tmp_path: Path) -> None:
    path = tmp_path / "confd" / "config.toml"
    assert write_context(path, MEMBERS)
    assert tomllib.loads(path.read_text()) == {"current": "local", "contexts": {"local": MEMBERS}}
    assert path.stat().st_mode & 0o777 == 0o600


def test_other_contexts_stay_and_ours_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    old = '# mine\ncurrent = "far"\n\n[contexts.local]\nserver = "old"\n\n[contexts.far]\nserver = "http://far:1"\n'
    path.write_text(old)
    for _ in range(2):
        assert write_context(path, MEMBERS)
        document = tomllib.loads(path.read_text())
        assert document == {"current": "far", "contexts": {"far": {"server": "http://far:1"}, "local": MEMBERS}}
        assert "# mine" in path.read_text()


def test_a_file_that_is_no_toml_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("= no")
    assert not write_context(path, MEMBERS)
    assert path.read_text() == "= no"
