"""A container without the shim is told of its limits when it is made anew, and that alone never makes it so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

MIB = 2**20
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
MEMORY, CPUS, PIDS, NOFILE = (f"CONFD_LIMIT_{name}" for name in ("MEMORY_BYTES", "CPUS", "PIDS", "NOFILE"))


def _bind(confd: Confd, app: str, folder: Path, binding: dict[str, Any]) -> None:
    path = folder / "binding.json"
    path.write_text(json.dumps(binding))
    confd.ctl("binding", "set", app, str(path), "-e", "dev")


def _told(engine: EngineProcess, name: str) -> dict[str, str]:
    """What the process itself finds."""
    pairs = (one.partition("=") for one in engine.environ(name))
    return {name: text for name, _, text in pairs if name.startswith("CONFD_LIMIT_")}


def _stays(confd: Confd, engine: EngineProcess, app: str, key: str, text: str) -> None:
    """Five passes over it, and it is the same container."""
    before = engine.inspect(app)["Id"]
    for _ in range(5):
        confd.pass_over(app, key, text)
    assert engine.inspect(app)["Id"] == before
    assert [one["state"] for one in confd.status(app)] == ["in-sync"]


def test_all_limits_in_force_are_told_and_are_no_drift(confd: Confd, engine: EngineProcess) -> None:
    ulimits = [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]
    engine.run("told", SERVE, labels={"confd.app": "told"}, host={"Ulimits": ulimits, "CpuQuota": 50000})
    until(lambda: confd.status("told"), 20)
    confd.ctl("set", "told", "A=1", "run/memory=64m", "run/pids-limit=50", "-e", "dev", "--wait", "60s")
    assert _told(engine, "told") == {MEMORY: str(64 * MIB), CPUS: "0.5", PIDS: "50", NOFILE: "1024"}
    _stays(confd, engine, "told", "A", '"1"')


def test_a_live_update_leaves_what_was_told_until_the_next_container(confd: Confd, engine: EngineProcess) -> None:
    engine.run("stale", SERVE, labels={"confd.app": "stale"})
    until(lambda: confd.status("stale"), 20)
    confd.ctl("set", "stale", "A=1", "run/memory=64m", "-e", "dev", "--wait", "60s")
    before = engine.inspect("stale")["Id"]
    confd.ctl("set", "stale", "run/memory=96m", "-e", "dev", "--wait", "60s")
    now = engine.inspect("stale")
    assert (now["Id"], now["HostConfig"]["Memory"]) == (before, 96 * MIB)
    assert _told(engine, "stale") == {MEMORY: str(64 * MIB)}
    _stays(confd, engine, "stale", "A", '"1"')
    confd.ctl("set", "stale", "A=2", "-e", "dev", "--wait", "60s")
    assert _told(engine, "stale") == {MEMORY: str(96 * MIB)}
    confd.ctl("unset", "stale", "run/memory", "-e", "dev", "--wait", "60s")
    assert _told(engine, "stale") == {}


def test_a_binding_may_find_a_new_limit_worth_a_new_container(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    engine.run("fresh", SERVE, labels={"confd.app": "fresh"})
    until(lambda: confd.status("fresh"), 20)
    rules = [{"keys": "run/memory", "action": "recreate"}, {"keys": "**", "action": "auto"}]
    _bind(confd, "fresh", tmp_path, {"on_change": rules})
    confd.ctl("set", "fresh", "run/memory=64m", "-e", "dev", "--wait", "60s")
    assert _told(engine, "fresh") == {MEMORY: str(64 * MIB)}
    confd.ctl("set", "fresh", "run/memory=96m", "-e", "dev", "--wait", "60s")
    assert _told(engine, "fresh") == {MEMORY: str(96 * MIB)}
    _stays(confd, engine, "fresh", "run/memory", '"96m"')


def test_what_no_setting_limits_stays_as_it_was_started(confd: Confd, engine: EngineProcess) -> None:
    engine.run("own", SERVE, labels={"confd.app": "own"}, host={"Memory": 64 * MIB})
    until(lambda: confd.status("own"), 20)
    confd.ctl("set", "own", "A=1", "-e", "dev", "--wait", "60s")
    assert engine.has("own", "A", "1")
    assert _told(engine, "own") == {}


def test_a_variable_of_the_container_s_own_is_kept(confd: Confd, engine: EngineProcess) -> None:
    engine.run("kept", SERVE, labels={"confd.app": "kept"}, Env=[f"{MEMORY}=7"])
    until(lambda: confd.status("kept"), 20)
    confd.ctl("set", "kept", "A=1", "run/memory=64m", "run/pids-limit=50", "-e", "dev", "--wait", "60s")
    assert _told(engine, "kept") == {MEMORY: "7", PIDS: "50"}
    _stays(confd, engine, "kept", "A", '"1"')


def test_a_binding_may_say_that_nothing_is_told(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    engine.run("quiet", SERVE, labels={"confd.app": "quiet"})
    until(lambda: confd.status("quiet"), 20)
    _bind(confd, "quiet", tmp_path, {"variables": {"limits": False}})
    confd.ctl("set", "quiet", "A=1", "run/memory=64m", "-e", "dev", "--wait", "60s")
    assert _told(engine, "quiet") == {}
