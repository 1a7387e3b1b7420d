"""Who follows a container, and how it names the successor then."""

from __future__ import annotations

from typing import Any

import pytest

from confd.actions.followers import Succession, followers_of, following, shares_namespace

OLD, NEW = "a" * 64, "b" * 64
LEADER = {"Id": OLD, "Name": "/vpn", "HostConfig": {}}
GONE = Succession({**LEADER, "Name": "/vpn.confd-old"}, NEW, "vpn")


def _follower(**host: Any) -> dict[str, Any]:
    return {"Id": "c" * 64, "Name": "/app", "HostConfig": host}


@pytest.mark.parametrize(
    ("host", "then", "shares"),
    [
        ({"NetworkMode": f"container:{OLD}"}, {"NetworkMode": f"container:{NEW}"}, True),
        ({"IpcMode": "container:vpn"}, {"IpcMode": f"container:{NEW}"}, True),
        ({"PidMode": f"container:{OLD}"}, {"PidMode": f"container:{NEW}"}, True),
        ({"VolumesFrom": ["vpn:ro", "other"]}, {"VolumesFrom": ["vpn:ro", "other"]}, False),
        ({"VolumesFrom": [f"{OLD}:ro"]}, {"VolumesFrom": ["vpn:ro"]}, False),
        ({"Links": ["/vpn:/app/way"]}, {"Links": ["/vpn:/app/way"]}, False),
        ({"Links": ["/vpn.confd-old:/app/way"]}, {"Links": ["/vpn:/app/way"]}, False),
    ],
)
def test_a_follower_names_the_one_that_has_the_place_now(
    host: dict[str, Any], then: dict[str, Any], shares: bool
) -> None:
    follower = _follower(**host)
    assert followers_of(GONE.before, [follower]) == [follower] or followers_of(LEADER, [follower]) == [follower]
    assert following(follower, GONE)["HostConfig"] == then
    assert shares_namespace(follower, LEADER) is shares
    assert follower["HostConfig"] == host


@pytest.mark.parametrize("host", [{"NetworkMode": "bridge"}, {"NetworkMode": "container:other"}, {"Links": None}])
def test_others_do_not_follow_it(host: dict[str, Any]) -> None:
    assert followers_of(LEADER, [_follower(**host), LEADER]) == []
    assert following(_follower(**host), GONE)["HostConfig"] == host
