"""Networks, their names and addresses; and what was asked for that an inspect does not tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.actions.fidelity import Wanted, replacement_of
from confd.errors import EngineRefused, Invalid
from confd.options import observed_options, overlay, read_back, write_options
from tests.unit.options.samples import BARE, OWN, created, parsed, sample

BACK = {"name": "back", "alias": ["api", "backend"], "ip": "172.30.0.9", "driver-opt": {"a": "1"}}


def networks(value: Any) -> dict[str, str]:
    return {"network": parsed("network", json.dumps(value))}


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("front", "front"),
        (["front"], "front"),
        ({"name": "front"}, "front"),
        ("name=front", "front"),
        ("container:db", "container:db"),
        (["front", BACK], [{"name": "front"}, BACK]),
        (
            ["front", "name=back,alias=backend,alias=api,ip=172.30.0.9,driver-opt=a=1"],
            [{"name": "front"}, BACK],
        ),
        (["front", "b", "a"], [{"name": "front"}, {"name": "a"}, {"name": "b"}]),
        (["bridge", "a"], [{"name": "bridge"}, {"name": "a"}]),
        (
            ["front", {"name": "six", "ip6": "fd00::9", "link-local-ip": "169.254.3.3"}],
            [{"name": "front"}, {"name": "six", "ip6": "fd00::9", "link-local-ip": ["169.254.3.3"]}],
        ),
    ],
)
def test_networks_have_one_text(given: Any, canonical: Any) -> None:
    assert json.loads(parsed("network", json.dumps(given))) == canonical


@pytest.mark.parametrize(
    "given",
    [
        [], {}, 1, "a b", "container:", "name=a,ip=x", "name=a,name=b", "alias=x", {"name": "a", "mtu": "1"},
        {"name": "front", "alias": "web"}, ["host", "front"], ["front", "host"], ["front", "front"],
        ["container:db", "front"], ["front", {"name": "a", "alias": 1}],
        ["front", {"name": "a", "driver-opt": ["x"]}],
        ["front", {"name": "a", "ip": "front"}],
    ],
)  # fmt: skip
def test_what_are_no_networks_is_refused(given: Any) -> None:
    with pytest.raises(Invalid, match=r"run/network \(--network\): expected a network's name"):
        parsed("network", json.dumps(given))


def test_networks_that_somebody_else_connected_are_neither_seen_nor_lost() -> None:
    web = created(BARE, networks("front"))
    web["NetworkSettings"]["Networks"]["extra"] = {"Aliases": ["x"]}
    assert observed_options(web)["network"] == '"front"'
    with_back = replacement_of(web, "web", Wanted("app:1", {}, {**OWN, **networks(["front", BACK])}))
    assert with_back.networks.keys() == {"back", "extra"}


def test_a_network_that_was_connected_before_is_as_it_was_when_it_is_asked_for_no_more() -> None:
    web = created(BARE, networks("front"))
    web["NetworkSettings"]["Networks"]["back"] = {"Aliases": ["old"]}
    with_back = created(web, networks(["front", BACK]))
    assert observed_options(with_back)["network"] == networks(["front", BACK])["network"]
    without = created(with_back, networks("front"))
    assert [one for one in without["NetworkSettings"]["Networks"]["back"]["Aliases"] if one != "f" * 12] == ["old"]
    assert "confd.asked" not in without["Config"]["Labels"]


def test_one_that_was_not_connected_is_left_again() -> None:
    with_back = created(BARE, networks(["front", BACK]))
    assert created(with_back, networks("front"))["NetworkSettings"]["Networks"].keys() == {"front"}
    assert created(with_back, {}) == created(BARE, {})


def test_the_name_of_another_container_is_kept_where_the_engine_writes_its_id() -> None:
    for name in ("network", "ipc", "pid"):
        field = {"network": "NetworkMode", "ipc": "IpcMode", "pid": "PidMode"}[name]
        web = created(BARE, {name: '"container:db"'})
        web["HostConfig"][field] = "container:" + "a" * 64
        assert observed_options(web)[name] == '"container:db"'
        del web["Config"]["Labels"]["confd.asked"]
        assert observed_options(web)[name] == f'"container:{"a" * 64}"'


@pytest.mark.parametrize("label", ["", "x", "[]", '{"network":[]}', '{"label":{"gone":null}}'])
def test_a_label_that_somebody_else_wrote_means_nothing(label: str) -> None:
    web = created(BARE, {})
    web["Config"]["Labels"]["confd.asked"] = label
    assert observed_options(web) == OWN


def test_a_label_over_one_of_its_own_gives_that_back() -> None:
    own = created(BARE, {})
    own["Config"]["Labels"] = {"team": "old", "com.docker.compose.project": "p"}
    with_it = created(own, sample("label"))
    assert with_it["Config"]["Labels"]["team"] == "shop"
    assert created(with_it, {})["Config"]["Labels"] == {"team": "old", "com.docker.compose.project": "p"}


@pytest.mark.parametrize("name", ["confd.app", "com.docker.compose.project", "com.docker.swarm.task", ""])
def test_labels_of_others_cannot_be_set(name: str) -> None:
    with pytest.raises(Invalid, match="run/label"):
        parsed("label", json.dumps({name: "x"}))


def test_ports_of_the_image_are_exposed_whatever_is_asked_for() -> None:
    own = created(BARE, {})
    own["Config"]["ExposedPorts"] = {"80/tcp": {}}
    with_it = created(own, {"expose": parsed("expose", '["80", "90"]')})
    assert set(with_it["Config"]["ExposedPorts"]) == {"80/tcp", "90/tcp"}
    assert set(created(with_it, {})["Config"]["ExposedPorts"]) == {"80/tcp"}


@pytest.mark.parametrize(
    ("mode", "gone"),
    [
        ("back", {"ip"}),
        ("bridge", {"ip", "network-alias"}),
        ("none", {"ip", "network-alias"}),
        ("host", {"ip", "network-alias", "hostname", "publish"}),
        ("container:db", {"ip", "network-alias", "hostname", "publish", "dns"}),
        (["back", BACK | {"name": "third"}], {"ip"}),
    ],
)
def test_another_network_takes_what_its_own_one_gave_away(mode: Any, gone: set[str]) -> None:
    base = {name: sample(name)[name] for name in ("hostname", "publish", "ip", "network-alias", "dns")}
    base |= networks("front")
    assert base.keys() - overlay(base, networks(mode)).keys() == gone
    back = created(created(created(BARE, base), overlay(base, networks(mode))), base)
    assert observed_options(back) == {**OWN, **base}


def test_links_stand_where_their_network_has_them() -> None:
    default, users = created(BARE, sample("link")), created(BARE, {**networks("front"), **sample("link")})
    assert default["HostConfig"]["Links"] == ["db:database"]
    assert users["HostConfig"].get("Links") is None
    assert users["NetworkSettings"]["Networks"]["front"]["Links"] == ["db:database"]
    default["HostConfig"]["Links"] = ["/db:/web/database"]
    assert observed_options(default)["link"] == sample("link")["link"]
    assert created(users, networks("front")) == created(BARE, networks("front"))


def test_aliases_that_a_container_has_by_itself_are_not_its_own() -> None:
    web = created(BARE, {**networks("front"), "hostname": '"box"', "network-alias": '["web"]'})
    web["NetworkSettings"]["Networks"]["front"]["Aliases"] = ["web", "f" * 12, "box"]
    assert observed_options(web)["network-alias"] == '["web"]'


def test_a_network_that_is_known_by_its_id_is_found() -> None:
    web = created(BARE, networks("front"))
    web["NetworkSettings"]["Networks"]["front"] |= {"NetworkID": "n1", "Aliases": ["web"]}
    web["HostConfig"]["NetworkMode"] = "n1"
    assert observed_options(web)["network-alias"] == '["web"]'


def test_an_address_without_a_network_that_has_it_is_refused_before_anything_is_done() -> None:
    with pytest.raises(EngineRefused, match="set run/network as well"):
        created(BARE, {"ip": '"10.0.0.9"'})


@pytest.mark.parametrize("mode", ["none", "host", "container:db"])
def test_further_networks_are_not_given_up_for_one_that_takes_none(mode: str) -> None:
    web = created(BARE, networks("front"))
    web["NetworkSettings"]["Networks"]["extra"] = {}
    with pytest.raises(EngineRefused, match="further networks"):
        created(web, networks(mode))


def test_options_of_a_driver_are_not_given_up() -> None:
    web = created(BARE, networks("front"))
    web["NetworkSettings"]["Networks"]["front"]["DriverOpts"] = {"a": "1"}
    with pytest.raises(EngineRefused, match="options of a network's driver"):
        created(web, networks("back"))


def test_what_stays_is_not_touched() -> None:
    body: dict[str, Any] = {"HostConfig": {"Binds": ["/srv//data:/data:rw"]}}
    write_options(body, {"volume": '["/srv/data:/data"]'}, {"volume": '["/srv/data:/data"]', "user": '"1"'})
    assert body == {"HostConfig": {"Binds": ["/srv//data:/data:rw"]}, "User": "1"}


def test_a_mode_reads_back_with_all_that_follows_it() -> None:
    both = {**networks("front"), **sample("network-alias")}
    assert read_back(both) == both
