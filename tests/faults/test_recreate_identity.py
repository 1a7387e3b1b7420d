"""A recreate without a change, over all shapes of containers: what inspect tells is the same afterwards."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from confd.actions import recreate
from confd.actions.fidelity import as_it_is
from confd.actions.gate import Gate
from confd.actions.swap import Swap
from confd.clock import SystemClock
from confd.errors import EngineRefused
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.support.shapes import BODIES, COMPOSE, LEADERS, SHAPES, WAITS, differences, make_surroundings
from tests.support.wait import until

AT_ONCE = 4
SERVE = ["sh", "-c", WAITS]


class Line:
    """The command line of an operator."""

    def __init__(self, engine: EngineProcess) -> None:
        self._environ = {**os.environ, "DOCKER_HOST": engine.docker_host}
        self._engine = engine
        self._ids = {"@front": str(engine.client.inspect_network("front")["Id"])}
        self._ids["@image"] = str(DockerTarget(engine.docker_host).image_id(IMAGE))

    def run(self, name: str, text: str) -> str:
        """Why it could not be made, or empty."""
        first, *connects = text.split(" + ")
        words = [self._ids.get(word, word) for word in shlex.split(first)]
        verb = ["run", "-d"]
        if words[0] == "~create":
            verb, words = ["create"], words[1:]
        commands = [[*verb, "--name", name, *words]]
        for connect in connects:
            network, *flags = shlex.split(connect)
            commands.append(["network", "connect", *flags, network, name])
        return "".join(self.docker(*command) for command in commands)

    def docker(self, *words: str) -> str:
        done = subprocess.run(
            ["docker", *words], env=self._environ, capture_output=True, text=True, timeout=60, check=False
        )
        return "" if done.returncode == 0 else f"docker {shlex.join(words)}: {done.stderr}"


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    yield made
    made.close()


def _recreate(target: DockerTarget, name: str) -> list[str]:
    """Recreate it as it is; what differs."""
    before = dict(target.inspect(name))
    named = str(before["Config"]["Image"])
    image = named if target.image_id(named) == before["Image"] else str(before["Image"])
    wanted = as_it_is(before, image, {"confd.replaces": str(before["Id"])})
    new = recreate.apply(target, before, wanted, Swap(gate=Gate(0.1)), SystemClock())
    after = dict(target.inspect(name))
    assert after["Id"] == new != before["Id"]
    found = differences(before, after)
    if before["State"]["Running"] != after["State"]["Running"]:
        found.append(f".State.Running: {before['State']['Running']} became {after['State']['Running']}")
    return found


@pytest.mark.timeout(300)
def test_a_recreate_without_a_change_is_the_same_container(engine: EngineProcess, target: DockerTarget) -> None:
    make_surroundings(engine)
    line = Line(engine)
    for name, text in LEADERS.items():
        assert not line.run(name, text)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        failed = [text for text in pool.map(lambda item: line.run(*item), SHAPES.items()) if text]
        assert not failed, "\n".join(failed)
        for name, body in BODIES.items():
            host = body.get("HostConfig", {})
            engine.run(name, SERVE, host=host, **{one: it for one, it in body.items() if one != "HostConfig"})
        for name in ("exited", "exited-code"):
            until(lambda name=name: target.inspect(name)["State"]["Status"] == "exited", 20)  # type: ignore[misc]
        engine.make_image("moved", "LABEL tag=newer")
        assert not line.docker("rmi", "--force", "confd-test:untagged")

        def attempt(name: str) -> list[str]:
            try:
                return [f"{name}{found}" for found in _recreate(target, name)]
            except EngineRefused as error:
                return [f"{name} was refused: {error.detail}"]

        found = [line for lines in pool.map(attempt, [*SHAPES, *BODIES]) for line in lines]
    assert not found, "\n".join(found)
    assert len(SHAPES) >= 60


def test_a_container_of_compose_is_the_same_and_compose_sees_no_drift(
    engine: EngineProcess, target: DockerTarget, tmp_path: Path
) -> None:
    program = shutil.which("docker-compose")
    if program is None:
        pytest.fail("docker-compose is missing: `apt-get install docker-compose`")
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    environ = {**os.environ, "DOCKER_HOST": engine.docker_host}

    def compose(*words: str) -> str:
        command = [program, "-p", "shop", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    compose("up", "-d")
    assert [found for name in ("shop_web_1", "shop_side_1") for found in _recreate(target, name)] == []
    ids = {name: engine.inspect(name)["Id"] for name in engine.names()}
    compose("up", "-d")
    assert {name: engine.inspect(name)["Id"] for name in engine.names()} == ids
    compose("down", "-v")
