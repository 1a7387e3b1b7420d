"""A lost store is put back from a backup: containers run on as they are, and all reads are as they were."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from confd.ports import Put
from confd.stores.etcd import EtcdStore
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
APPS = ("web", "db")
OF_THE_MOMENT = ("revision", "at_revision", "effects")
"""The store's own revisions, and what agents would do now."""


@pytest.fixture
def apart(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """API and agent, with two containers that have settings in effect, some of them in place."""
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    programs.start()
    for app in APPS:
        engine.run(app, SERVE, labels={"confd.app": app})
        programs.ctl("set", app, "A=1", "B=1", "C=1", "-e", "dev", "--wait", "30s")
    programs.ctl("set", "web", "run/memory=64m", "A=2", "-e", "dev", "--wait", "30s")
    programs.ctl("set", "web", "run/memory=80m", "-e", "dev", "--wait", "30s")  # in place: no label tells of it
    programs.ctl("unset", "db", "C", "-e", "dev", "--wait", "30s")
    programs.ctl("set", "_default", "LEVEL=info", "-e", "qa", "--yes")
    programs.ctl("freeze", "-e", "qa", "-m", "an audit")
    programs.ctl("policy", "set", "base", "--preset", "secure", "-e", "qa", "-m", "after the audit")
    yield programs
    programs.stop()
    engine.clear()


def _reads(apart: Apart) -> dict[str, Any]:
    """What people see of everything."""
    asked: list[tuple[str, ...]] = [("list",), ("policy", "get", "base", "-e", "qa")]
    for app in APPS:
        asked += [(*words, app, "-e", "dev") for words in (("get",), ("get", "--own"), ("history",))]
        asked += [("explain", app, "A", "-e", "dev"), ("show", app, "1", "-e", "dev")]
    return {" ".join(words): _bare(apart.json(*words)) for words in asked}


def _bare(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _bare(one) for name, one in document.items() if name not in OF_THE_MOMENT}
    return [_bare(one) for one in document] if isinstance(document, list) else document


def _ids(engine: EngineProcess) -> list[tuple[str, str]]:
    return [(found["Id"], found["State"]["StartedAt"]) for found in map(engine.inspect, APPS)]


def _doubts(apart: Apart) -> str:
    hosts = apart.told("hosts")["hosts"]
    return "; ".join(str(one["why"]) for host in hosts for one in host.get("doubts") or ())


def _states(apart: Apart) -> list[str]:
    return [one["state"] for app in APPS for one in apart.status(app)]


def test_a_lost_store_is_put_back_and_nothing_is_done_to_any_container(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess, tmp_path: Path
) -> None:
    before, ids, file = _reads(apart), _ids(engine), str(tmp_path / "all.jsonl.gz")
    apart.ctl("backup", file)
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    writes = Writes(engine)
    etcd.lose()
    until(lambda: bool(_doubts(apart)), 40)
    shown = apart.json("restore", file, "--dry-run")
    assert (shown["replaces"], shown["unfinished"]) == (0, False)
    assert "--yes" in apart.words("restore", file, expect=77)
    apart.ctl("restore", file, "--yes")
    assert _reads(apart) == before
    until(lambda: "restored from a backup" in _doubts(apart), 40)
    until(lambda: _states(apart) == ["in-sync", "in-sync"], 30)  # with nothing that it would be held from
    apart.kill_agent()  # it comes to the same
    apart.begin_agent()
    until(lambda: "restored from a backup" in _doubts(apart), 40)
    assert [one["steps"] for one in apart.json("resume", "--dry-run")["containers"]] == [[], []]
    apart.ctl("resume", "--yes", "-m", "restored the backup")
    until(lambda: _doubts(apart) == "", 30)
    until(lambda: _states(apart) == ["in-sync", "in-sync"], 30)
    etcd.kill()  # its stream opens anew, and the agent compares what it knows
    etcd.start()
    until(lambda: _states(apart) == ["in-sync", "in-sync"], 40)
    assert _doubts(apart) == ""
    assert (writes.all(), _ids(engine)) == ([], ids)

    apart.ctl("rollback", "web", "-e", "dev", "--to", "1", "--wait", "30s")
    assert engine.has("web", "A", "1")
    apart.ctl("unset", "db", "A", "-e", "dev", "--wait", "30s")
    assert "A" not in engine.variables("db")
    assert sum(writes.count("create").values()) == len(APPS)
    assert apart.json("history", "web", "-e", "dev")["changes"][0]["number"] == 4


def test_a_store_that_went_on_is_replaced_and_shown_first(
    apart: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    file, writes = str(tmp_path / "all.jsonl"), Writes(engine)
    apart.ctl("backup", file)
    before = _reads(apart)
    apart.ctl("set", "web", "A=3", "-e", "dev", "--wait", "30s")
    writes.again()
    assert "not empty" in apart.words("restore", file, "--yes", expect=77)
    assert "web" in apart.ctl("restore", file, "--dry-run")
    apart.ctl("restore", file, "--replace", "--yes")
    (saved,) = tmp_path.glob("all.jsonl.replaced-*.gz")
    assert _reads(apart) == before
    until(lambda: "restored from a backup" in _doubts(apart), 40)
    assert writes.all() == []
    (web,) = [one for one in apart.json("resume", "--dry-run")["containers"] if one["name"] == "web"]
    assert [reason["key"] for step in web["steps"] for reason in step["reasons"]] == ["A"]
    apart.ctl("restore", str(saved), "--replace", "--yes")  # on second thoughts
    until(lambda: [one["steps"] for one in apart.json("resume", "--dry-run")["containers"]] == [[], []], 20)
    apart.ctl("resume", "--yes")
    until(lambda: _states(apart) == ["in-sync", "in-sync"], 40)
    assert writes.all() == []


def test_below_another_prefix_and_on_another_etcd(
    apart: Apart, start_etcd: Callable[..., EtcdProcess], engine: EngineProcess, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    file = str(tmp_path / "all.jsonl")
    apart.ctl("backup", file)
    other = Apart(tmp_path / "other", engine.docker_host, start_etcd().endpoint, "--prefix", "/elsewhere")
    try:
        other.begin_api()
        until(lambda: other._run("list").returncode == 0, 30)
        other.ctl("restore", file, "--yes")
        assert _reads(other) == _reads(apart)
    finally:
        other.stop()


def test_a_file_that_is_cut_is_refused_and_the_store_stays_as_it_is(apart: Apart, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    apart.ctl("backup", str(file))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    before = _reads(apart)
    assert "is cut" in apart.words("restore", str(file), "--yes", "--replace", expect=65)
    file.write_bytes(content.replace(b"anna", b"otto").replace(b"audit", b"tidua"))
    assert "edited or damaged" in apart.words("restore", str(file), "--yes", "--replace", expect=65)
    assert _reads(apart) == before


def test_many_keys_come_back_in_bounded_transactions(apart: Apart, etcd: EtcdProcess, tmp_path: Path) -> None:
    store = EtcdStore(etcd.config)
    for start in range(0, 20_000, 1_000):
        many = [Put(f"/confd/envs/dev/settings/many/k{number}", "1") for number in range(start, start + 1_000)]
        store.commit(many)
    store.close()
    file = str(tmp_path / "all.jsonl.gz")
    apart.ctl("backup", file)
    etcd.lose()
    until(lambda: bool(_doubts(apart)), 40)
    words = apart.words("restore", file, "--yes", expect=0)
    assert "of 20" in words
    found = apart.json("find", "k1999?", "--app", "many", "--limit", "20")
    assert [one["key"] for one in found["settings"]] == [f"k1999{digit}" for digit in range(10)]
    assert json.loads(apart.ctl("get", "many", "k1", "-e", "dev")) == 1
