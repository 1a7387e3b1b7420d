"""How the shim asks, and asks again."""

from __future__ import annotations

import pytest

from confd.shim.feed import backoff_s


@pytest.mark.parametrize("failures", [1, 3, 50, 5000])
def test_back_off_stays_within_its_bounds(failures: int) -> None:
    assert 1 <= backoff_s(failures, started=True) <= 60
    assert 1 <= backoff_s(failures, started=False) <= 5
