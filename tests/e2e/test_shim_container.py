"""The shim as PID 1 of a real container: settings over the API's bind-mounted socket, limits from the agent."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

IMAGE = "confd-test-shim:1"
ROOT = Path(__file__).parents[2]
TELL = 'echo "$$ has $GREETING within $CONFD_LIMIT_MEMORY_BYTES"; trap "exit 7" TERM; while :; do sleep 0.1; done'


@pytest.fixture(scope="module")
def image(engine_process: EngineProcess) -> str:
    command = [str(ROOT / "scripts" / "image.sh"), IMAGE, "--python"]
    command += ["--file", f"{ROOT / 'confd' / 'shim' / 'entrypoint.py'}:/usr/local/bin/confd-entrypoint"]
    subprocess.run(command, env={**os.environ, "DOCKER_HOST": engine_process.docker_host}, check=True)
    return IMAGE


def _start(engine: EngineProcess, confd: Confd, app: str, **more: object) -> str:
    variables = {"SERVER": "unix:/run/confd/confd.sock", "TOKEN_FILE": "/run/token", "APP": app, "ENV": "dev"}
    return engine.run(
        app,
        ["confd-entrypoint", "sh", "-c", TELL],
        Image=IMAGE,
        Env=[f"CONFD_{name}={text}" for name, text in variables.items()],
        labels={"confd.app": app, "confd.shim": "http"},
        host={"Binds": [f"{confd.sockets}:/run/confd:ro", f"{confd.token_file}:/run/token:ro"]},
        **more,
    )


def _says(engine: EngineProcess, container: str, words: str) -> None:
    until(lambda: words in engine.client.logs(container).decode(), 30)


@pytest.mark.usefixtures("image")
def test_a_variable_respawns_the_child_and_a_limit_is_changed_in_the_same_container(
    confd: Confd, engine: EngineProcess
) -> None:
    confd.ctl("set", "shimmed", "GREETING=hello", "run/memory=64m", "-e", "dev")
    made = _start(engine, confd, "shimmed")
    _says(engine, made, "has hello")
    confd.ctl("set", "shimmed", "run/memory=96m", "-e", "dev", "--wait", "30s")
    before = engine.inspect("shimmed")
    confd.ctl("set", "shimmed", "GREETING=good day", "-e", "dev", "--wait", "30s")
    _says(engine, before["Id"], f"has good day within {96 * 1024 * 1024}")
    after = engine.inspect("shimmed")
    assert after["HostConfig"]["Memory"] == 96 * 1024 * 1024
    assert (after["Id"], after["State"]["Pid"]) == (before["Id"], before["State"]["Pid"])
    assert not any(text.startswith("GREETING=") for text in after["Config"]["Env"])


@pytest.mark.usefixtures("image")
def test_a_stop_reaches_the_child_and_its_exit_code_is_the_containers(confd: Confd, engine: EngineProcess) -> None:
    confd.ctl("set", "ends", "GREETING=hello", "-e", "dev")
    made = _start(engine, confd, "ends")
    _says(engine, made, "has hello")
    engine.client.stop(made, timeout=20)
    assert engine.inspect(made)["State"]["ExitCode"] == 7


@pytest.mark.usefixtures("image")
def test_a_container_that_runs_as_another_user_reaches_the_socket(confd: Confd, engine: EngineProcess) -> None:
    """The token is the user's own copy; the administrator's file is readable by its owner alone."""
    copy = confd.sockets / "reader"
    copy.write_text(confd.token_file.read_text())
    copy.chmod(0o644)
    confd.ctl("set", "plain", "GREETING=hello", "-e", "dev")
    command = ["confd-entrypoint", "--server", "unix:/run/confd/confd.sock", "--token-file", "/run/confd/reader"]
    command += ["--app", "plain", "--env", "dev", "--", "sh", "-c", TELL]
    made = engine.run(
        "plain", command, Image=IMAGE, User="1000", host={"Binds": [f"{confd.sockets}:/run/confd:ro"]}
    )
    _says(engine, made, "has hello")
