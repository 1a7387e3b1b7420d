"""Recreates as an operator meets them: followers, a health gate, what is kept, `--rm`, and a stop signal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.engine import EngineProcess
from tests.support.programs import Apart
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; sleep 1000000 & wait']
QUITS = ["sh", "-c", 'trap "echo quit >> /data/said; exit 0" QUIT; trap "echo term >> /data/said" TERM; '
         "while :; do sleep 0.1; done"]  # fmt: skip
QUICK = {"health": {"monitor": "300ms", "timeout": "20s"}}
CHECK = {"Test": ["CMD-SHELL", 'echo "level is $LEVEL"; [ "$LEVEL" != bad ]'], "Interval": 10**9 // 5, "Retries": 1}


def _bind(apart: Apart, folder: Path, app: str, **more: Any) -> None:
    (folder / "binding.json").write_text(json.dumps({**QUICK, **more}))
    apart.ctl("binding", "set", app, str(folder / "binding.json"), "-e", "dev")


def _state(apart: Apart, app: str) -> tuple[str, str]:
    (one,) = apart.status(app)
    return one["state"], one["detail"]


def _sleeps(engine: EngineProcess, app: str, **more: Any) -> str:
    return engine.run(app, SERVE, labels={"confd.app": app}, **more)


def test_those_in_a_container_s_namespaces_follow_it_leader_first_b72(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    for app in ("vpn", "app", "files", "linked"):
        _bind(apart, tmp_path, app)
    vpn = _sleeps(engine, "vpn", Volumes={"/data": {}})
    followers: Mapping[str, dict[str, Any]] = {
        "app": {"NetworkMode": f"container:{vpn}", "PidMode": "container:vpn"},
        "files": {"VolumesFrom": ["vpn"]},
        "linked": {"Links": ["vpn:way"]},
    }
    before = {name: _sleeps(engine, name, host=host) for name, host in followers.items()}
    apart.ctl("set", "app", "OWN=1", "-e", "dev", "--wait", "40s")
    before["app"] = engine.inspect("app")["Id"]
    apart.ctl("set", "vpn", "A=1", "-e", "dev", "--wait", "60s")
    leader = engine.inspect("vpn")
    now = {name: engine.inspect(name) for name in before}
    assert leader["Id"] != vpn
    assert not {one["Id"] for one in now.values()} & set(before.values())
    assert all(one["State"]["Running"] and one["Created"] > leader["Created"] for one in now.values())
    assert now["app"]["HostConfig"]["NetworkMode"] == f"container:{leader['Id']}"
    assert now["app"]["HostConfig"]["PidMode"] == f"container:{leader['Id']}"
    assert now["files"]["Mounts"][0]["Name"] == leader["Mounts"][0]["Name"]
    assert now["linked"]["HostConfig"]["Links"] == ["/vpn:/linked/way"]
    assert len(engine.names()) == 4
    assert engine.variables("app")["OWN"] == "1"
    until(lambda: all(_state(apart, name)[0] == "in-sync" for name in before), 30)
    apart.ctl("set", "app", "OWN=2", "-e", "dev", "--wait", "40s")  # and it is still known what it is due


def test_one_that_is_none_of_confd_s_keeps_its_leader_from_being_recreated_b72(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "vpn")
    vpn = _sleeps(engine, "vpn")
    engine.run("stranger", SERVE, host={"NetworkMode": f"container:{vpn}"})
    apart.ctl("set", "vpn", "A=1", "-e", "dev")
    until(lambda: _state(apart, "vpn")[0] == "blocked", 30)
    assert "stranger shares its namespaces" in _state(apart, "vpn")[1]
    assert engine.inspect("vpn")["Id"] == vpn


def test_one_that_is_not_healthy_gives_its_place_back_with_what_its_check_said(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "web")
    old = _sleeps(engine, "web", Healthcheck=CHECK)
    apart.ctl("set", "web", "LEVEL=bad", "-e", "dev")
    until(lambda: _state(apart, "web")[0] == "failed", 40)
    assert "its health check ended with 1: level is bad; the old container is back" in _state(apart, "web")[1]
    now = engine.inspect("web")
    assert (now["Id"], now["State"]["Running"], engine.names()) == (old, True, ["web"])
    apart.ctl("set", "web", "LEVEL=good", "-e", "dev", "--wait", "40s")
    assert engine.inspect("web")["State"]["Health"]["Status"] == "healthy"


def test_one_that_fails_stays_where_the_binding_says_so_and_is_told_as_failed(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "web", on_failure="keep")
    old = _sleeps(engine, "web", Healthcheck=CHECK)
    apart.ctl("set", "web", "LEVEL=bad", "-e", "dev")
    until(lambda: _state(apart, "web")[0] == "failed", 40)
    kept = engine.inspect("web")
    assert kept["Id"] != old
    assert engine.names() == ["web"]
    assert engine.variables("web")["LEVEL"] == "bad"
    apart.ctl("set", "other", "A=1", "-e", "dev")
    assert _state(apart, "web")[0] == "failed"
    apart.ctl("set", "web", "LEVEL=good", "-e", "dev", "--wait", "40s")
    assert engine.inspect("web")["State"]["Health"]["Status"] == "healthy"


def test_a_container_of_rm_is_recreated_and_made_anew_where_the_new_one_fails(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "web")
    command = ["sh", "-c", f'[ "$LEVEL" != bad ] || {{ echo no such level; exit 3; }}; {SERVE[2]}']
    engine.run("web", command, labels={"confd.app": "web"}, host={"AutoRemove": True}, Volumes={"/data": {}})
    volume = engine.inspect("web")["Mounts"][0]["Name"]
    apart.ctl("set", "web", "LEVEL=good", "-e", "dev", "--wait", "40s")
    good = engine.inspect("web")
    assert (good["HostConfig"]["AutoRemove"], good["Mounts"][0]["Name"]) == (True, volume)
    apart.ctl("set", "web", "LEVEL=bad", "-e", "dev")
    until(lambda: _state(apart, "web")[0] == "failed", 40)
    assert "no such level" in apart.ctl("why", "web", "-e", "dev")
    assert "outside its volumes is lost" in _state(apart, "web")[1]
    back = engine.inspect("web")
    assert (back["Id"] != good["Id"], back["State"]["Running"], engine.names()) == (True, True, ["web"])
    assert (engine.variables("web")["LEVEL"], back["Mounts"][0]["Name"]) == ("good", volume)
    apart.ctl("unset", "web", "LEVEL", "-e", "dev", "--wait", "40s")  # its own spec is still known
    assert "LEVEL" not in engine.variables("web")


def test_what_a_container_has_written_is_kept_where_the_binding_says_so(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "web", keep_writable=True)
    writes = ["sh", "-c", f'[ -z "$A" ] || echo kept > /written; echo 1 > /data/mine; {SERVE[2]}']
    engine.run("web", writes, labels={"confd.app": "web"}, Volumes={"/data": {}})
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "40s")  # it had written into its volume alone
    now = engine.inspect("web")["Id"]
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: _state(apart, "web")[0] == "failed", 40)
    assert "it has written /written outside its volumes" in _state(apart, "web")[1]
    assert engine.inspect("web")["Id"] == now


def test_the_binding_s_stop_signal_ends_it_and_a_restart_has_to_be_healthy_b81(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    (tmp_path / "etc").mkdir()
    by_restart = {
        "variables": {"exclude": ["level"]},
        "files": [{"path": "/etc/app/app.json", "format": "json"}],
        "on_change": [{"keys": "level", "action": "restart"}, {"keys": "**", "action": "recreate"}],
        "stop": {"signal": "QUIT", "timeout": "20s"},
    }
    _bind(apart, tmp_path, "web", **by_restart)
    host = {"Binds": [f"{tmp_path}/etc:/etc/app"], "RestartPolicy": {"Name": "always"}}
    check = {**CHECK, "Test": ["CMD-SHELL", "case $(cat /etc/app/app.json) in *bad*) exit 1;; esac"]}
    engine.run("web", QUITS, labels={"confd.app": "web"}, host=host, Volumes={"/data": {}}, Healthcheck=check)
    apart.ctl("set", "web", "level=one", "-e", "dev", "--wait", "40s")
    first = engine.inspect("web")
    assert first["State"]["Running"]
    apart.ctl("set", "web", "OTHER=1", "-e", "dev", "--wait", "40s")
    second = engine.inspect("web")
    assert second["Id"] != first["Id"]
    apart.ctl("set", "web", "level=bad", "-e", "dev")
    until(lambda: _state(apart, "web")[0] == "failed", 40)
    assert "after the restart it is unhealthy" in _state(apart, "web")[1]
    code = engine.client.exec_create("web", ["cat", "/data/said"])
    assert set(engine.client.exec_start(code["Id"]).split()) == {b"quit"}
    assert engine.inspect("web")["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_one_that_cannot_run_twice_is_told_before_anything_is_tried(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(apart, tmp_path, "alone", order="start-first")
    old = engine.run("alone", SERVE, labels={"confd.app": "alone"}, host={"NetworkMode": "host"})
    until(lambda: apart.status("alone"), 20)
    apart.ctl("set", "alone", "A=1", "-e", "dev")
    until(lambda: _state(apart, "alone")[0] == "blocked", 20)
    ((step,),) = (
        [step["blocked"] for step in one["steps"]] for one in apart.json("plan", "alone", "-e", "dev")["containers"]
    )
    assert step == _state(apart, "alone")[1]
    assert step.startswith("order start-first: it has the network of the host")
    assert engine.inspect("alone")["Id"] == old
    _bind(apart, tmp_path, "alone", order="stop-first")
    until(lambda: _state(apart, "alone")[0] == "in-sync" and engine.has("alone", "A", "1"), 20)
    engine.clear()


def test_one_that_was_started_beside_another_is_in_sync_and_can_be_so_again(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    engine.client.create_network("beside")
    _bind(apart, tmp_path, "beside", order="start-first")
    engine.run("beside", SERVE, labels={"confd.app": "beside"}, host={"NetworkMode": "beside"})
    seen = {engine.inspect("beside")["Id"]}
    for number in range(3):
        apart.ctl("set", "beside", f"A={number}", "-e", "dev", "--wait", "30s")
        seen.add(engine.inspect("beside")["Id"])
        (plan,) = apart.json("plan", "beside", "-e", "dev")["containers"]
        assert (plan["steps"], _state(apart, "beside")[0]) == ([], "in-sync")
    assert len(seen) == 4
    assert engine.inspect("beside")["Id"] in seen
    _bind(apart, tmp_path, "beside", order="stop-first")
    apart.ctl("set", "beside", "A=last", "-e", "dev", "--wait", "30s")
    (network,) = engine.inspect("beside")["NetworkSettings"]["Networks"].values()
    assert "beside" not in network["Aliases"]
    engine.clear()
