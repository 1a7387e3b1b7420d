"""What a host lets the store do, with an agent as it comes: limits, restart policy, variables, and nothing else.

Each other option is tried through the API and straight in etcd, as whoever has taken the store would. So is the
base that the agent keeps there, and a file for a folder of the host.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from confd.options import OPTIONS
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes
from tests.unit.options.samples import SAMPLES

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
REFUSED = sorted(name for name, option in OPTIONS.items() if not option.limit)
DANGEROUS = {
    *("privileged", "volume", "device", "device-cgroup-rule", "network", "ipc", "pid", "uts", "userns"),
    *("cap-add", "security-opt", "image", "entrypoint", "command", "cgroup-parent", "runtime", "user", "group-add"),
    *("publish", "sysctl", "tmpfs", "add-host", "dns", "log-driver", "log-opt"),
    *(
        "mount",
        "volumes-from",
        "volume-driver",
        "storage-opt",
        "link",
        "gpus",
        "network-alias",
        "ip",
        "mac-address",
    ),
    *("cgroupns", "oom-score-adj", "oom-kill-disable", "cpu-rt-runtime", "cpu-rt-period", "publish-all", "expose"),
    "mac-address",
    *("label", "annotation", "health-cmd", "tty", "interactive", "hostname", "domainname"),
}


@pytest.fixture
def web(apart: Apart, engine: EngineProcess) -> Apart:
    """An agent that was given nothing, and a container with one setting."""
    engine.run("web", SERVE, labels={"confd.app": "web"})
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    return apart


def _status(apart: Apart) -> dict[str, Any]:
    (status,) = apart.status("web")
    return status


def _blocked(apart: Apart, line: str) -> bool:
    status = _status(apart)
    return status["state"] == "blocked" and line in str(status["detail"])


def test_what_could_take_the_host_is_refused_by_default() -> None:
    assert set(REFUSED) >= DANGEROUS
    assert {"memory", "cpus", "restart", "pids-limit"}.isdisjoint(REFUSED)


def test_each_option_is_refused_with_the_line_to_add(web: Apart, etcd: EtcdProcess, engine: EngineProcess) -> None:
    writes = Writes(engine)
    for name in REFUSED:
        line = f'allow-run = ["{name}"]'
        words = web.words("set", "web", f"run/{name}={SAMPLES[name]}", "--json", "-e", "dev", expect=65)
        assert (line in words, f"--allow-run {name}" in words) == (True, True), words
    for name in REFUSED:
        key = f"/confd/envs/dev/settings/web/run/{name}"
        etcd.ctl("put", key, SAMPLES[name])
        until(lambda name=name: _blocked(web, f'allow-run = ["{name}"]'), 20)  # type: ignore[misc]
        etcd.ctl("del", key)
    until(lambda: _status(web)["state"] == "in-sync", 20)
    assert writes.all() == []


def test_what_the_agents_own_file_allows_is_done(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('allow-run = ["cap-add", "user"]\n')
    apart = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    apart.begin_api()
    apart.begin_agent("--config", str(tmp_path / "agent.toml"))
    try:
        until(lambda: apart._run("hosts").stdout.count("alive") == 1, 30)
        engine.run("web", SERVE, labels={"confd.app": "web"})
        apart.ctl(
            "set", "web", 'run/cap-add=["NET_ADMIN"]', "run/user=1000", "--json", "-e", "dev", "--wait", "30s"
        )
        now = engine.inspect("web")
        assert (now["HostConfig"]["CapAdd"], now["Config"]["User"]) == (["NET_ADMIN"], "1000")
        said = apart.words("set", "web", "run/privileged=true", "--json", "-e", "dev", expect=65)
        assert 'allow-run = ["privileged"]' in said
    finally:
        apart.stop()


@pytest.mark.parametrize(
    ("name", "text"), [("privileged", "true"), ("volume", '["/:/host"]'), ("image", '"evil:1"'), ("pid", '"host"')]
)
def test_a_base_that_was_changed_in_the_store_brings_nothing_in(
    web: Apart, etcd: EtcdProcess, engine: EngineProcess, name: str, text: str
) -> None:
    """The container's own spec stands in the store too: what it says beyond what the container has is refused."""
    container = engine.inspect("web")["Id"]
    key = f"/confd/hosts/h1/ledger/{container}"
    web.kill_agent()
    entry = json.loads(etcd.ctl("get", key, "--print-value-only"))
    entry["base"]["options"][name] = text
    etcd.ctl("put", key, json.dumps(entry))
    writes = Writes(engine)
    web.begin_agent()
    etcd.ctl("put", "/confd/envs/dev/settings/web/A", '"2"')
    until(lambda: _blocked(web, f"run/{name}") or _status(web)["state"] == "in-sync", 40)
    now = engine.inspect("web")
    assert now["HostConfig"]["Privileged"] is False
    assert (now["HostConfig"]["Binds"], now["HostConfig"]["PidMode"]) == (None, "")
    assert now["Config"]["Image"] == "confd-test:1"
    if _status(web)["state"] == "blocked":
        assert writes.all() == []


def test_a_file_for_a_folder_of_the_host_is_not_written(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    """Whoever mounts the host's /etc into a container gives it to that container, and not to the store."""
    engine.run("cron", SERVE, labels={"confd.app": "cron"}, host={"Binds": ["/etc:/host:rw"]})
    binding = {
        "variables": {"exclude": ["**"]},
        "files": [{"path": "/host/confd-test-planted", "format": "json"}],
        "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
    }
    (tmp_path / "binding.json").write_text(json.dumps(binding))
    apart.ctl("binding", "set", "cron", str(tmp_path / "binding.json"), "-e", "dev")
    said = apart.words("set", "cron", "A=1", "-e", "dev", "--wait", "20s", expect=3)
    assert "/etc is a folder of the host itself" in said
    assert not Path("/etc/confd-test-planted").exists()
    binding["files"] = [{"path": "/host/x", "format": "json", "mode": "4755"}]
    (tmp_path / "binding.json").write_text(json.dumps(binding))
    assert "mode" in apart.words("binding", "set", "cron", str(tmp_path / "binding.json"), "-e", "dev", expect=65)
