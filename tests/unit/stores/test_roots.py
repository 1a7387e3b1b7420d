"""Which watchers a set of areas needs: none may lie below another, or each event would come twice."""

from __future__ import annotations

import pytest

from confd.keys import Env, Host, Keyspace
from confd.ports import Area
from confd.snapshot import all_areas, env_area, meta_area
from confd.stores.watching import _roots

KEYS = Keyspace()
OF_AGENT = (meta_area(KEYS), *(env_area(KEYS, Env(env), Host("h1")) for env in ("_default", "dev")))


@pytest.mark.parametrize(
    ("areas", "roots"),
    [
        (OF_AGENT, ["/confd/envs/", "/confd/meta"]),
        (all_areas(KEYS), ["/confd/"]),
        ((Area("/a/b"), Area("/a/c"), Area("/a/d/e/")), ["/a/"]),
        ((Area("/a/b/"), Area("/c/d/")), ["/a/b/", "/c/d/"]),
        ((), [""]),
    ],
)
def test_each_event_comes_once(areas: tuple[Area, ...], roots: list[str]) -> None:
    assert _roots(areas) == roots


def test_an_agent_is_not_sent_what_hosts_tell_of_themselves() -> None:
    assert not any(KEYS.hosts.startswith(root) for root in _roots(OF_AGENT))
