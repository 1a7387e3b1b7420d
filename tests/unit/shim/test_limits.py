"""The limits that are in force here."""

from __future__ import annotations

from confd.shim.limits import read_limits


def test_limits_are_told_as_numbers() -> None:
    limits = read_limits()
    assert b"CONFD_LIMIT_NOFILE" in limits
    assert all(float(value) > 0 for value in limits.values())
