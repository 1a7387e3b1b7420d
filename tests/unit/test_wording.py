"""Words that errors and commands have in common."""

from __future__ import annotations

import pytest

from confd.wording import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 hosts"), (1, "1 host"), (2, "2 hosts")])
def test_what_is_counted_agrees_with_its_number(number: int, words: str) -> None:
    assert counted(number, "host") == words
