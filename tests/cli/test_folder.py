"""Files of a directory as one set of settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from confd.cli.files import BY_NAME
from confd.cli.folder import MAX_FILE_BYTES, Unsteady, format_of, merged, read_folder, signature
from confd.errors import Malformed
from confd.jsontext import Number


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((f"app{end}", form) for end, form in BY_NAME.items()),
        (".env", "env"), ("limits.env", "env"), ("APP.YAML", "yaml"), ("README.md", None), ("app", None),
        ("compose.yaml", None), ("docker-compose.override.yml", None), (".app.yaml.swp", None), (".h.yaml", None),
        ("..data", None), ("app.yaml~", None), ("4913", None), ("#app.yaml#", None), ("app.yaml.bak", None),
    ],
)  # fmt: skip
def test_a_name_tells_the_format_or_is_passed_over(name: str, known: str | None) -> None:
    assert format_of(name) == known


def test_files_of_several_formats_are_one_set() -> None:
    found = merged(
        {
            ".env": b"PORT=8080\nPRICE=5 $ each ${X}\n",
            "a.json": b'{"db": {"port": 5432, "none": null}}',
            "b.yaml": b"rate: 1.10\n",
            "c.properties": "name=caf\u00e9\n".encode("latin-1"),
        }
    )
    assert found.settings == {
        "PORT": "8080",
        "PRICE": "5 $ each $${X}",
        "db/port": Number("5432"),
        "db/none": None,
        "rate": Number("1.10"),
        "name": "caf\u00e9",
    }
    assert found.names == {".env", "a.json", "b.yaml", "c.properties"}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.json": b'{"k": 1}', "b.yaml": b"k: 2"}, "k stands in a.json and in b.yaml; keep one of them"),
        ({"a.properties": b"k=1\nk=2"}, "a.properties"),
        ({"a.json": b'{"a b": 1}'}, "a.json: key 'a b'"),
        ({"a.toml": b"x = "}, "a.toml: "),
        ({"a.yaml": b"\xff"}, "a.yaml: it is not UTF-8 (byte 0); convert it first"),
        ({"a.yaml": b"kind: ConfigMap\n- 1"}, "a.yaml: line 2"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(Malformed) as raised:
        merged(files)
    assert words in raised.value.detail


def test_what_a_file_leaves_open_is_told() -> None:
    (warning,) = merged({"a.yaml": b"kind: ConfigMap\n"}).warnings
    assert warning.startswith("a.yaml: this looks like a ConfigMap of Kubernetes")


def test_what_somebody_may_have_meant_is_named_and_what_editors_leave_is_not() -> None:
    names = ["README.md", "app.yaml~", "4913", "#a#", "a.tmp", "b.bak", "values"]
    assert merged({}, names).passed_over == ["README.md", "values"]


def test_folders_and_hidden_files_are_no_settings(tmp_path: Path) -> None:
    (tmp_path / "sub.yaml").mkdir()
    (tmp_path / ".secret.yaml").write_text("a: 1")
    (tmp_path / "app.yaml").write_text("b: 1")
    os.mkfifo(tmp_path / "pipe.yaml")
    found, seen = read_folder(tmp_path)
    assert found.settings == {"b": Number("1")}
    assert set(seen) == {".secret.yaml", "app.yaml"}


def test_a_file_that_is_too_large_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "app.yaml").touch()
    os.truncate(tmp_path / "app.yaml", MAX_FILE_BYTES + 1)
    with pytest.raises(Malformed, match=r"app.yaml has 4194305 bytes; at most 4194304 are taken"):
        read_folder(tmp_path)
    with pytest.raises(Malformed, match="nowhere cannot be read: No such file or directory"):
        read_folder(tmp_path / "nowhere")


def test_a_directory_that_changes_while_it_is_read_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app.yaml").write_text("a: 1")
    read = Path.read_bytes

    def changed(path: Path) -> bytes:
        content = read(path)
        (tmp_path / "more.yaml").write_text("b: 1")
        return content

    def gone(path: Path) -> bytes:
        path.unlink()
        return read(path)

    for meanwhile in (changed, gone):
        monkeypatch.setattr(Path, "read_bytes", meanwhile)
        with pytest.raises(Unsteady):
            read_folder(tmp_path)
    assert set(signature(tmp_path)) == {"more.yaml"}
