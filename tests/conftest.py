"""Fixtures of services that tests start for themselves."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = [
    "tests.support.etcd",
    "tests.support.mirrors",
    "tests.support.engine",
    "tests.support.programs",
    "tests.support.fleet",
    "tests.support.targets",
    "tests.support.server",
]

# A run that was started in the background of a shell has these ignored, and every child would inherit that.
for _number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The walks through every point come first: no worker is left with one of them at the end."""
    items.sort(key=lambda item: not item.path.name.startswith("test_recreate_"))
