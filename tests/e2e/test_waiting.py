"""What a change waits for: its maintenance window, its splay, and what comes first."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
MIB = 1024 * 1024


def _bind(confd: Confd, app: str, folder: Path, binding: dict[str, Any], expect: int = 0) -> str:
    (folder / "binding.json").write_text(json.dumps(binding))
    if expect:
        return confd.words("binding", "set", app, str(folder / "binding.json"), "-e", "dev", expect=expect)
    return confd.ctl("binding", "set", app, str(folder / "binding.json"), "-e", "dev")


def _window(hours: float) -> dict[str, Any]:
    """One that opens so many hours from now, for an hour."""
    begins = datetime.now(UTC) + timedelta(hours=hours)
    ends = begins + timedelta(hours=1)
    return {"maintenance": {"windows": [{"from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}"}]}}


def test_outside_its_window_a_change_is_blocked_and_what_is_live_is_not(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "nightly", tmp_path, _window(3))
    confd.ctl("set", "nightly", "A=1", "-e", "dev")
    first = engine.run("nightly", SERVE, labels={"confd.app": "nightly"})
    until(lambda: engine.names() == ["nightly"] and engine.has("nightly", "A", "1"), 20)  # it had nothing yet
    container = engine.inspect("nightly")["Id"]
    assert container != first
    said = confd.words("set", "nightly", "A=2", "-e", "dev", "--wait", "30s", expect=3)
    assert "its maintenance window opens at" in said
    confd.ctl("set", "nightly", "run/memory=64m", "-e", "dev")
    until(lambda: engine.inspect("nightly")["HostConfig"]["Memory"] == 64 * MIB, 20)
    (status,) = confd.status("nightly")
    assert (status["state"], engine.inspect("nightly")["Id"]) == ("blocked", container)
    (plan,) = confd.json("plan", "nightly", "-e", "dev")["containers"]
    assert [(step["action"], step["cause"]) for step in plan["steps"]] == [("recreate", "window")]
    keys = confd.json("status", "nightly", "-e", "dev", "--keys")["containers"][0]["keys"]
    assert {key: one["state"] for key, one in keys.items()} == {"A": "waits-for-window", "run/memory": "in-effect"}
    assert "waits-for-window  its maintenance window opens at" in confd.ctl(
        "status", "nightly", "-e", "dev", "--keys"
    )
    _bind(confd, "nightly", tmp_path, _window(-0.5))
    until(lambda: engine.has("nightly", "A", "2"), 20)


def test_a_splay_delays_a_change_and_not_the_first_start_b105(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "spread", tmp_path, {"splay": "24h"})
    confd.ctl("set", "spread", "A=1", "-e", "dev")
    first = engine.run("spread", SERVE, labels={"confd.app": "spread"})
    until(lambda: engine.names() == ["spread"] and engine.has("spread", "A", "1"), 20)
    container = engine.inspect("spread")["Id"]
    assert container != first
    confd.ctl("set", "spread", "A=2", "-e", "dev")
    until(lambda: "for its splay" in confd.status("spread")[0]["detail"], 20)
    assert (confd.status("spread")[0]["state"], engine.inspect("spread")["Id"]) == ("pending", container)
    _bind(confd, "spread", tmp_path, {"splay": "0s"})
    until(lambda: engine.has("spread", "A", "2"), 20)


def test_an_app_is_touched_once_what_comes_first_is_healthy(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    """The database says that it is healthy once its folder has a file that the test puts there."""
    folder = tmp_path / "db"
    folder.mkdir()
    (folder / "ready").touch()
    check = {"Test": ["CMD", "test", "-e", "/db/ready"], "Interval": 300_000_000, "Retries": 1000}
    binds = {"Binds": [f"{folder}:/db"]}
    engine.run("db", SERVE, labels={"confd.app": "db"}, host=binds, Healthcheck=check)
    engine.run("shop", SERVE, labels={"confd.app": "shop"})
    _bind(confd, "shop", tmp_path, {"depends_on": ["db"]})
    confd.ctl("set", "db", "B=1", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "shop", "A=1", "-e", "dev", "--wait", "30s")
    before = engine.inspect("shop")["Id"]
    (folder / "ready").unlink()
    confd.ctl("set", "db", "B=2", "-e", "dev")
    confd.ctl("set", "shop", "A=2", "-e", "dev")
    until(lambda: confd.status("shop")[0]["detail"].startswith("waits for db: db is"), 20)
    assert engine.inspect("shop")["Id"] == before
    (folder / "ready").touch()
    until(lambda: engine.has("shop", "A", "2"), 30)
    assert engine.has("db", "B", "2")
    assert engine.inspect("db")["Created"] < engine.inspect("shop")["Created"]


def test_apps_that_wait_for_each_other_are_refused(confd: Confd, tmp_path: Path) -> None:
    _bind(confd, "egg", tmp_path, {"depends_on": ["hen"]})
    said = _bind(confd, "hen", tmp_path, {"depends_on": ["egg"]}, expect=65)
    assert "hen -> egg -> hen goes round in a circle (in dev)" in said
