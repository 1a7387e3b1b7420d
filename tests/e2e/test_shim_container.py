"""The shim as PID 1 of a real container: settings over the API's bind-mounted socket, limits from the agent."""

from __future__ import annotations

import json
import os
import subprocess
import time
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
    command = [str(ROOT / "scripts" / "image.sh"), IMAGE, "--python", "--shim"]
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


def _run_shim(
    engine: EngineProcess, confd: Confd, app: str, script: str, *, init: bool = False, tty: bool = False
) -> str:
    """The shim with a shell script."""
    command = ["confd-entrypoint", "--server", "unix:/run/confd/confd.sock", "--token-file", "/run/token"]
    command += ["--app", app, "--env", "dev", "--", "sh", "-c", script]
    binds = [f"{confd.sockets}:/run/confd:ro", f"{confd.token_file}:/run/token:ro"]
    return engine.run(app, command, Image=IMAGE, Tty=tty, host={"Binds": binds, "Init": init})


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


ZOMBIES = 'for one in /proc/[0-9]*; do read -r text < $one/stat; case "$text" in *") Z "*) echo zombie;; esac; done'


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("init", [True, False])
def test_under_another_init_nothing_is_left_and_the_exit_code_passes_b134(
    confd: Confd, engine: EngineProcess, init: bool
) -> None:
    app = f"init-{init}".lower()
    confd.ctl("set", app, "GREETING=hello", "-e", "dev")
    orphans = "for n in 1 2 3; do (sleep 0.2 & exec true); done; sleep 1"
    made = _run_shim(engine, confd, app, f'{orphans}; {ZOMBIES}; echo "has $GREETING"; exit 5', init=init)
    until(lambda: not engine.inspect(made)["State"]["Running"], 30)
    assert engine.client.logs(made) == b"has hello\n"
    assert engine.inspect(made)["State"]["ExitCode"] == 5


@pytest.mark.usefixtures("image")
def test_under_another_init_a_stop_takes_no_longer_than_the_child_b134(confd: Confd, engine: EngineProcess) -> None:
    confd.ctl("set", "inited", "GREETING=hello", "-e", "dev")
    made = _run_shim(engine, confd, "inited", "echo up; while :; do sleep 0.1; done", init=True)
    _says(engine, made, "up")
    began = time.monotonic()
    engine.client.stop(made, timeout=20)
    assert time.monotonic() - began < 5
    assert engine.inspect(made)["State"]["ExitCode"] == 143


@pytest.mark.usefixtures("image")
def test_with_a_terminal_a_child_that_a_hangup_would_end_starts_every_time_b125(
    confd: Confd, engine: EngineProcess
) -> None:
    confd.ctl("set", "tty", "GREETING=hello", "-e", "dev")
    made = _run_shim(engine, confd, "tty", "echo up; while :; do sleep 0.1; done", tty=True)
    for count in range(1, 11):
        until(lambda due=count: engine.client.logs(made).count(b"up") == due, 20)  # type: ignore[misc]
        assert engine.inspect(made)["State"]["Running"]
        if count < 10:
            engine.client.restart(made, timeout=5)
    assert engine.inspect(made)["State"]["ExitCode"] == 0


@pytest.mark.usefixtures("image")
def test_a_program_in_sigwait_gets_its_signal_in_a_container(confd: Confd, engine: EngineProcess) -> None:
    """Reading what it waits for needs no right beyond those that every container has."""
    program = (
        "import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGHUP}); print('up', flush=True)\n"
        "while True: print('got', s.sigwait({s.SIGHUP}).name, flush=True)"
    )
    confd.ctl("set", "awaits", "GREETING=hello", "-e", "dev")
    child = ["python3", "-I", "-S", "-c", program]
    made = _start(engine, confd, "awaits", Cmd=["confd-entrypoint", "--on-change", "signal:HUP", "--", *child])
    _says(engine, made, "up")
    confd.ctl("set", "awaits", "GREETING=good day", "-e", "dev")
    _says(engine, made, "got SIGHUP")


@pytest.mark.usefixtures("image")
def test_keys_that_went_from_etcd_are_not_taken_from_the_child_until_resumed(
    confd: Confd, engine: EngineProcess
) -> None:
    confd.ctl("set", "robbed", "GREETING=hello", "A=1", "B=1", "C=1", "-e", "dev")
    made = _start(engine, confd, "robbed")
    _says(engine, made, "has hello")
    confd.delete(*(f"/confd/envs/dev/settings/robbed/{key}" for key in ("A", "B", "GREETING")))
    _says(engine, made, "3 of 4 variables are suddenly gone, without any change")
    said = engine.client.logs(made)
    until(lambda: "3 of 4" in confd.ctl("hosts"), 30)
    assert "gone from layer dev/robbed without a change: A, B, GREETING" in confd.ctl("resume", "--dry-run")
    assert engine.client.logs(made) == said
    confd.ctl("resume", "--restore", "--yes")
    confd.ctl("set", "robbed", "GREETING=good day", "-e", "dev", "--wait", "30s")
    _says(engine, made, "has good day")
    confd.ctl("unset", "robbed", "A", "B", "GREETING", "-e", "dev", "--force", "--wait", "30s")
    _says(engine, made, "has  within")


@pytest.mark.usefixtures("image")
def test_a_live_update_that_is_worth_a_restart_tells_the_new_limit(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    rules = [{"keys": "run/memory", "action": "restart"}, {"keys": "**", "action": "auto"}]
    (tmp_path / "binding.json").write_text(json.dumps({"on_change": rules}))
    confd.ctl("binding", "set", "retold", str(tmp_path / "binding.json"), "-e", "dev")
    confd.ctl("set", "retold", "GREETING=hello", "run/memory=64m", "-e", "dev")
    made = _start(engine, confd, "retold")
    _says(engine, made, f"within {64 * 2**20}")
    confd.ctl("set", "retold", "run/memory=96m", "-e", "dev", "--wait", "60s")
    _says(engine, made, f"within {96 * 2**20}")
    assert engine.inspect("retold")["Id"] == made


def _bind(confd: Confd, app: str, folder: Path, binding: dict[str, object]) -> None:
    (folder / "binding.json").write_text(json.dumps(binding))
    confd.ctl("binding", "set", app, str(folder / "binding.json"), "-e", "dev")


def _child_variables(engine: EngineProcess, container: str) -> str:
    script = 'for one in /proc/[0-9]*; do cat "$one/environ"; done'
    made = engine.client.exec_create(container, ["sh", "-c", script])
    return str(engine.client.exec_start(made["Id"]).decode().replace("\0", "\n"))


@pytest.mark.usefixtures("image")
def test_a_secret_left_to_the_shim_is_in_its_process_alone(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    first, second = confd.plant("shimsecret"), confd.plant("shimsecret")
    _bind(confd, "shimsecret", tmp_path, {"secrets": "shim"})
    confd.ctl("set", "shimsecret", "GREETING=hello", "-e", "dev")
    confd.ctl("set", "shimsecret", f"db/password={first}", "--secret", "-e", "dev")
    made = _start(engine, confd, "shimsecret")
    _says(engine, made, "has hello")
    until(lambda: f"DB_PASSWORD={first}" in _child_variables(engine, made), 10)
    until(lambda: [one["state"] for one in confd.status("shimsecret")] == ["in-sync"], 20)
    confd.ctl("set", "shimsecret", f"db/password={second}", "--secret", "-e", "dev", "--wait", "30s")
    until(lambda: f"DB_PASSWORD={second}" in _child_variables(engine, made), 20)
    assert first not in _child_variables(engine, made)
    assert engine.inspect("shimsecret")["Id"] == made


@pytest.mark.usefixtures("image")
def test_a_container_with_a_shim_has_its_secrets_as_files_too(confd: Confd, engine: EngineProcess) -> None:
    secret = confd.plant("shimfile")
    confd.ctl("set", "shimfile", "GREETING=hello", "-e", "dev")
    confd.ctl("set", "shimfile", f"db/password={secret}", "--secret", "-e", "dev")
    _start(engine, confd, "shimfile")
    until(lambda: [one["state"] for one in confd.status("shimfile")] == ["in-sync"], 40)
    now = str(engine.inspect("shimfile")["Id"])
    _says(engine, now, "has hello")
    until(lambda: "DB_PASSWORD_FILE=/run/confd-secrets/DB_PASSWORD" in _child_variables(engine, now), 10)
    made = engine.client.exec_create(now, ["cat", "/run/confd-secrets/DB_PASSWORD"])
    assert engine.client.exec_start(made["Id"]).decode() == secret
