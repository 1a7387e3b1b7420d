"""Brakes on running containers: on everything, an env, an app, a host, by file, and in mid-roll-out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.fleet import StartFleet
from tests.support.programs import Apart, Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def state(programs: Confd, app: str) -> list[tuple[str, str]]:
    return [(one["state"], one["detail"]) for one in programs.status(app)]


@pytest.mark.parametrize(
    "words", [("--everything",), ("-e", "dev"), ("APP", "-e", "dev"), ("APP", "-e", "dev", "--host", "HOST")]
)
def test_nothing_is_done_until_the_brake_is_off(confd: Confd, engine: EngineProcess, words: Sequence[str]) -> None:
    app = f"brake{len(words)}"
    engine.run(app, SERVE, labels={"confd.app": app})
    confd.ctl("set", app, "A=1", "B=1", "-e", "dev", "--wait", "30s")
    (host,) = [one["host"] for one in confd.json("hosts")["hosts"]]
    named = [word.replace("APP", app).replace("HOST", host) for word in words]
    before = engine.inspect(app)["Id"]
    confd.ctl("freeze", *named, "-m", "the database is being moved")
    assert confd.words("set", app, "A=2", "run/memory=64m", "-e", "dev", "--wait", "30s", expect=3)
    ((held, why),) = state(confd, app)
    assert (held, "the database is being moved" in why) == ("held", True)
    assert engine.inspect(app)["Id"] == before
    assert "the database is being moved" in confd.ctl("freeze", "--list")
    confd.ctl("unfreeze", *named)
    until(lambda: engine.has(app, "A", "2"), 20)
    until(lambda: state(confd, app) == [("in-sync", "")], 20)
    assert engine.inspect(app)["HostConfig"]["Memory"] == 64 * 2**20
    confd.words("unfreeze", *named, expect=66)


@pytest.mark.parametrize(
    ("most", "kept", "blocked"),
    [("none", {"A": "1", "memory": 0}, "none"), ("in-place", {"A": "1", "memory": 64 * 2**20}, "in-place")],
)
def test_a_containers_label_is_the_most_that_is_done_to_it(
    confd: Confd, engine: EngineProcess, most: str, kept: dict[str, object], blocked: str
) -> None:
    app = f"most-{most}"
    engine.run(app, SERVE, labels={"confd.app": app, "confd.max-reach": most}, Env=["A=1"])
    confd.ctl("set", app, "A=1", "-e", "dev", "--wait", "30s")
    before = engine.inspect(app)["Id"]
    confd.words("set", app, "A=2", "run/memory=64m", "-e", "dev", "--wait", "30s", expect=3)
    ((found, why),) = state(confd, app)
    assert (found, f"max-reach allows no more than {blocked}" in why) == ("blocked", True)
    now = engine.inspect(app)
    assert (now["Id"], now["HostConfig"]["Memory"]) == (before, kept["memory"])
    assert engine.has(app, "A", str(kept["A"]))


def test_a_brake_in_mid_rollout_stops_before_the_next_container(confd: Confd, engine: EngineProcess) -> None:
    names = [f"roll-{number}" for number in range(4)]
    for name in names:
        engine.run(name, SERVE, labels={"confd.app": "roll"})
    confd.ctl("set", "roll", "A=1", "-e", "dev", "--wait", "60s")
    confd.ctl("set", "roll", "A=2", "-e", "dev")
    until(lambda: any(engine.has(name, "A", "2") for name in names), 20)
    confd.ctl("freeze", "roll", "-e", "dev", "-m", "it looks bad")
    confd.pass_over("roll", "A", '"2"')
    done = [name for name in names if engine.has(name, "A", "2")]
    assert 0 < len(done) < len(names)
    states = {one["name"]: one["state"] for one in confd.status("roll")}
    assert {name for name, found in states.items() if found == "held"} == set(names) - set(done)
    assert engine.names(running=True) == names
    confd.ctl("unfreeze", "roll", "-e", "dev")
    until(lambda: all(engine.has(name, "A", "2") for name in names), 60)


def test_a_frozen_host_stays_and_the_others_go_on(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1", "h2")
    for engine in fleet.engines.values():
        engine.run("web", SERVE, labels={"confd.app": "web"})
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    fleet.ctl("freeze", "--host", "h2", "-e", "dev", "-m", "its disk is full")
    said = fleet.words("set", "web", "A=2", "-e", "dev", "--wait", "60s", expect=3)
    assert all(word in said for word in ("  recreate: web on h1\n", "  held: web on h2\n", "its disk is full"))
    assert fleet.engines["h1"].has("web", "A", "2")
    assert fleet.engines["h2"].has("web", "A", "1")
    assert "its disk is full" in fleet.ctl("hosts")
    effects = {one["host"]: one for one in fleet.json("explain", "web", "A", "-e", "dev")["effects"]}
    assert (effects["h1"]["action"], effects["h2"]["action"]) == ("recreate", "none")
    assert "its disk is full" in effects["h2"]["blocked"]
    fleet.ctl("unfreeze", "--host", "h2", "-e", "dev")
    until(lambda: fleet.engines["h2"].has("web", "A", "2"), 20)


def test_the_hosts_freeze_file_works_with_etcd_gone(
    engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path
) -> None:
    """A change waits, the file is put down while etcd is away, and nothing is done when that is back."""
    apart = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    apart.start()
    try:
        engine.run("web", SERVE, labels={"confd.app": "web"})
        apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
        before = engine.inspect("web")["Id"]
        etcd.kill()
        (tmp_path / "agent" / "freeze").write_text("anna: I am looking at this host\n")
        etcd.start()
        until(lambda: apart._run("set", "web", "A=2", "-e", "dev").returncode == 0, 40)
        until(lambda: state(apart, "web")[0][0] == "held", 40)
        assert "I am looking at this host" in state(apart, "web")[0][1]
        until(lambda: "I am looking at this host" in apart.ctl("hosts"), 20)
        for words in (("freeze", "--list"), ("explain", "web", "A", "-e", "dev")):
            assert "I am looking at this host" in apart.ctl(*words)
        assert engine.inspect("web")["Id"] == before
        (tmp_path / "agent" / "freeze").unlink()
        until(lambda: engine.has("web", "A", "2"), 20)
        until(lambda: "I am looking" not in apart.ctl("hosts"), 20)
        assert "I am looking" not in apart.ctl("freeze", "--list")
    finally:
        apart.stop()


def test_the_history_tells_who_froze_and_why(confd: Confd) -> None:
    confd.ctl("set", "told", "A=1", "-e", "dev")
    confd.ctl("freeze", "told", "-e", "dev", "-m", "look at this first")
    confd.ctl("unfreeze", "told", "-e", "dev", "-m", "looked")
    changes = json.loads(confd.ctl("history", "told", "-e", "dev", "-o", "json"))["changes"]
    assert [(one["kind"], one["message"]) for one in changes[:2]] == [
        ("freeze", "looked"),
        ("freeze", "look at this first"),
    ]
    assert "look at this first" in confd.ctl("show", "told", "2", "-e", "dev")
