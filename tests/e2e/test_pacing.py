"""How often the agent acts: as seldom as the binding says, once a change, and ever more seldom where it fails."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
FRAIL = ["sh", "-c", '[ -z "$FIX" ] && { echo broken; exit 1; }; trap "exit 0" TERM; while :; do sleep 0.2; done']
SLOW = [
    "sh",
    "-c",
    'while [ ! -e /etc/app/ready ]; do sleep 0.05; done; trap "echo hup" HUP; trap "exit 0" TERM; '
    "while :; do sleep 0.05; done",
]


def _bind(confd: Confd, app: str, folder: Path, binding: dict[str, Any], env: str = "dev") -> None:
    path = folder / "binding.json"
    path.write_text(json.dumps(binding))
    confd.ctl("binding", "set", app, str(path), "-e", env)


def _bind_signals(confd: Confd, app: str, folder: Path) -> None:
    """Every key goes into a file of the folder `etc`, and then HUP is sent."""
    (folder / "etc").mkdir()
    rule = {"keys": "**", "action": "signal", "signal": "HUP"}
    files = [{"path": "/etc/app/app.json", "format": "json"}]
    _bind(confd, app, folder, {"variables": {"exclude": ["**"]}, "files": files, "on_change": [rule]})


@contextmanager
def _starts(engine: EngineProcess, app: str) -> Iterator[list[float]]:
    """When containers of the app were started while the block runs."""
    seen: list[float] = []
    stream = engine.client.events(decode=True, filters={"event": ["start"], "label": [f"confd.app={app}"]})
    listener = threading.Thread(target=lambda: seen.extend(one["timeNano"] / 1e9 for one in stream))
    listener.start()
    yield seen
    stream.close()
    listener.join(10)


def _paced(confd: Confd, app: str, count: int, period_s: float) -> None:
    """So many changes, one each period."""
    began = time.monotonic()
    for number in range(count):
        until(lambda due=began + number * period_s: time.monotonic() >= due, 60)  # type: ignore[misc]
        confd.patch(app, {"set": {"N": str(number)}})


def test_ten_changes_in_a_second_are_one_restart_after_the_quiet_time_b103(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "quiet", tmp_path, {"wait": {"min": "2s", "max": "10s"}})
    engine.run("quiet", SERVE, labels={"confd.app": "quiet"})
    with _starts(engine, "quiet") as starts:
        began = time.time()
        _paced(confd, "quiet", 10, 0.1)
        until(lambda: engine.has("quiet", "N", "9"), 20)
        confd.pass_over("quiet", "N", '"9"')
    assert len(starts) == 1
    assert 2.9 < starts[0] - began < 8


def test_while_a_change_is_held_together_with_others_its_container_is_not_in_sync_with_it(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    engine.run("held", SERVE, labels={"confd.app": "held"})
    confd.ctl("set", "held", "A=1", "-e", "dev", "--wait", "30s")
    _bind(confd, "held", tmp_path, {"wait": {"min": "8s"}, "health": {"monitor": "0s"}})
    confd.ctl("set", "held", "A=2", "-e", "dev")
    (told,) = confd.status("held")
    assert (told["state"], engine.has("held", "A", "1")) == ("pending", True)
    assert "holds changes together" in told["detail"]
    until(lambda: confd.status("held")[0]["state"] == "in-sync" and engine.has("held", "A", "2"), 30)


def test_changes_without_a_pause_act_as_often_as_the_longest_wait_says_b103(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "busy", tmp_path, {"wait": {"min": "2s", "max": "5s"}})
    engine.run("busy", SERVE, labels={"confd.app": "busy"})
    with _starts(engine, "busy") as starts:
        began = time.time()
        _paced(confd, "busy", 36, 0.5)
        over = time.time() - began
        until(lambda: engine.has("busy", "N", "35"), 20)
    assert 1 <= len([at for at in starts if at - began <= over]) <= over / 5
    assert len(starts) <= over / 5 + 1


def test_a_storm_of_changes_is_as_many_recreates_as_the_waits_allow_and_the_last_state_wins(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    _bind(confd, "storm", tmp_path, {"wait": {"min": "1s", "max": "4s"}, "health": {"monitor": "0s"}})
    engine.run("storm", SERVE, labels={"confd.app": "storm"})
    with _starts(engine, "storm") as starts:
        began = time.monotonic()
        _paced(confd, "storm", 1000, 0.01)
        took_s = time.monotonic() - began
        until(lambda: engine.has("storm", "N", "999"), 30)
        confd.pass_over("storm", "N", '"999"')
    assert 1 <= len(starts) <= took_s / 4 + 1


def test_a_change_in_another_env_is_applied_once_and_then_all_is_quiet_b108(
    confd: Confd, engine: EngineProcess
) -> None:
    old = engine.run("other", SERVE, labels={"confd.app": "other", "confd.env": "qa"})
    with _starts(engine, "other") as starts:
        confd.ctl("set", "other", "A=1", "-e", "qa", "--wait", "30s")
        said, made = len(confd.log.splitlines()), engine.inspect("other")
        for _ in range(10):
            confd.pass_over("other", "A", '"1"', "qa")
    now = engine.inspect("other")
    assert made["Config"]["Labels"]["confd.replaces"] == old
    assert (now["Id"], now["State"]["StartedAt"], len(starts)) == (made["Id"], made["State"]["StartedAt"], 1)
    assert confd.log.splitlines()[said:] == []


def test_what_always_fails_is_tried_ever_more_seldom_and_holds_nobody_up_b109(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "etc"
    _bind_signals(confd, "deaf", tmp_path)
    made = engine.run("deaf", SERVE, labels={"confd.app": "deaf"}, host={"Binds": [f"{folder}:/etc/app"]})
    confd.ctl("set", "deaf", "A=1", "-e", "dev")
    written: list[int] = []

    def tries() -> int:
        """Each try writes the file anew, in place of the one before."""
        path = folder / "app.json"
        node = path.stat().st_ino if path.exists() else 0
        if node and node not in written[-1:]:
            written.append(node)
        return len(written)

    times: list[float] = []
    for count in (1, 2, 3, 4):
        until(lambda due=count: tries() >= due, 30)  # type: ignore[misc]
        times.append(time.monotonic())
    assert times[3] - times[2] > times[1] - times[0]
    (status,) = confd.status("deaf")
    assert (status["state"], "does not catch SIGHUP" in status["detail"]) == ("pending", True)
    said = [line for line in confd.log.splitlines() if "deaf" in line and "SIGHUP" in line]
    assert len(said) <= 2  # of the file without settings, and of that with one
    engine.run("fine", SERVE, labels={"confd.app": "fine"})
    confd.ctl("set", "fine", "A=1", "-e", "dev", "--wait", "10s")
    assert (engine.inspect("deaf")["Id"], engine.inspect("deaf")["State"]["Running"]) == (made, True)


def test_a_recreate_that_fails_is_told_with_its_reason_and_not_repeated_b109(
    confd: Confd, engine: EngineProcess
) -> None:
    broken = ["sh", "-c", f'[ -n "$BREAK" ] && {{ echo broken; exit 3; }}; {SERVE[2]}']
    old = engine.run("breaks", broken, labels={"confd.app": "breaks"})
    with _starts(engine, "breaks") as starts:
        confd.words("set", "breaks", "BREAK=1", "-e", "dev", "--wait", "30s", expect=3)
        for _ in range(4):
            confd.pass_over("breaks", "BREAK", '"1"')
        (status,) = confd.status("breaks")
        assert (status["state"], "broken" in status["detail"]) == ("failed", True)
    assert len(starts) == 2  # the new one, and the old one again
    assert (engine.inspect("breaks")["Id"], engine.names()) == (old, ["breaks"])


def test_a_program_that_ends_at_once_gets_a_new_setting_at_once_b118(confd: Confd, engine: EngineProcess) -> None:
    """The pauses between its lives are the engine's, and grow."""
    policy = {"RestartPolicy": {"Name": "always"}}
    made = engine.run("loops", FRAIL, labels={"confd.app": "loops"}, host=policy)
    until(lambda: engine.inspect(made)["RestartCount"] >= 3, 20)
    until(lambda: any("crash looping" in one["detail"] for one in confd.status("loops")), 20)
    confd.ctl("set", "loops", "OTHER=1", "-e", "dev", "--wait", "30s", expect=3)
    assert engine.inspect("loops")["Id"] == made
    began = time.monotonic()
    confd.ctl("set", "loops", "FIX=1", "-e", "dev", "--wait", "30s")
    assert time.monotonic() - began < 10
    now = engine.inspect("loops")
    assert (now["State"]["Running"], now["RestartCount"], now["Id"] != made) == (True, 0, True)
    assert now["HostConfig"]["RestartPolicy"]["Name"] == "always"


def test_a_process_is_signalled_once_it_is_ready_and_not_before_b118(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "etc"
    _bind_signals(confd, "slow", tmp_path)
    made = engine.run("slow", SLOW, labels={"confd.app": "slow"}, host={"Binds": [f"{folder}:/etc/app"]})
    pid = engine.inspect(made)["State"]["Pid"]
    confd.ctl("set", "slow", "A=1", "-e", "dev")
    until(lambda: ["tried again" in one["detail"] for one in confd.status("slow")] == [True], 20)
    assert confd.status("slow")[0]["state"] == "pending"
    (folder / "ready").touch()
    until(lambda: [one["state"] for one in confd.status("slow")] == ["in-sync"], 30)
    assert engine.inspect("slow")["State"]["Pid"] == pid
    assert engine.client.logs("slow") == b"hup\n"
