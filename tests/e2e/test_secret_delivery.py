"""Secrets in containers of a real engine: as files in memory, by the shim, as variables; and nowhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import docker.errors

from tests.support.engine import EngineProcess
from tests.support.programs import Apart, Confd
from tests.support.wait import until

READS = [
    "sh",
    "-c",
    'trap "exit 0" TERM; trap "cat /run/confd-secrets/DB_PASSWORD; echo" HUP; echo "path $DB_PASSWORD_FILE"; '
    'test -f "$DB_PASSWORD_FILE" && cat "$DB_PASSWORD_FILE"; while :; do sleep 0.1; done',
]
FOLDER = "/run/confd-secrets"


def _bind(confd: Confd, app: str, folder: Path, binding: dict[str, Any]) -> None:
    (folder / f"{app}.json").write_text(json.dumps(binding))
    confd.ctl("binding", "set", app, str(folder / f"{app}.json"), "-e", "dev")


def _read(engine: EngineProcess, name: str, *command: str) -> str:
    """What a command says in the container; nothing while that is being replaced."""
    client = engine.client
    try:
        return str(client.exec_start(client.exec_create(name, list(command))["Id"]).decode())
    except docker.errors.APIError:
        return ""


def _folder(engine: EngineProcess, name: str) -> Path:
    """On the host, with the container's secrets."""
    (mount,) = [one for one in engine.inspect(name)["Mounts"] if one["Destination"] == FOLDER]
    return Path(mount["Source"])


def _in_sync(confd: Confd, app: str) -> bool:
    return [one["state"] for one in confd.status(app)] == ["in-sync"]


def test_a_secret_is_a_file_in_memory_and_its_next_value_needs_no_new_container(
    confd: Confd, engine: EngineProcess
) -> None:
    first, second = confd.plant("filed"), confd.plant("filed")
    confd.ctl("set", "filed", f"db/password={first}", "--secret", "-e", "dev")
    engine.run("filed", READS, labels={"confd.app": "filed"})
    until(lambda: first in _read(engine, "filed", "cat", f"{FOLDER}/DB_PASSWORD"), 30)
    until(lambda: _in_sync(confd, "filed"), 20)
    inspect = engine.inspect("filed")
    assert f"DB_PASSWORD_FILE={FOLDER}/DB_PASSWORD" in inspect["Config"]["Env"]
    assert first not in json.dumps(inspect)
    folder = _folder(engine, "filed")
    assert (folder.stat().st_mode & 0o777, folder.parent.stat().st_mode & 0o777) == (0o755, 0o700)
    assert "Permission denied" not in _read(engine, "filed", "sh", "-c", f"cat {FOLDER}/* 2>&1")
    assert "Read-only" in _read(engine, "filed", "sh", "-c", f"echo x 2>&1 > {FOLDER}/DB_PASSWORD")

    confd.ctl("set", "filed", f"db/password={second}", "--secret", "-e", "dev", "--wait", "30s")
    after = engine.inspect("filed")
    assert (after["Id"], _read(engine, "filed", "cat", f"{FOLDER}/DB_PASSWORD")) == (inspect["Id"], second)
    assert after["State"]["StartedAt"] != inspect["State"]["StartedAt"]  # restarted, since that is what auto does

    engine.remove("filed")
    until(lambda: not folder.exists(), 20)


def test_a_changed_secret_may_cost_a_signal_alone(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    first, second = confd.plant("hup"), confd.plant("hup")
    rule = {"keys": "db/**", "action": "signal", "signal": "HUP", "escalate": True}
    _bind(confd, "hup", tmp_path, {"on_change": [rule], "secrets": {"by": "file", "mode": "0400", "owner": "7"}})
    confd.ctl("set", "hup", f"db/password={first}", "--secret", "-e", "dev")
    engine.run("hup", READS, labels={"confd.app": "hup"})
    until(lambda: _in_sync(confd, "hup"), 30)
    before = engine.inspect("hup")
    about = (_folder(engine, "hup") / "DB_PASSWORD").stat()
    assert (about.st_mode & 0o777, about.st_uid, about.st_gid) == (0o400, 7, 7)
    confd.ctl("set", "hup", f"db/password={second}", "--secret", "-e", "dev", "--wait", "30s")
    until(lambda: second.encode() in engine.client.logs("hup"), 10)
    after = engine.inspect("hup")
    assert [one["Id"] for one in (before, after)] == [before["Id"]] * 2
    assert after["State"]["StartedAt"] == before["State"]["StartedAt"]


def test_what_refers_to_a_secret_of_another_app_is_a_file_and_follows_it(
    confd: Confd, engine: EngineProcess
) -> None:
    first, second = confd.plant("refers"), confd.plant("refers")
    confd.ctl("set", "refers-db", f"password={first}", "--secret", "-e", "dev")
    confd.ctl("set", "refers", "db/url=pg://app:${refers-db:password}@db", "-e", "dev")
    engine.run("refers", READS, labels={"confd.app": "refers"})
    until(lambda: _in_sync(confd, "refers"), 30)
    inspect = engine.inspect("refers")
    assert _read(engine, "refers", "cat", f"{FOLDER}/DB_URL") == f"pg://app:{first}@db"
    assert f"DB_URL_FILE={FOLDER}/DB_URL" in inspect["Config"]["Env"]
    assert first not in json.dumps(inspect)
    confd.ctl("set", "refers-db", f"password={second}", "--secret", "-e", "dev", "--yes")
    until(lambda: _read(engine, "refers", "cat", f"{FOLDER}/DB_URL") == f"pg://app:{second}@db", 30)
    until(lambda: _in_sync(confd, "refers"), 20)
    assert engine.inspect("refers")["Id"] == inspect["Id"]


def test_after_a_reboot_the_engine_waits_for_the_agent_to_bring_the_secrets(
    apart: Apart, engine: EngineProcess
) -> None:
    secret = apart.plant("reboot")
    apart.ctl("set", "reboot", f"db/password={secret}", "--secret", "-e", "dev")
    always = {"RestartPolicy": {"Name": "always"}}
    engine.run("reboot", READS, labels={"confd.app": "reboot"}, host=always)
    until(lambda: _in_sync(apart, "reboot"), 30)
    before, folder = engine.inspect("reboot"), _folder(engine, "reboot")
    apart.kill_agent()
    engine.halt()
    shutil.rmtree(folder.parent)
    engine.start()
    until(lambda: str(folder) in str(engine.inspect("reboot")["State"]["Error"]), 20)
    assert not folder.exists()  # neither has the engine made it
    apart.begin_agent()
    until(lambda: engine.inspect("reboot")["State"]["Running"], 30)
    assert _read(engine, "reboot", "cat", f"{FOLDER}/DB_PASSWORD") == secret
    until(lambda: _in_sync(apart, "reboot"), 20)
    assert engine.inspect("reboot")["Id"] == before["Id"]


def test_secrets_of_a_binding_that_asks_for_variables_are_variables(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "open", tmp_path, {"secrets": "variables"})
    confd.ctl("set", "open", "db/password=in-the-open", "--secret", "-e", "dev")
    engine.run("open", READS, labels={"confd.app": "open"})
    until(lambda: _in_sync(confd, "open"), 30)
    assert "DB_PASSWORD=in-the-open" in engine.inspect("open")["Config"]["Env"]
    assert "in-the-open" not in confd.ctl("plan", "open", "-e", "dev") + confd.ctl("status", "open", "-e", "dev")


def test_what_is_left_to_a_shim_is_blocked_where_there_is_none(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    secret = confd.plant("shimless")
    _bind(confd, "shimless", tmp_path, {"secrets": "shim"})
    confd.ctl("set", "shimless", f"db/password={secret}", "--secret", "-e", "dev")
    engine.run("shimless", READS, labels={"confd.app": "shimless"})
    until(lambda: [one["state"] for one in confd.status("shimless")] == ["blocked"], 30)
    assert "this container has none (label confd.shim=http)" in confd.status("shimless")[0]["detail"]
    assert secret not in json.dumps(engine.inspect("shimless"))


def test_a_template_with_a_secret_may_stand_in_memory_too(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    secret = confd.plant("templated")
    file = {"path": f"{FOLDER}/app.conf", "template": 'pass = {{ settings["db/password"] }};'}
    confd.ctl("set", "templated", f"db/password={secret}", "--secret", "-e", "dev")
    _bind(confd, "templated", tmp_path, {"variables": {"exclude": ["**"]}, "files": [file]})
    engine.run("templated", READS, labels={"confd.app": "templated"})
    until(lambda: _read(engine, "templated", "cat", f"{FOLDER}/app.conf") == f"pass = {secret};", 30)
    assert not any("DB_PASSWORD" in one for one in engine.inspect("templated")["Config"]["Env"] or ())


def test_what_is_told_of_a_failed_container_has_its_secrets_masked_b149(
    confd: Confd, engine: EngineProcess
) -> None:
    secret = confd.plant("talks")
    command = ["sh", "-c", 'test -f "$DB_PASSWORD_FILE" && { cat "$DB_PASSWORD_FILE"; exit 3; }; sleep 600']
    engine.run("talks", command, labels={"confd.app": "talks"})
    until(lambda: _in_sync(confd, "talks"), 20)
    confd.ctl("set", "talks", f"db/password={secret}", "--secret", "-e", "dev")
    until(lambda: [one["state"] for one in confd.status("talks")] == ["failed"], 60)
    said = confd.ctl("why", "talks", "-e", "dev")
    assert secret not in said
    assert "********" in said
    assert secret not in confd.log


def test_a_run_option_or_an_argument_cannot_be_secret(confd: Confd, tmp_path: Path) -> None:
    said = confd.words("set", "never", "run/hostname=h", "--secret", "-e", "dev", expect=65)
    assert "run/hostname" in said
    assert "cannot be secret" in said
    confd.ctl("set", "never", f"db/password={confd.plant('never')}", "--secret", "-e", "dev")
    (tmp_path / "binding.json").write_text('{"arguments": {"--password": "db/password"}}')
    said = confd.words("binding", "set", "never", str(tmp_path / "binding.json"), "-e", "dev", expect=65)
    assert "everybody on the host sees the arguments" in said


def test_a_first_start_leaves_secrets_out_and_run_gives_them_on_demand(confd: Confd) -> None:
    confd.ctl("set", "first", "LEVEL=info", "-e", "dev")
    confd.ctl("set", "first", "db/password=for-this-test-alone", "--secret", "-e", "dev")
    for form in ("docker-args", "compose-override", "env"):
        assert "password" not in confd.ctl("export", "first", "-e", "dev", "--format", form).lower()
    assert "DB_PASSWORD" not in confd.ctl("run", "first", "-e", "dev", "--", "env")
    told = confd.ctl("run", "first", "-e", "dev", "--reveal", "--", "env")
    assert "DB_PASSWORD=for-this-test-alone" in told
    assert "DB_PASSWORD_FILE" not in told
