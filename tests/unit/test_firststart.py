"""What makes a first start right, and what a container has of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd import jsontext
from confd.firststart import Due, compose_override, docker_args, taken_from
from confd.keys import App, Env
from confd.options import OPTIONS, composed, spelled
from tests.unit.options.samples import BARE, SAMPLES, created, parsed, sample

WEB, DEV = App("web"), Env("dev")


def due(variables: dict[str, str] | None = None, **options: str) -> Due:
    canonical = {name.replace("_", "-"): parsed(name.replace("_", "-"), text) for name, text in options.items()}
    return Due(WEB, DEV, variables or {}, canonical)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in ("command", "entrypoint")])
def test_what_is_spelled_means_the_same(name: str) -> None:
    words = spelled(name, parsed(name, SAMPLES[name]))
    option = OPTIONS[name]
    value: Any = words if isinstance(jsontext.plain(jsontext.parse(SAMPLES[name])), (list, dict)) else words[0]
    if name in ("tmpfs", "ulimit"):
        value = dict(word.split("=" if name == "ulimit" else ":", 1) for word in words)
    if name == "cap-drop":
        value = words
    if option.form == "true or false":
        value = words[0] == "true"
    assert option.parse(value) == parsed(name, SAMPLES[name])


def test_flags_are_quoted_for_a_shell() -> None:
    text, words = docker_args(due({"GREETING": "it's $5"}, memory='"64m"', restart='"on-failure:3"', init="true"))
    assert text.splitlines() == [
        "--label confd.app=web \\",
        "--label confd.env=dev \\",
        """--env 'GREETING=it'"'"'s $5' \\""",
        "--init=true \\",
        "--memory=67108864 \\",
        "--restart=on-failure:3",
    ]
    assert words == ()


def test_what_stands_after_the_image_is_told() -> None:
    text, words = docker_args(due(command='["run", "a b"]', image='"app:2"', entrypoint='["sh", "-c"]'))
    assert "--entrypoint sh" in text
    assert words == (
        "run/command: put after the image: run 'a b'",
        "run/entrypoint: put after the image, before all else: -c",
        "run/image: the image is app:2",
    )
    assert docker_args(due(entrypoint='["sh"]'))[1] == ()


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        ('["127.0.0.1:8080:80", "53/udp", "9000:90"]', ["127.0.0.1:8080:80", "53/udp", "9000:90"]),
        ('["127.0.0.1::80"]', ["127.0.0.1::80"]),
    ],
)
def test_ports_are_spelled_as_docker_run_does(given: str, flags: list[str]) -> None:
    assert sorted(spelled("publish", parsed("publish", given))) == flags


def test_an_override_of_compose_doubles_every_dollar() -> None:
    document, words = compose_override(
        due(
            {"A": "$HOME"},
            memory='"64m"',
            cpus="1.5",
            log_driver='"local"',
            log_opt='{"max-size": "1m"}',
            stop_timeout="30",
            ulimit='{"nofile": "1:2"}',
            command='["echo", "$A"]',
            publish='["8080:80"]',
            cpuset_mems='"0"',
            restart='"always"',
            device='["/dev/null"]',
            blkio_weight="300",
        ),
        "shop",
    )
    assert document == {
        "services": {
            "shop": {
                "labels": {"confd.app": "web", "confd.env": "dev"},
                "environment": {"A": "$$HOME"},
                "mem_limit": 67108864,
                "cpus": "1.5",
                "logging": {"driver": "local", "options": {"max-size": "1m"}},
                "stop_grace_period": "30s",
                "ulimits": {"nofile": {"soft": 1, "hard": 2}},
                "command": ["echo", "$$A"],
                "ports": ["8080:80"],
                "restart": "always",
                "devices": ["/dev/null:/dev/null:rwm"],
                "blkio_config": {"weight": 300},
            }
        }
    }
    assert words == ("run/cpuset-mems: Compose has no word for it",)
    assert compose_override(due(), "web")[0] == {
        "services": {"web": {"labels": {"confd.app": "web", "confd.env": "dev"}, "environment": {}}}
    }


@pytest.mark.parametrize("name", SAMPLES)
def test_compose_has_a_word_for_nearly_all(name: str) -> None:
    elsewhere = {"label", "network-alias", "ip", "ip6", "link-local-ip"}
    unknown = {"cpuset-mems", "uts", "kernel-memory", "publish-all", "volume-driver", *elsewhere}
    assert (composed(name, parsed(name, SAMPLES[name])) is None) == (name in unknown)


def test_what_a_container_has_of_its_own_becomes_settings() -> None:
    inspect = created(BARE, {**sample("memory"), **sample("cpus"), **sample("restart"), **sample("publish")})
    inspect["Config"]["Env"] = ["A=1", "FROM_IMAGE=x", "PATH=/bin", "odd.name=1", "LD_PRELOAD=x", "nothing"]
    taken = taken_from(inspect, {"Env": ["FROM_IMAGE=x", "A=0"]})
    assert taken.settings == {"A": "1", "run/memory": "536870912", "run/cpus": "1.5", "run/restart": "always"}
    assert taken.left == (
        "variable PATH: reserved",
        "variable odd.name: no key gives this name",
        "variable LD_PRELOAD: reserved",
        "publish: stay the container's own",
    )


def test_a_container_with_nothing_of_its_own_has_no_settings() -> None:
    bare = created(BARE, {})
    bare["Config"]["Env"] = []
    assert taken_from(bare, {}).settings == {}
    assert taken_from(bare, {}).left == ()


NETWORKS = '["front", {"name": "back", "alias": ["api"], "ip": "172.30.0.9", "driver-opt": {"a": "1"}}]'


def test_what_an_inspect_would_not_tell_stands_in_a_label() -> None:
    text, words = docker_args(due(label='{"team": "a b"}', expose='"80"', network=NETWORKS, ipc='"container:db"'))
    asked = json.dumps(
        {
            "expose": {"80/tcp": False},
            "label": {"team": None},
            "modes": {"ipc": "container:db"},
            "network": {"back": None},
        },
        separators=(",", ":"),
    )
    assert text.splitlines() == [
        "--label confd.app=web \\",
        "--label confd.env=dev \\",
        "--label 'team=a b' \\",
        f"--label 'confd.asked={asked}' \\",
        "--expose=80/tcp \\",
        "--ipc=container:db \\",
        "--network=front \\",
        "--network=name=back,alias=api,ip=172.30.0.9,driver-opt=a=1",
    ]
    assert words == (
        "run/network: an engine before API 1.44 takes the first; `docker network connect` does others",
    )


@pytest.mark.parametrize(
    ("name", "given", "flags"),
    [
        ("gpus", '"all"', ["all"]),
        ("gpus", "2", ["2"]),
        (
            "gpus",
            '{"device": ["0", "1"], "capabilities": ["utility"], "driver": "nvidia", "options": {"a": "1"}}',
            ['driver=nvidia,"device=0,1",capabilities=utility,options=a=1'],
        ),
        ("gpus", '{"count": 1, "capabilities": "utility"}', ["count=1,capabilities=utility"]),
        ("publish", '"[::1]:80:80"', ["[::1]:80:80"]),
        ("health-cmd", '["a b", "c"]', ["'a b' c"]),
        ("health-interval", '"1.5s"', ["1500ms"]),
        ("health-interval", '"1000001ns"', ["1000001ns"]),
        ("mount", '"type=tmpfs,dst=/a,readonly"', ["type=tmpfs,dst=/a,readonly"]),
        ("mount", '{"type": "bind", "src": "/a,b", "dst": "/c"}', ['type=bind,"src=/a,b",dst=/c']),
    ],
)
def test_what_has_members_is_spelled_in_words_with_commas(name: str, given: str, flags: list[str]) -> None:
    assert spelled(name, parsed(name, given)) == flags


def test_an_override_has_one_key_for_what_belongs_together() -> None:
    document, words = compose_override(
        due(
            network=NETWORKS,
            network_alias='["web"]',
            ip='"10.0.0.9"',
            health_cmd='["check"]',
            health_interval='"30s"',
            volume='["/a:/a"]',
            mount='["type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700", "src=data,dst=/d,volume-nocopy"]',
            device_read_bps='["/dev/sda:1m"]',
            blkio_weight="300",
            gpus='{"device": "0"}',
            label='{"team": "shop"}',
            volumes_from='["db:ro"]',
        ),
        "shop",
    )
    body: Any = document["services"]
    shop = body["shop"]
    assert shop["networks"] == {
        "front": {"aliases": ["web"], "ipv4_address": "10.0.0.9"},
        "back": {"aliases": ["api"], "ipv4_address": "172.30.0.9", "driver_opts": {"a": "1"}},
    }
    assert document["networks"] == {"front": {"external": True}, "back": {"external": True}}
    assert shop["healthcheck"] == {"test": ["CMD", "check"], "interval": "30s"}
    assert shop["volumes"] == [
        {"type": "volume", "source": "data", "target": "/d", "volume": {"nocopy": True}},
        {"type": "tmpfs", "target": "/t", "tmpfs": {"size": 1048576, "mode": 0o700}},
        "/a:/a",
    ]
    assert shop["blkio_config"] == {
        "weight": 300,
        "device_read_bps": [{"path": "/dev/sda", "rate": 1048576}],
    }
    (gpu,) = shop["deploy"]["resources"]["reservations"]["devices"]
    assert gpu == {"device_ids": ["0"], "capabilities": ["gpu"]}
    assert shop["labels"]["team"] == "shop"
    assert shop["volumes_from"] == ["container:db:ro"]
    assert words == ()


def test_one_network_with_an_alias_is_named_and_one_without_is_a_mode() -> None:
    named: Any = compose_override(due(network='"front"', network_alias='["web"]'), "web")[0]
    assert named["services"]["web"]["networks"] == {"front": {"aliases": ["web"]}}
    mode: Any = compose_override(due(network='"front"'), "web")[0]
    assert mode["services"]["web"]["network_mode"] == "front"
    assert compose_override(due(network_alias='["web"]'), "web")[1] == (
        "run/network-alias: Compose has no word for it",
    )
