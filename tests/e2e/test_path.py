"""A value changes, the container follows: through confctl, on a real etcd and a real engine."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.engine import IMAGE, EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
RELOAD = [
    "sh",
    "-c",
    'trap "echo hup; cat /etc/app/app.json" HUP; trap "exit 0" TERM; echo up; while :; do sleep 0.2; done',
]
FRAIL = ["sh", "-c", '[ -n "$BREAK" ] && { echo broken; exit 3; }; trap "exit 0" TERM; while :; do sleep 0.2; done']


def test_a_variable_needs_a_new_container_and_the_same_value_nothing_b83(
    confd: Confd, engine: EngineProcess
) -> None:
    old = engine.run("web", SERVE, labels={"confd.app": "web", "other": "kept"}, Env=["OWN=1"])
    confd.ctl("set", "web", "LOG_LEVEL=debug", "-e", "dev", "--wait", "30s")
    new = engine.inspect("web")
    assert new["Id"] != old
    assert engine.variables("web") | {"LOG_LEVEL": "debug", "OWN": "1"} == engine.variables("web")
    assert new["Config"]["Labels"]["other"] == "kept"
    assert new["Config"]["Labels"]["confd.replaces"] == old
    assert engine.names() == ["web"]
    confd.ctl("set", "web", "LOG_LEVEL=debug", "-e", "dev", "--wait", "30s")
    assert engine.inspect("web")["Id"] == new["Id"]
    assert len(confd.json("history", "web", "-e", "dev")["changes"]) == 1


def test_a_container_whose_settings_were_there_before_it_runs_with_them(
    confd: Confd, engine: EngineProcess
) -> None:
    confd.ctl("set", "early", "A=1", "-e", "dev")
    engine.run("beside", SERVE, labels={"confd.app": "early"})
    body = {"Image": IMAGE, "Cmd": SERVE, "Labels": {"confd.app": "early"}}
    answer = engine.client.post("http+docker://localhost/v1.41/containers/create?name=early", json=body)
    for _ in range(2):  # the agent looks at the app between the create and the start of a slow `docker run`
        confd.pass_over("early", "A", '"1"')
    engine.client.start(answer.json()["Id"])
    until(lambda: engine.has("early", "A", "1"), 20)
    until(lambda: engine.names() == ["beside", "early"] and engine.inspect("early")["State"]["Running"], 20)


def test_unset_brings_the_container_s_own_value_back(confd: Confd, engine: EngineProcess) -> None:
    engine.run("own", SERVE, labels={"confd.app": "own"}, Env=["MODE=base"])
    confd.ctl("set", "own", "MODE=set", "-e", "dev", "--wait", "30s")
    assert engine.variables("own")["MODE"] == "set"
    confd.ctl("unset", "own", "MODE", "-e", "dev", "--wait", "30s")
    assert engine.variables("own")["MODE"] == "base"


def test_a_removed_setting_takes_its_variable_away_b53(confd: Confd, engine: EngineProcess) -> None:
    engine.run("feature", SERVE, labels={"confd.app": "feature"})
    confd.ctl("set", "feature", "FEATURE=1", "KEPT=1", "-e", "dev", "--wait", "30s")
    confd.ctl("unset", "feature", "FEATURE", "-e", "dev", "--wait", "30s")
    variables = engine.variables("feature")
    assert ("FEATURE" in variables, variables["KEPT"]) == (False, "1")


def test_a_memory_limit_is_changed_in_the_same_container(confd: Confd, engine: EngineProcess) -> None:
    old = engine.run("mem", SERVE, labels={"confd.app": "mem"})
    confd.ctl("set", "mem", "run/memory=64m", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "mem", "run/memory=256m", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "mem", "run/memory=32m", "-e", "dev", "--wait", "30s")
    now = engine.inspect("mem")
    assert (now["Id"], now["HostConfig"]["Memory"]) == (old, 32 * 1024 * 1024)


def test_a_file_is_replaced_and_the_same_process_signalled_b115(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    engine.run("api", RELOAD, labels={"confd.app": "api"}, host={"Binds": [f"{folder}:/etc/app"]})
    pid = engine.inspect("api")["State"]["Pid"]
    binding = {
        "variables": {"exclude": ["**"]},
        "files": [{"path": "/etc/app/app.json", "format": "json"}],
        "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
    }
    (tmp_path / "binding.json").write_text(json.dumps(binding))
    confd.ctl("binding", "set", "api", str(tmp_path / "binding.json"), "-e", "dev")
    confd.ctl("set", "api", "log/level=debug", "-e", "dev", "--wait", "30s")
    assert json.loads((folder / "app.json").read_text()) == {"log": {"level": "debug"}}
    until(lambda: b'"debug"' in engine.client.logs("api"), 10)
    assert engine.inspect("api")["State"]["Pid"] == pid


def test_what_does_not_start_leaves_the_old_container_running_b78(confd: Confd, engine: EngineProcess) -> None:
    old = engine.run(
        "frail", FRAIL, labels={"confd.app": "frail"}, host={"RestartPolicy": {"Name": "unless-stopped"}}
    )
    words = confd.words("set", "frail", "BREAK=1", "-e", "dev", "--wait", "30s", expect=3)
    assert "broken" in words
    now = engine.inspect("frail")
    assert (now["Id"], now["State"]["Running"]) == (old, True)
    assert now["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert engine.names() == ["frail"]
    confd.ctl("rollback", "frail", "-e", "dev", "--wait", "30s")
    assert engine.inspect("frail")["Id"] == old


def test_several_keys_changed_together_act_once_b111(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    old = engine.run("many", SERVE, labels={"confd.app": "many"})
    (tmp_path / ".env").write_text("A=1\nB=2\nC=3\nD=4\nE=5\n")
    confd.ctl("import", "many", str(tmp_path / ".env"), "-e", "dev", "--wait", "30s")
    assert engine.inspect("many")["Config"]["Labels"]["confd.replaces"] == old
    assert len(confd.json("history", "many", "-e", "dev")["changes"]) == 1


def test_an_agent_that_starts_again_does_nothing_twice_and_what_it_missed_once(
    confd: Confd, engine: EngineProcess
) -> None:
    engine.run("again", SERVE, labels={"confd.app": "again"})
    confd.ctl("set", "again", "A=1", "-e", "dev", "--wait", "30s")
    before, agent = engine.inspect("again")["Id"], confd.agent_pid()
    os.kill(agent, signal.SIGKILL)
    until(lambda: confd.agent_pid() not in (0, agent), 20)
    confd.ctl("set", "again", "B=2", "-e", "dev")
    until(lambda: engine.has("again", "B", "2"), 40)
    now = engine.inspect("again")
    assert now["Config"]["Labels"]["confd.replaces"] == before
    assert engine.variables("again")["A"] == "1"
    until(lambda: engine.names() == ["again"], 10)


def test_an_agent_killed_in_the_middle_of_a_recreate_is_followed_by_one_that_finishes_it(
    confd: Confd, engine: EngineProcess
) -> None:
    engine.run("halfway", SERVE, labels={"confd.app": "halfway"})
    with ThreadPoolExecutor(1) as pool:
        setting = pool.submit(confd.ctl, "set", "halfway", "A=1", "-e", "dev", "--wait", "50s")
        until(lambda: "halfway.confd-old" in engine.names(), 20)
        os.kill(confd.agent_pid(), signal.SIGKILL)
        setting.result()
    assert (engine.names(), engine.variables("halfway").get("A")) == (["halfway"], "1")


def test_a_compose_file_of_variables_reaches_the_container_with_its_references(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    old = engine.run("composed", SERVE, labels={"confd.app": "composed"})
    (tmp_path / "compose.env").write_text("HOST=db1\nURL=postgres://${HOST}:5432\n")
    file = str(tmp_path / "compose.env")
    confd.ctl("import", "composed", file, "--format", "compose-env", "-e", "dev", "--wait", "30s")
    assert engine.has("composed", "URL", "postgres://db1:5432")
    now = engine.inspect("composed")["Id"]
    assert now != old
    for container in ("composed", now[:12]):
        effects = confd.json("explain", "composed", "URL", "--container", container, "-e", "dev")["effects"]
        assert [one["container"] for one in effects] == [now]
    assert "is no container" in confd.words(
        "explain", "composed", "URL", "--container", "x", "-e", "dev", expect=66
    )


def test_bad_input_names_the_key_and_stores_nothing_b59(confd: Confd) -> None:
    for setting, word in (("run/memory=4m", "6m"), ("run/memroy=64m", "run/memroy"), ("a/../b=1", "a/../b")):
        words = confd.words("set", "bad", setting, "-e", "dev", expect=65)
        assert word in words
    assert confd.json("list", "-e", "dev") is not None
    assert "bad" not in confd.ctl("list")


def test_a_file_whose_keys_restart_gives_a_new_process_in_the_same_container(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    old = engine.run("renew", SERVE, labels={"confd.app": "renew"}, host={"Binds": [f"{folder}:/etc/app"]})
    pid = engine.inspect("renew")["State"]["Pid"]
    binding = {
        "variables": {"exclude": ["**"]},
        "files": [{"path": "/etc/app/app.env", "format": "env", "mode": "0640"}],
        "on_change": [{"keys": "**", "action": "restart"}, {"keys": "quiet/**", "action": "none"}],
    }
    (tmp_path / "binding.json").write_text(json.dumps(binding))
    confd.ctl("binding", "set", "renew", str(tmp_path / "binding.json"), "-e", "dev")
    confd.ctl("set", "renew", "A=1", "-e", "dev", "--wait", "30s")
    assert "A=1" in (folder / "app.env").read_text().replace('"', "")
    assert (folder / "app.env").stat().st_mode & 0o777 == 0o640
    now = engine.inspect("renew")
    assert (now["Id"], now["State"]["Running"]) == (old, True)
    assert now["State"]["Pid"] != pid
    confd.ctl("set", "renew", "quiet/b=2", "-e", "dev", "--wait", "30s")
    assert "2" in (folder / "app.env").read_text()
    assert engine.inspect("renew")["State"]["Pid"] == now["State"]["Pid"]


def test_arguments_follow_their_key_and_then_a_limit_is_still_changed_in_place(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    engine.run("args", [*SERVE, "app"], labels={"confd.app": "args"})
    (tmp_path / "binding.json").write_text(json.dumps({"arguments": {"--level": "log/level"}}))
    confd.ctl("binding", "set", "args", str(tmp_path / "binding.json"), "-e", "dev")
    confd.ctl("set", "args", "log/level=debug", "-e", "dev", "--wait", "30s")
    now = engine.inspect("args")
    assert now["Config"]["Cmd"][-2:] == ["--level", "debug"]
    confd.ctl("set", "args", "run/memory=64m", "-e", "dev", "--wait", "30s")
    then = engine.inspect("args")
    assert (then["Id"], then["HostConfig"]["Memory"]) == (now["Id"], 64 * 1024 * 1024)


def test_a_container_removed_by_hand_leaves_the_agent_working_b114(confd: Confd, engine: EngineProcess) -> None:
    engine.run("gone", SERVE, labels={"confd.app": "gone"})
    engine.run("stays", SERVE, labels={"confd.app": "gone"})
    confd.ctl("set", "gone", "A=1", "-e", "dev")
    engine.remove("gone")
    until(lambda: engine.has("stays", "A", "1"), 30)
    until(lambda: set(engine.names()) <= {"stays", "gone"} and "stays" in engine.names(), 30)
    confd.ctl("set", "gone", "A=2", "-e", "dev", "--wait", "30s")
    assert engine.variables("stays")["A"] == "2"


def test_a_container_whose_namespaces_another_shares_is_blocked_until_that_one_is_gone(
    confd: Confd, engine: EngineProcess
) -> None:
    leader = engine.run("leader", SERVE, labels={"confd.app": "leader"})
    engine.run("sidecar", SERVE, host={"NetworkMode": f"container:{leader}"})
    said = confd.words("set", "leader", "A=1", "-e", "dev", "--wait", "30s", expect=3)
    assert "leader on" in said
    assert "blocked" in said
    assert "sidecar shares its namespaces" in said
    assert engine.inspect("leader")["Id"] == leader
    confd.ctl("set", "leader", "run/memory=64m", "-e", "dev")
    engine.remove("sidecar")
    until(lambda: engine.has("leader", "A", "1"), 30)
    assert engine.inspect("leader")["Id"] != leader
