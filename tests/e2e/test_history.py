"""History as its users see it: edits straight in a real etcd, several API processes, and old records pruned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart, Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def changes(confd: Confd, app: str, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = confd.told("history", app, "-e", "dev", *words)["changes"]
    return found


def by_out_of_band(confd: Confd, app: str) -> list[dict[str, Any]]:
    return changes(confd, app, "--author", "out-of-band")


@pytest.fixture
def second_api(apart: Apart, engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """Another API process on the same etcd."""
    folder = tmp_path / "second"
    folder.mkdir()
    programs = Apart(folder, engine.docker_host, etcd.endpoint)
    programs.environ["CONFD_KEY_FILE"] = apart.environ["CONFD_KEY_FILE"]
    programs.begin_api()
    yield programs
    programs.stop()


def test_an_edit_in_etcd_is_applied_and_recorded_once_by_several_servers(
    apart: Apart, second_api: Apart, engine: EngineProcess, etcd: EtcdProcess
) -> None:
    engine.run("oob", SERVE, labels={"confd.app": "oob"})
    apart.ctl("set", "oob", "A=1", "B=1", "-e", "dev", "--wait", "60s")
    etcd.ctl("put", "/confd/envs/dev/settings/oob/A", '"2"')
    until(lambda: engine.has("oob", "A", "2"), 30)
    until(lambda: len(by_out_of_band(apart, "oob")) == 1, 20)
    (found,) = by_out_of_band(apart, "oob")
    assert [(one["key"], one["before"], one["after"]) for one in found["diff"]] == [("A", "1", "2")]
    etcd.ctl("put", "/confd/envs/dev/settings/oob/A", '"3"')
    until(lambda: len(by_out_of_band(apart, "oob")) == 2, 20)
    until(lambda: len(by_out_of_band(second_api, "oob")) == 2, 20)
    assert [one["number"] for one in changes(apart, "oob")] == [3, 2, 1]
    assert "by out-of-band" in apart.ctl("explain", "oob", "A", "-e", "dev")
    apart.ctl("rollback", "oob", "--to", "1", "-e", "dev", "--wait", "60s")
    assert engine.has("oob", "A", "1")


def test_the_same_value_again_is_no_change_and_no_restart_b83(
    apart: Apart, engine: EngineProcess, etcd: EtcdProcess
) -> None:
    engine.run("again", SERVE, labels={"confd.app": "again"})
    apart.ctl("set", "again", "A=1", "B=1", "-e", "dev", "--wait", "60s")
    before = engine.inspect("again")
    etcd.ctl("put", "/confd/envs/dev/settings/again/A", '"1"')
    etcd.ctl("put", "/confd/envs/dev/settings/again/B", '"2"')  # recorded after whatever came of the first
    until(lambda: engine.has("again", "B", "2"), 30)
    until(lambda: len(by_out_of_band(apart, "again")) == 1, 20)
    (found,) = by_out_of_band(apart, "again")
    assert [one["key"] for one in found["diff"]] == ["B"]
    assert apart.json("get", "again", "-e", "dev")["settings"]["A"]["change"] == 1
    now = engine.inspect("again")["Id"]
    apart.await_told(
        "again",
        int(
            etcd.ctl("put", "/confd/envs/dev/settings/again/B", '"2"', "-w", "fields")
            .split('"Revision" : ')[1]
            .split()[0]
        ),
    )
    assert (engine.inspect("again")["Id"], now != before["Id"]) == (now, True)
    assert len(changes(apart, "again")) == 2


def test_an_env_that_holds_edits_waits_for_an_adoption_or_an_undo(
    apart: Apart, engine: EngineProcess, etcd: EtcdProcess
) -> None:
    engine.run("held", SERVE, labels={"confd.app": "held"})
    apart.ctl("set", "held", "A=1", "-e", "dev", "--wait", "60s")
    apart.ctl("env", "set", "dev", "--out-of-band", "hold", "-m", "etcd is shared")
    before = engine.inspect("held")["Id"]

    def put_and_await(text: str) -> None:
        etcd.ctl("put", "/confd/envs/dev/settings/held/A", text)
        until(
            lambda: (
                [(one["state"], "straight into etcd" in one["detail"]) for one in apart.status("held")]
                == [("held", True)]
            ),
            20,
        )

    put_and_await('"2"')
    until(lambda: len(by_out_of_band(apart, "held")) == 1, 20)
    assert engine.inspect("held")["Id"] == before
    assert "A = 1 -> 2" in apart.ctl("outofband", "held", "-e", "dev")
    assert "put straight into etcd" in apart.ctl("explain", "held", "A", "-e", "dev")
    assert apart.words("set", "held", "B=1", "-e", "dev", "--wait", "30s", expect=3)
    assert engine.inspect("held")["Id"] == before
    apart.ctl("outofband", "held", "--adopt", "-e", "dev", "-m", "it was urgent", "--wait", "60s")
    assert (engine.has("held", "A", "2"), engine.has("held", "B", "1")) == (True, True)
    put_and_await('"9"')
    apart.ctl("outofband", "held", "--undo", "-e", "dev", "--wait", "60s")
    assert engine.has("held", "A", "2")
    assert apart.words("outofband", "held", "-e", "dev", expect=0)
    apart.words("outofband", "held", "--undo", "-e", "dev", expect=66)


def test_what_runs_is_compared_with_what_is_set(confd: Confd, engine: EngineProcess) -> None:
    engine.run("livediff", SERVE, labels={"confd.app": "livediff"})
    confd.ctl("set", "livediff", "A=1", "run/memory=64m", "-e", "dev", "--wait", "60s")
    confd.ctl("diff", "livediff", "--live", "-e", "dev")
    confd.ctl("freeze", "livediff", "-e", "dev", "-m", "a look")
    confd.ctl("set", "livediff", "A=2", "run/memory=128m", "-e", "dev")
    until(lambda: confd.status("livediff")[0]["state"] == "held", 20)
    told = confd.ctl("diff", "livediff", "--live", "-e", "dev", expect=1)
    assert "A" in told
    assert "held" in told
    confd.ctl("unfreeze", "livediff", "-e", "dev")


def test_the_history_is_paged_filtered_and_says_where_it_begins(confd: Confd) -> None:
    for number in range(6):
        confd.ctl("set", "paged", f"A={number}", "-e", "dev", "-m", f"round {number}")
    confd.ctl("set", "paged", "db/host=x", "-e", "dev")
    first = confd.json("history", "paged", "-e", "dev", "--limit", "3")
    assert [one["number"] for one in first["changes"]] == [7, 6, 5]
    second = confd.json("history", "paged", "-e", "dev", "--limit", "3", "--before", str(first["before"]))
    assert [one["number"] for one in second["changes"]] == [4, 3, 2]
    assert [one["number"] for one in changes(confd, "paged", "--limit", "2", "--all")] == [7, 6, 5, 4, 3, 2, 1]
    assert [one["number"] for one in changes(confd, "paged", "--key", "db/**")] == [7]
    assert confd.ctl("diff", "paged", "--change", "2..4", "-e", "dev", expect=1) == "~ A = 1 -> 3\n"


def test_old_records_are_pruned_and_the_settings_stay(confd: Confd, engine: EngineProcess) -> None:
    for number in range(8):
        confd.ctl("set", "pruned", f"A={number}", "-e", "prunes")
        if number == 1:
            confd.ctl("set", "pruned", "KEPT=1", "-e", "prunes")
    confd.ctl("env", "set", "prunes", "--keep-changes", "3")

    def numbers() -> list[int]:
        return [
            one["number"]
            for one in confd.told("history", "pruned", "-e", "prunes")["changes"]
            if one["layer"] == "prunes/pruned"
        ]

    until(lambda: numbers() == [9, 8, 7, 3, 1], 30)
    assert confd.told("history", "pruned", "-e", "prunes")["pruned"] == {"prunes/pruned": 7}
    assert json.loads(confd.ctl("get", "pruned", "-e", "prunes", "-o", "json"))["settings"]["KEPT"]["change"] == 3
    assert "were pruned" in confd.words("rollback", "pruned", "--to", "4", "-e", "prunes", expect=66)
    confd.ctl("rollback", "pruned", "--to", "6", "-e", "prunes")
    assert confd.ctl("get", "pruned", "A", "-e", "prunes").strip() == "4"
    confd.ctl("rollback", "pruned", "--to", "1", "-e", "prunes", "--force")
    assert sorted(confd.json("get", "pruned", "-e", "prunes")["settings"]) == ["A"]
    confd.ctl("rollback", "pruned", "--to", "0", "-e", "prunes", "--force")
    assert confd.json("get", "pruned", "-e", "prunes")["settings"] == {}
