"""The end of a container's output, however the engine cuts it into chunks."""

from __future__ import annotations

import pytest

from confd.targets.output import end_of, text_of


def _framed(*lines: bytes) -> bytes:
    return b"".join(b"\1\0\0\0" + len(line).to_bytes(4, "big") + line for line in lines)


RAW = _framed(b"one\n", b"two\n", "drei ü\n".encode())


@pytest.mark.parametrize("size", [1, 3, 8, 11, 1000])
def test_frames_are_taken_away_wherever_a_chunk_ends(size: int) -> None:
    chunks = [RAW[at : at + size] for at in range(0, len(RAW), size)]
    assert end_of(chunks, 1000) == text_of(RAW) == "one\ntwo\ndrei ü\n"


def test_a_terminal_s_output_has_no_frames() -> None:
    assert end_of([b"a longer ", b"line\n", b"x"], 1000) == "a longer line\nx"


@pytest.mark.parametrize(("most", "end"), [(0, ""), (3, "ee\n"), (6, "three\n"), (8, "o\nthree\n")])
def test_of_a_long_output_the_end_is_kept(most: int, end: str) -> None:
    assert end_of([_framed(b"one\n", b"two\n"), _framed(b"three\n")], most) == end


def test_what_is_cut_off_in_a_frame_is_kept_as_far_as_it_came() -> None:
    assert end_of([RAW[:-3]], 1000) == "one\ntwo\ndrei "
