"""Fixtures of services that tests start for themselves."""

from __future__ import annotations

import signal

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
