"""Whoever starts containers gets what makes a first start right: the agent finds them in sync."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.support.engine import IMAGE, EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

LOOP = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
SETTINGS = ["GREETING=it's $5 and more", "EMPTY=", "run/memory=64m", "run/cpus=0.5", "run/restart=on-failure:3"]


def shell(engine: EngineProcess, folder: Path, command: str) -> str:
    environ = {**os.environ, "DOCKER_HOST": engine.docker_host}
    done = subprocess.run(
        ["bash", "-c", command], env=environ, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def untouched(confd: Confd, engine: EngineProcess, app: str, name: str) -> None:
    """It is found in sync as it was started: the settings are in it, and nothing was done to it."""
    until(lambda: [(one["name"], one["state"]) for one in confd.status(app)] == [(name, "in-sync")], 20)
    now = engine.inspect(name)
    assert "confd.replaces" not in now["Config"]["Labels"]
    assert now["HostConfig"]["Memory"] == 64 * 2**20
    assert engine.has(name, "GREETING", "it's $5 and more")
    assert confd.json("why", name, "-e", "dev")["outcomes"] == []


def test_the_arguments_of_docker_run(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    confd.ctl("set", "first", *SETTINGS, "-e", "dev")
    (tmp_path / "args").write_text(confd.ctl("export", "first", "--format", "docker-args", "-e", "dev"))
    shell(engine, tmp_path, f'eval docker run -d --name first "$(cat args)" {IMAGE} sh -c "\\"{LOOP}\\""')
    untouched(confd, engine, "first", "first")


def test_an_override_of_compose(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    confd.ctl("set", "composed", *SETTINGS, "-e", "dev")
    service = {"image": IMAGE, "command": ["sh", "-c", LOOP], "stop_grace_period": "1s"}
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": {"shop": service}}))
    override = confd.ctl("export", "composed", "--format", "compose-override", "--service", "shop", "-e", "dev")
    (tmp_path / "docker-compose.override.yml").write_text(override)
    shell(engine, tmp_path, "docker-compose -p firststart up -d")
    untouched(confd, engine, "composed", "firststart_shop_1")
    shell(engine, tmp_path, "docker-compose -p firststart down")


def test_what_a_container_has_already_is_imported(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    engine.run("has", ["sh", "-c", LOOP], Env=["A=1"], host={"Memory": 64 * 2**20})
    printed = shell(engine, tmp_path, f"docker inspect has {IMAGE}")
    (tmp_path / "inspect.json").write_text(printed)
    confd.ctl("import", "has", str(tmp_path / "inspect.json"), "--format", "inspect", "-e", "dev")
    settings = confd.json("get", "has", "-e", "dev")["settings"]
    assert {key: one["value"] for key, one in settings.items()} == {"A": "1", "run/memory": "67108864"}
    (tmp_path / "other.json").write_text("[]")
    said = confd.words("import", "has", str(tmp_path / "other.json"), "--format", "inspect", "-e", "dev", expect=65)
    assert "docker inspect CONTAINER IMAGE" in said
    confd.words("import", "has", "-e", "dev", expect=2)
