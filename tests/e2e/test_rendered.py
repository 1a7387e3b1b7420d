"""What containers really get of settings: one entry a variable, none that is removed, none that is unusable."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def _entries(engine: EngineProcess, container: str, name: str) -> list[str]:
    """Every entry of the process for a variable, in whatever form."""
    return [entry for entry in engine.environ(container) if entry.partition("=")[0] == name]


def test_colliding_keys_are_refused_naming_both_and_never_reach_a_container_b50(
    confd: Confd, engine: EngineProcess
) -> None:
    engine.run("collide", SERVE, labels={"confd.app": "collide"})
    confd.ctl("set", "collide", "work-1=first", "-e", "dev", "--wait", "30s")
    before = engine.inspect("collide")["Id"]
    for key in ("work.1", "WORK_1"):
        words = confd.words("set", "collide", f"{key}=second", "-e", "dev", expect=65)
        assert "work-1" in words
        assert key in words
    confd.put("/confd/envs/dev/settings/collide/work.1", '"second"')
    until(lambda: confd.status("collide")[0]["state"] == "blocked", 20)
    detail = confd.status("collide")[0]["detail"]
    assert ("work-1" in detail, "work.1" in detail) == (True, True)
    assert engine.inspect("collide")["Id"] == before
    assert _entries(engine, "collide", "WORK_1") == ["WORK_1=first"]


def test_of_image_run_and_setting_the_process_has_one_entry_b51(confd: Confd, engine: EngineProcess) -> None:
    image = engine.make_image("twice", "ENV TEST=image")
    engine.run("twice", SERVE, Image=image, Env=["TEST=default"], labels={"confd.app": "twice"})
    assert _entries(engine, "twice", "TEST") == ["TEST=default"]
    confd.ctl("set", "twice", "TEST=managed", "-e", "dev", "--wait", "30s")
    assert _entries(engine, "twice", "TEST") == ["TEST=managed"]


def test_a_removed_setting_is_absent_and_an_image_s_own_is_back_b53(confd: Confd, engine: EngineProcess) -> None:
    image = engine.make_image("default", "ENV FEATURE=image")
    engine.run("removed", SERVE, labels={"confd.app": "removed"})
    engine.run("removed2", SERVE, Image=image, labels={"confd.app": "removed"})
    confd.ctl("set", "removed", "FEATURE=1", "-e", "dev", "--wait", "30s")
    assert [_entries(engine, name, "FEATURE") for name in ("removed", "removed2")] == [["FEATURE=1"]] * 2
    confd.ctl("unset", "removed", "FEATURE", "-e", "dev", "--wait", "30s")
    assert _entries(engine, "removed", "FEATURE") == []
    assert _entries(engine, "removed2", "FEATURE") == ["FEATURE=image"]
    assert not any(entry.startswith("FEATURE") for entry in engine.inspect("removed")["Config"]["Env"] or ())


def test_null_empty_and_missing_are_three_things_b54(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    confd.ctl("set", "nulls", "A=lower", "-e", "_default", "--yes")
    engine.run("nulls", SERVE, labels={"confd.app": "nulls"})
    confd.ctl("set", "nulls", "A=null", 'B=""', "--json", "-e", "dev", "--wait", "30s")
    assert [_entries(engine, "nulls", name) for name in "ABC"] == [[], ["B="], []]
    assert not any(entry.partition("=")[0] == "A" for entry in engine.inspect("nulls")["Config"]["Env"])
    (tmp_path / "binding.json").write_text(json.dumps({"variables": {"allow_reserved": ["PATH"]}}))
    confd.ctl("binding", "set", "nulls", str(tmp_path / "binding.json"), "-e", "dev")
    assert "PATH" in confd.words("set", "nulls", "PATH=null", "--json", "-e", "dev", expect=65)
    assert len(_entries(engine, "nulls", "PATH")) == 1


def test_a_nul_is_refused_and_one_in_the_store_harms_no_container_b56(confd: Confd, engine: EngineProcess) -> None:
    old = engine.run("nul", SERVE, labels={"confd.app": "nul"})
    confd.ctl("set", "nul", "A=1", "B=1", "-e", "dev", "--wait", "30s")
    now = engine.inspect("nul")["Id"]
    assert now != old
    assert "A" in confd.words("set", "nul", 'A="a\\u0000b"', "--json", "-e", "dev", expect=65)
    for text in ("a\0b", '"a\\u0000b"'):
        confd.put("/confd/envs/dev/settings/nul/A", text)
        confd.pass_over("nul", "B", '"2"')
        (status,) = confd.status("nul")
        assert status["state"] == "blocked"
        assert "'A' in layer dev/nul" in status["detail"]
        assert engine.names() == ["nul"]
        assert (engine.inspect("nul")["Id"], engine.inspect("nul")["RestartCount"]) == (now, 0)
    confd.put("/confd/envs/dev/settings/nul/A", '"3"')
    until(lambda: engine.has("nul", "A", "3") and engine.has("nul", "B", "2"), 20)


def test_one_unusable_key_is_told_once_and_the_others_start_b57(confd: Confd, engine: EngineProcess) -> None:
    confd.ctl("set", "part", *(f"K{number}=v" for number in range(20)), "-e", "dev")
    confd.put("/confd/envs/dev/settings/part/bad key", '"v"')
    engine.run("part", SERVE, labels={"confd.app": "part"})
    until(lambda: engine.has("part", "K19", "v"), 30)
    until(lambda: "part" in engine.names(running=True), 20)
    until(lambda: [one["state"] for one in confd.status("part")] == ["in-sync"], 20)
    assert sum(entry.startswith("K") for entry in engine.environ("part")) == 20
    assert not any("bad" in entry for entry in engine.environ("part"))
    now = engine.inspect("part")["Id"]
    for _ in range(3):
        confd.pass_over("part", "K0", '"v"')
    assert "bad key" in confd.status("part")[0]["detail"]
    assert len([line for line in confd.log.splitlines() if "bad key" in line]) == 1
    assert engine.inspect("part")["Id"] == now
