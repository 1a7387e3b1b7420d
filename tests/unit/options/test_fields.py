"""Every inspect field that an update or a recreate changes, from the options' own places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from confd import jsontext
from confd.options import OPTIONS, field_changes, observed_options, overlay
from confd.targets.document import OWN_NETWORKS
from tests.unit.options.samples import BARE, OWN, created, parsed, sample


def told(present: Mapping[str, str], settings: Mapping[str, str]) -> list[str]:
    return [str(one) for one in field_changes(present, overlay(present, settings))]


@pytest.mark.parametrize(
    ("present", "settings", "fields"),
    [
        (
            {"memory": "268435456"},
            {"memory": "536870912"},
            ["HostConfig.Memory: 268435456 -> 536870912", "HostConfig.MemorySwap: 536870912 -> 1073741824"],
        ),
        ({}, {"hostname": '"box"'}, ['Config.Hostname: "" -> "box"']),
        (
            {"hostname": '"box"'},
            {"uts": '"host"'},
            ['Config.Hostname: "box" -> ""', 'HostConfig.UTSMode: "" -> "host"'],
        ),
        ({}, {"read-only": "false"}, []),
        (
            {},
            {"publish": parsed("publish", '"8080:80"')},
            [
                'Config.ExposedPorts: not set -> {"80/tcp":{}}',
                'HostConfig.PortBindings: not set -> {"80/tcp":[{"HostIp":"","HostPort":"8080"}]}',
            ],
        ),
        ({}, {"label": '{"team":"shop"}'}, ['Config.Labels.team: not set -> "shop"']),
        (
            {"network": '"front"', "ip": '"10.0.0.9"'},
            {"network": '"back"', "network-alias": '["web"]'},
            [
                'HostConfig.NetworkMode: "front" -> "back"',
                'NetworkSettings.Networks.back: not set -> {"Aliases":["web"]}',
                'NetworkSettings.Networks.front: {"IPAMConfig":{"IPv4Address":"10.0.0.9"}} -> not set',
            ],
        ),
        (
            {"network": '"front"'},
            {"ip": '"10.0.0.9"'},
            ['NetworkSettings.Networks.front: {} -> {"IPAMConfig":{"IPv4Address":"10.0.0.9"}}'],
        ),
    ],
)
def test_each_field_is_told_with_what_it_is_before_and_after(
    present: dict[str, str], settings: dict[str, str], fields: list[str]
) -> None:
    assert told(present, settings) == fields


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_they_are_the_fields_in_which_the_two_inspects_differ(name: str) -> None:
    """Of every option there is: what a recreate gives another value is what was foretold, and no more."""
    before, after = created(BARE, {}), created(BARE, sample(name))
    foretold = {one.field for one in field_changes(OWN, {**OWN, **sample(name)})}
    assert foretold == {
        field
        for field in _flat(before).keys() | _flat(after).keys()
        if _flat(before).get(field) != _flat(after).get(field)
    }
    assert {one.field for one in field_changes(observed_options(after), OWN)} == foretold


def _flat(inspect: Mapping[str, Any]) -> dict[str, str]:
    labels = {name: text for name, text in inspect["Config"]["Labels"].items() if name != "confd.asked"}
    networks = inspect["NetworkSettings"]["Networks"]
    parts = {
        "Config": {name: value for name, value in inspect["Config"].items() if name != "Labels"},
        "Config.Labels": labels,
        "HostConfig": inspect["HostConfig"],
        "NetworkSettings.Networks": {one: its for one, its in networks.items() if one not in OWN_NETWORKS},
    }
    return {
        f"{path}.{name}": jsontext.dump(value)
        for path, its in parts.items()
        for name, value in its.items()
        if value
    }


def test_of_variables_the_names_alone_are_told() -> None:
    assert [str(one) for one in field_changes({}, {}, variables=["TOKEN"])] == [
        "Config.Env.TOKEN: (not shown) -> (not shown)"
    ]


def test_the_values_of_a_hidden_option_are_not_told() -> None:
    present, desired = {"hostname": '"box"'}, {"hostname": '"secret"', "cpu-shares": "512"}
    assert [str(one) for one in field_changes(present, desired, hidden=["hostname"])] == [
        "Config.Hostname: (not shown) -> (not shown)",
        "HostConfig.CpuShares: 0 -> 512",
    ]
