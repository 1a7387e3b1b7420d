"""Fixtures of services that tests start for themselves."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

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


# How long an example takes is the machine's business; `make check` takes fewer of them, and `make test` all again.
settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("whole"), max_examples=20)
settings.load_profile("whole")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The walks through every point come first: no worker is left with one of them at the end."""
    items.sort(key=lambda item: not item.path.name.startswith("test_recreate_"))
