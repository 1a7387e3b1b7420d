"""What `export --format docker-args` prints, given to a real `docker`: the container has what is due, no more."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping

import pytest
from docker.types import IPAMConfig, IPAMPool

from confd.firststart import Due, docker_args
from confd.keys import App, Env
from confd.options import OPTIONS, observed_options, read_back
from confd.options.option import OLDEST
from confd.options.texts import load
from confd.ports import Replacement
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.unit.options.samples import parsed, sample

DISCARDED = {"blkio-weight", "blkio-weight-device", "storage-opt"}
"""What this machine's kernel or file system cannot do."""

NEWER = {name for name in OPTIONS if OPTIONS[name].since(sample(name)[name]) != OLDEST}
EXAMPLES = [
    (name, json.dumps(example))
    for name in sorted(OPTIONS.keys() - DISCARDED - NEWER)
    for example in OPTIONS[name].examples
]
NO_FLAG = {("health-cmd", '["check", "--quick"]'), ("entrypoint", '["other", "-x"]')}
"""What the API knows and no flag says: a check without a shell, and a program with words of its own."""

PROGRAMS = ("requires API version 1.44", "cannot be connected to network endpoints")
"""Why a docker program since 25 does not bring a MAC address or several networks to an engine before 25."""

RUNNING: Mapping[str, str] = {
    "memory": '"128m"', "memory-swap": '"256m"', "cpus": "0.5", "pids-limit": "100", "cap-drop": '"ALL"',
    "cap-add": '["CHOWN", "KILL"]', "read-only": "true", "tmpfs": '{"/run": "size=16m"}', "user": '"0:0"',
    "hostname": '"box"', "domainname": '"example.org"', "dns": '"10.0.0.2"', "dns-search": '"a.example"',
    "dns-option": '"ndots:2"', "add-host": '"db:10.0.0.3"', "sysctl": '{"net.core.somaxconn": 512}',
    "ulimit": '{"nofile": "256:512"}', "log-opt": '{"max-size": "1m"}', "restart": '"on-failure:3"', "init": "true",
    "stop-signal": '"SIGTERM"', "stop-timeout": "3", "shm-size": '"8m"', "label": '{"team": "shop", "x": "a b$c"}',
    "mount": '["type=volume,src=data,dst=/data", "type=tmpfs,dst=/cache,tmpfs-size=1m,tmpfs-mode=0700"]',
    "volume": '"shared:/shared:ro"', "volumes-from": '"db:ro"', "publish": '["127.0.0.1:18080:80", "53/udp"]',
    "expose": '"9000"', "network": '"front"', "network-alias": '["web", "api"]', "ip": '"10.213.0.9"',
    "link": '"db:database"', "health-cmd": '"true"',
    "health-interval": '"1m30s"', "health-retries": "2", "health-start-period": '"500ms"', "tty": "true",
    "interactive": "true", "oom-score-adj": "100", "security-opt": '"no-new-privileges"', "group-add": '["10"]',
    "ipc": '"shareable"', "device": '"/dev/null:/dev/nothing"', "workdir": '"/"', "entrypoint": '["sh", "-c"]',
    "command": '["while :; do sleep 0.2; done"]',
}  # fmt: skip
"""A container that has nearly everything at a time, and runs."""


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    engine.client.tag(IMAGE, "app", "2")
    made.create(Replacement("db", {"Image": IMAGE, "Cmd": ["sleep", "99"]}, {}))
    yield made
    made.close()


def docker(engine: EngineProcess, verb: str, options: Mapping[str, str]) -> str:
    """A container that a shell starts with what was printed for these canonical options.

    Empty where a docker program that is newer than its engine refuses, in words of its own, what that cannot do.
    """
    flags, _ = docker_args(Due(App("web"), Env("dev"), {}, options))
    image = load(options.get("image", f'"{IMAGE}"'))
    entrypoint = load(options["entrypoint"])[1:] if "entrypoint" in options else []
    after = shlex.join([image, *entrypoint, *load(options.get("command", '["sleep", "99"]'))])
    line = f"docker {verb} --name web {flags.rstrip()} {after}"
    environment = {"DOCKER_HOST": engine.docker_host, "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=False)
    if done.returncode and any(words in done.stderr for words in PROGRAMS):
        return ""
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.parametrize(("name", "text"), [one for one in EXAMPLES if one not in NO_FLAG])
def test_what_is_exported_of_an_option_is_what_is_observed(
    engine: EngineProcess, target: DockerTarget, name: str, text: str
) -> None:
    if "back" in text:
        engine.client.create_network("back", ipam=IPAMConfig(pool_configs=[IPAMPool("172.30.0.0/24")]))
    if "back" in text or sample(name, text).get("network") == '"front"':
        engine.client.create_network("front")
    made = docker(engine, "create", sample(name, text))
    if not made:
        assert name in ("mac-address", "network")
        return
    seen = observed_options(target.inspect(made))
    own = {"image", "command"} - sample(name, text).keys()
    assert {one: its for one, its in seen.items() if one not in own} == read_back(sample(name, text))


def test_a_container_with_nearly_everything_runs_and_is_what_is_due(
    engine: EngineProcess, target: DockerTarget
) -> None:
    engine.client.create_network("front", ipam=IPAMConfig(pool_configs=[IPAMPool("10.213.0.0/24")]))
    engine.client.connect_container_to_network("db", "front")
    target.start("db")
    options = {name: parsed(name, text) for name, text in RUNNING.items()}
    seen = target.inspect(docker(engine, "run -d", options))
    assert seen["State"]["Running"]
    found = observed_options(seen)
    # the flag takes one word; what stands behind it is part of the command for an engine
    assert found.pop("entrypoint") == '["sh"]'
    assert json.loads(found.pop("command")) == ["-c", *load(options["command"])]
    due = {name: text for name, text in options.items() if name not in ("entrypoint", "command")}
    assert {name: text for name, text in found.items() if name != "image"} == read_back(due)
