"""Fixtures of services that tests start for themselves."""

from __future__ import annotations

pytest_plugins = [
    "tests.support.etcd",
    "tests.support.mirrors",
    "tests.support.engine",
    "tests.support.programs",
]
