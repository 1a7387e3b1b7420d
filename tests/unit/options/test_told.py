"""The limits in force as a program is told of them."""

from __future__ import annotations

from typing import Any

import pytest

from confd.options import TOLD, limits_told, told_in
from tests.unit.options.samples import parsed

MEMORY, CPUS, PIDS, NOFILE = TOLD


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {}),
        ({"memory": '"64m"'}, {MEMORY: "67108864"}),
        ({"cpus": "1.5"}, {CPUS: "1.5"}),
        ({"cpus": "2"}, {CPUS: "2"}),
        ({"cpu-quota": "25000"}, {CPUS: "0.25"}),
        ({"cpu-quota": "25000", "cpu-period": "50000"}, {CPUS: "0.5"}),
        ({"cpu-period": "50000"}, {}),
        ({"cpuset-cpus": '"0-2,4,4"'}, {CPUS: "4"}),
        ({"cpuset-cpus": '"0-2"', "cpus": "1.25"}, {CPUS: "1.25"}),
        ({"cpuset-cpus": '"0"', "cpus": "1.25"}, {CPUS: "1"}),
        ({"pids-limit": "100"}, {PIDS: "100"}),
        ({"pids-limit": "-1"}, {}),
        ({"ulimit": '{"nofile": "1024:2048"}'}, {NOFILE: "1024"}),
        ({"ulimit": '{"nofile": "-1"}'}, {}),
        ({"ulimit": '{"core": 0}'}, {}),
        ({"memory": '"64m"', "pids-limit": "5", "user": '"1"'}, {MEMORY: "67108864", PIDS: "5"}),
    ],
)
def test_what_is_limited_is_told(given: dict[str, str], told: dict[str, str]) -> None:
    assert limits_told({name: parsed(name, text) for name, text in given.items()}) == told


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (None, set()),
        ({"confd.limits": MEMORY}, {MEMORY}),
        ({"other.prefix.limits": f"{MEMORY},{PIDS}"}, {MEMORY, PIDS}),
        ({"confd.limits": f"{MEMORY},PATH"}, set()),
        ({"shop.limits": "3"}, set()),
        ({"confd.limits": ""}, set()),
        ({"confd.app": MEMORY}, set()),
    ],
)
def test_a_container_s_label_says_what_it_was_told(labels: Any, names: set[str]) -> None:
    assert told_in({"Config": {"Labels": labels}}) == names
