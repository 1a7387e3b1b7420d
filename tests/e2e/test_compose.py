"""Side by side with Compose: it sees no drift in what the agent made, and what it makes anew has its settings."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import IMAGE, EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
NAME = "side_shop_1"
_NUMBERS = itertools.count(1)


class Compose:
    """A project of one service, `shop`, which reaches it as `docker-compose` does."""

    def __init__(self, engine: EngineProcess, folder: Path, app: str) -> None:
        self._engine, self._folder, self.app = engine, folder, app
        service = {
            "image": IMAGE,
            "command": SERVE,
            "labels": {"confd.app": app},
            "environment": {"OWN": "1"},
            "volumes": ["data:/data", "/anonymous"],
            "networks": {"front": {"aliases": ["store"]}},
            "mem_limit": "64m",
        }
        project = {
            "version": "2.4",
            "services": {"shop": service},
            "volumes": {"data": {}},
            "networks": {"front": {}},
        }
        (folder / "docker-compose.yml").write_text(json.dumps(project))

    def __call__(self, *words: str) -> str:
        """Run it; all that it says."""
        done = subprocess.run(
            ["docker-compose", "-p", "side", *words],
            cwd=self._folder,
            env={**os.environ, "DOCKER_HOST": self._engine.docker_host},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def labels(self) -> dict[str, Any]:
        labels = self._engine.inspect(NAME)["Config"]["Labels"]
        return {name: text for name, text in labels.items() if name.startswith("com.docker.compose.")}


@pytest.fixture
def compose(confd: Confd, engine: EngineProcess, tmp_path: Path) -> Compose:
    """The project, up, with an app of its own: the tests share a store, and run in any order."""
    compose = Compose(engine, tmp_path, f"side-{next(_NUMBERS)}")
    compose("up", "-d")
    until(lambda: confd.status(compose.app), 30)
    return compose


def test_compose_sees_no_drift_in_what_the_agent_recreated(
    confd: Confd, engine: EngineProcess, compose: Compose
) -> None:
    made, labels = engine.inspect(NAME), compose.labels()
    confd.ctl("set", compose.app, "LEVEL=debug", "run/memory=96m", "-e", "dev", "--wait", "30s")
    now = engine.inspect(NAME)
    assert (now["Id"] != made["Id"], compose.labels()) == (True, labels)
    assert NAME.replace("_1", "_1 is up-to-date") in compose("up", "-d")
    assert engine.inspect(NAME)["Id"] == now["Id"]
    assert {one["Destination"]: one["Name"] for one in now["Mounts"]} == {
        one["Destination"]: one["Name"] for one in made["Mounts"]
    }
    assert "store" in now["NetworkSettings"]["Networks"]["side_front"]["Aliases"]
    assert NAME in compose("ps")
    compose("restart")
    until(lambda: confd.status(compose.app)[0]["state"] == "in-sync", 20)
    assert engine.inspect(NAME)["Id"] == now["Id"]
    compose("down", "-v")
    assert engine.names() == []


def test_what_compose_makes_anew_has_its_settings_again(
    confd: Confd, engine: EngineProcess, compose: Compose
) -> None:
    confd.ctl("set", compose.app, "LEVEL=debug", "-e", "dev", "--wait", "30s")
    before = engine.inspect(NAME)["Id"]
    compose("up", "-d", "--force-recreate")
    until(lambda: NAME in engine.names(running=True) and engine.has(NAME, "LEVEL", "debug"), 20)
    assert engine.inspect(NAME)["Id"] != before
    until(lambda: engine.names() == [NAME], 20)
    assert f"{NAME} is up-to-date" in compose("up", "-d")


def test_what_is_recreated_by_hand_has_its_settings_again_and_what_is_not_ours_is_left_alone(
    confd: Confd, engine: EngineProcess
) -> None:
    other = engine.run("other", SERVE, Env=["LEVEL=info"])
    engine.run("hand", SERVE, labels={"confd.app": "hand"})
    confd.ctl("set", "hand", "LEVEL=debug", "-e", "dev", "--wait", "30s")
    engine.client.remove_container("hand", force=True)
    engine.run("hand", SERVE, labels={"confd.app": "hand"})
    until(lambda: "hand" in engine.names(running=True) and engine.has("hand", "LEVEL", "debug"), 20)
    found = engine.inspect("other")
    assert (found["Id"], found["State"]["Running"], engine.variables("other")["LEVEL"]) == (other, True, "info")
