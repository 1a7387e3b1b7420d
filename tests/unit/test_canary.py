"""The search for planted secrets finds them: in files, in what was printed, and encoded."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.support.canary import Canaries


def test_nothing_is_found_where_nothing_stands(tmp_path: Path) -> None:
    canaries = Canaries()
    canaries.plant("web")
    (tmp_path / "log").write_text("nothing")
    canaries.look_at_files(tmp_path)
    canaries.said.append("nothing")
    canaries.check()


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"user:"])
def test_one_is_found_in_base64_wherever_it_begins(tmp_path: Path, before: bytes) -> None:
    canaries = Canaries()
    text = canaries.plant("web")
    (tmp_path / "log").write_bytes(base64.b64encode(before + text.encode() + b"more"))
    canaries.look_at_files(tmp_path)
    with pytest.raises(AssertionError, match=r"that of web in .*/log"):
        canaries.check()


def test_one_is_found_across_the_pieces_of_a_file_and_in_what_was_printed(tmp_path: Path) -> None:
    canaries = Canaries()
    first, second = canaries.plant("web"), canaries.plant("api")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wal").write_bytes(b"\0" * ((1 << 22) - 9) + first.encode())
    canaries.look_at_files(tmp_path)
    canaries.said.append(f"stored {second}")
    with pytest.raises(AssertionError, match=r"that of api in what confctl printed; that of web in .*/wal"):
        canaries.check()
