"""A host that already runs: nothing is touched at first sight, and adopting shows what it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


@pytest.fixture
def host(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """The programs for a host whose containers ran before; the test starts them."""
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    yield programs
    programs.stop()


def states(host: Apart, app: str) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["state"], one["detail"]) for one in host.status(app)}


def test_what_ran_before_is_not_touched_until_it_is_adopted(host: Apart, engine: EngineProcess) -> None:
    before = engine.run("old", SERVE, labels={"confd.app": "web"})
    host.start()
    until(lambda: "old" in states(host, "web"), 20)
    said = host.words("set", "web", "A=1", "run/memory=64m", "-e", "dev", "--wait", "30s", expect=3)
    assert all(word in said for word in ("  blocked: old on ", "    adoption: it ran before"))
    assert "blocked: it ran before" in host.ctl("explain", "web", "A", "-e", "dev")
    state, detail = states(host, "web")["old"]
    assert (state, detail.startswith("adoption: "), "confctl adopt" in detail) == ("blocked", True, True)
    assert engine.inspect("old")["Id"] == before
    assert engine.inspect("old")["HostConfig"]["Memory"] == 0

    engine.run("new", SERVE, labels={"confd.app": "web"})
    until(lambda: engine.has("new", "A", "1"), 20)

    shown = host.ctl("adopt", "web", "-e", "dev", "--dry-run")
    assert all(word in shown for word in ("old", "recreate", "A: variable A"))
    host.words("adopt", "web", "-e", "dev", expect=77)
    assert engine.inspect("old")["Id"] == before
    host.ctl("adopt", "web", "-e", "dev", "--yes", "-m", "looked at it")
    until(lambda: engine.has("old", "A", "1"), 20)
    until(lambda: states(host, "web") == {"old": ("in-sync", ""), "new": ("in-sync", "")}, 20)
    assert "looked at it" in host.ctl("history", "web", "-e", "dev")
    assert "no container waits" in host.words("adopt", "web", "-e", "dev", expect=0)


def test_what_has_its_settings_already_is_adopted_without_being_touched(host: Apart, engine: EngineProcess) -> None:
    before = engine.run("same", SERVE, labels={"confd.app": "same"}, Env=["A=1"])
    host.start()
    host.ctl("set", "same", "A=1", "-e", "dev", "--wait", "30s")
    until(lambda: states(host, "same") == {"same": ("in-sync", "")}, 20)
    host.ctl("set", "same", "run/memory=64m", "-e", "dev", "--wait", "30s")
    now = engine.inspect("same")
    assert (now["Id"], now["HostConfig"]["Memory"]) == (before, 64 * 2**20)


def test_a_binding_chooses_containers_that_have_no_label(
    host: Apart, engine: EngineProcess, tmp_path: Path
) -> None:
    before = engine.run("shop_web_1", SERVE)
    other = engine.run("other", SERVE)
    host.start()
    (tmp_path / "binding.json").write_text(json.dumps({"select": {"name": "shop_web_*"}}))
    host.ctl("set", "shop", "A=1", "-e", "dev")
    host.ctl("binding", "set", "shop", str(tmp_path / "binding.json"), "-e", "dev")
    until(lambda: states(host, "shop").get("shop_web_1", ("", ""))[0] == "blocked", 20)
    engine.run("shop_web_2", SERVE)
    until(lambda: engine.has("shop_web_2", "A", "1"), 20)
    assert engine.inspect("shop_web_1")["Id"] == before
    host.ctl("adopt", "shop", "-e", "dev", "--container", "shop_web_1", "--yes")
    until(lambda: engine.has("shop_web_1", "A", "1"), 20)
    assert engine.inspect("other")["Id"] == other

    (tmp_path / "rival.json").write_text(json.dumps({"select": {"name": "*_web_2"}}))
    host.ctl("binding", "set", "rival", str(tmp_path / "rival.json"), "-e", "dev")
    until(lambda: "shop_web_2" in host.ctl("hosts"), 20)
    until(lambda: "shop_web_2" not in states(host, "shop"), 20)
    host.ctl("set", "shop", "A=2", "-e", "dev", "--wait", "30s")
    assert engine.has("shop_web_1", "A", "2")
    assert engine.has("shop_web_2", "A", "1")


def test_an_agent_that_only_observes_adopts_and_does_nothing(engine: EngineProcess, host: Apart) -> None:
    before = engine.run("seen", SERVE, labels={"confd.app": "seen"})
    host.begin_api()
    host.begin_agent("--observe")
    host._process = host._programs[0]
    until(host._ready, 30)
    host.words("set", "seen", "A=1", "-e", "dev", "--wait", "10s", expect=3)
    assert states(host, "seen")["seen"][0] == "held"
    assert engine.inspect("seen")["Id"] == before


def test_a_container_that_something_else_makes_anew_is_contested(engine: EngineProcess, host: Apart) -> None:
    host.start()
    host.ctl("set", "fought", "A=1", "-e", "dev")
    labels = {"confd.app": "fought", "com.docker.compose.project": "shop", "com.docker.compose.service": "f"}

    def settled() -> bool:
        state = states(host, "fought").get("fought", ("", ""))[0]
        return state == "contested" or (state == "in-sync" and engine.has("fought", "A", "1"))

    for number in range(4):
        if number:
            engine.remove("fought")
        engine.run("fought", SERVE, labels=labels)
        until(settled, 20)
    until(lambda: states(host, "fought")["fought"][0] == "contested", 20)
    detail = states(host, "fought")["fought"][1]
    assert "Compose, project shop made it anew 3 times" in detail
    assert not engine.has("fought", "A", "1")
    host.ctl("adopt", "fought", "-e", "dev", "--yes")
    until(lambda: engine.has("fought", "A", "1"), 20)
