"""Mounts of any kind, each at a place of its own, and anonymous volumes that are carried over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.errors import Invalid
from confd.options import observed_options, overlay, spelled
from tests.unit.options.samples import BARE, OWN, created, parsed

VOLUME = "b" * 64


def mounts(*given: Any) -> dict[str, str]:
    return {"mount": parsed("mount", json.dumps(given))}


@pytest.mark.parametrize(
    ("given", "canonical", "field"),
    [
        (
            "type=bind,source=/srv//,target=/x/,ro,bind-propagation=rshared,bind-nonrecursive=true",
            {"type": "bind", "src": "/srv", "dst": "/x", "readonly": True, "bind-nonrecursive": True,
             "bind-propagation": "rshared"},
            {"Type": "bind", "Source": "/srv", "Target": "/x", "ReadOnly": True,
             "BindOptions": {"Propagation": "rshared", "NonRecursive": True}},
        ),
        (
            "type=volume,src=data,dst=/x,volume-nocopy,volume-label=a=1,volume-driver=local,volume-opt=type=tmpfs",
            {"type": "volume", "src": "data", "dst": "/x", "volume-nocopy": True, "volume-driver": "local",
             "volume-label": {"a": "1"}, "volume-opt": {"type": "tmpfs"}},
            {"Type": "volume", "Source": "data", "Target": "/x", "VolumeOptions": {
                "NoCopy": True, "Labels": {"a": "1"},
                "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs"}}}},
        ),
        ("dst=/x", {"type": "volume", "dst": "/x"}, {"Type": "volume", "Target": "/x", "VolumeOptions": {}}),
        (
            "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700,consistency=default",
            {"type": "tmpfs", "dst": "/x", "tmpfs-mode": "0700", "tmpfs-size": 1048576},
            {"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 0o700}},
        ),
        (
            "type=bind,src=/a,dst=/x,bind-recursive=disabled,bind-propagation=rprivate",
            {"type": "bind", "src": "/a", "dst": "/x", "bind-nonrecursive": True},
            {"Type": "bind", "Source": "/a", "Target": "/x", "BindOptions": {"NonRecursive": True}},
        ),
        (
            {"type": "bind", "src": "/a", "dst": "/x", "readonly": True, "bind-recursive": "readonly"},
            {"type": "bind", "src": "/a", "dst": "/x", "readonly": True, "bind-recursive": "readonly"},
            {"Type": "bind", "Source": "/a", "Target": "/x", "ReadOnly": True,
             "BindOptions": {"ReadOnlyForceRecursive": True}},
        ),
    ],
)  # fmt: skip
def test_a_mount_has_one_text_and_its_fields(given: Any, canonical: Any, field: Any) -> None:
    text = mounts(given)
    assert json.loads(text["mount"]) == [canonical]
    made = created(BARE, text)
    seen = made["HostConfig"]["Mounts"][0]
    assert {name: its for name, its in seen.items() if (name, canonical.get("src")) != ("Source", None)} == field
    assert observed_options(made) == {**OWN, **text}
    assert parsed("mount", json.dumps(spelled("mount", text["mount"]))) == text["mount"]


@pytest.mark.parametrize(
    "given",
    [
        1, [1], "", "type=npipe,dst=/x", "type=bind,dst=/x", "type=bind,src=data,dst=/x",
        "type=tmpfs,src=/a,dst=/x",
        "type=tmpfs,dst=x", "type=tmpfs,dst=/", "type=volume,src=/a,dst=/x", "type=volume,dst=/x,readonly",
        "type=volume,src=data,dst=/x,readonly=perhaps", "type=bind,src=/a,dst=/x,volume-nocopy",
        "type=bind,src=/a,dst=/x,bind-propagation=z", ["type=tmpfs,dst=/x", "type=tmpfs,dst=/x/"],
        {"type": "tmpfs", "dst": "/x", "readonly": "maybe"}, {"type": "tmpfs", "dst": "/x", "readonly": 1},
        {"type": "volume", "dst": "/x", "volume-label": 1}, {"type": "tmpfs", "dst": "/x", "tmpfs-size": "lots"},
    ],
)  # fmt: skip
def test_what_is_no_mount_is_refused(given: Any) -> None:
    with pytest.raises(Invalid, match=r"run/mount \(--mount\): expected"):
        parsed("mount", json.dumps(given))


def test_an_anonymous_volume_that_is_carried_over_is_no_option() -> None:
    own = created(BARE, {})
    own["Mounts"] = [{"Type": "volume", "Name": VOLUME, "Destination": "/data", "RW": True}]
    after = created(own, {})
    assert after["HostConfig"]["Mounts"] == [
        {"Type": "volume", "Source": VOLUME, "Target": "/data", "ReadOnly": False}
    ]
    assert observed_options(after) == OWN


def test_one_that_was_asked_for_stays_the_same_volume() -> None:
    first = created(BARE, mounts("type=volume,dst=/data"))
    name = first["Mounts"][0]["Name"]
    assert len(name) == 64
    again = created(first, {**mounts("type=volume,dst=/data"), "user": '"1"'})
    assert again["Mounts"][0]["Name"] == name
    assert observed_options(again)["mount"] == mounts("type=volume,dst=/data")["mount"]
    assert created(again, {"tmpfs": '{"/data":""}'})["HostConfig"]["Mounts"] == []


def test_where_a_setting_mounts_something_nothing_of_its_own_is_mounted() -> None:
    base = {
        "volume": '["/a:/x","/b:/y"]',
        "tmpfs": '{"/t":"","/x/":""}',
        **mounts("type=tmpfs,dst=/m"),
    }
    over = overlay(base, {"volume": '["/c:/t"]', **mounts("type=tmpfs,dst=/x")})
    assert over == {"volume": '["/c:/t"]', **mounts("type=tmpfs,dst=/x")}
    kept = overlay(base, mounts("type=tmpfs,dst=/x"))
    assert kept["volume"] == '["/b:/y"]'
    assert kept["tmpfs"] == '{"/t":""}'
    assert "volume" not in overlay({"volume": '["/a:/x"]'}, mounts("type=tmpfs,dst=/x"))
    assert overlay(base, {"user": '"1"'}) == {**base, "user": '"1"'}
