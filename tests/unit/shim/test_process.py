"""What a child is given."""

from __future__ import annotations

from confd.shim.options import parse_options
from confd.shim.process import child_environment

NEEDED = ["--app", "web", "--env", "dev"]


def test_the_childs_environment_overlays_the_base_b51() -> None:
    options = parse_options([*NEEDED, "--no-limits", "app"], {})
    base = {b"A": b"base", b"B": b"\xff", b"C": b"c"}
    assert child_environment(options, base, {"A": "1", "C": None}) == {b"A": b"1", b"B": b"\xff"}


def test_pristine_keeps_what_a_process_cannot_do_without() -> None:
    options = parse_options([*NEEDED, "--no-limits", "--pristine", "app"], {})
    assert child_environment(options, {b"PATH": b"/bin", b"X": b"x"}, {"A": "1"}) == {b"PATH": b"/bin", b"A": b"1"}
