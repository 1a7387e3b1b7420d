"""A host is lost, comes back, and is forgotten: two agents, each with an engine of its own."""

from __future__ import annotations

from pathlib import Path

from tests.support.fleet import StartFleet
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def test_a_host_whose_agent_died_stays_known_and_does_what_it_missed_once(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1", "h2")
    one, two = fleet.engines["h1"], fleet.engines["h2"]
    one.run("web-1", SERVE, labels={"confd.app": "web"})
    two.run("web-2", SERVE, labels={"confd.app": "web"})
    until(lambda: len(fleet.status("web")) == 2, 20)
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    before = two.inspect("web-2")["Id"]

    fleet.kill_agent("h2")
    fleet.await_lost("h2")
    assert "lost since 20" in fleet.ctl("hosts")
    said = fleet.words("set", "web", "A=2", "-e", "dev", "--wait", "30s", expect=3)
    assert "web-2 on h2 (lost)" in said
    assert one.has("web-1", "A", "2")
    assert two.inspect("web-2")["Id"] == before

    fleet.begin_agent("h2")
    until(lambda: two.has("web-2", "A", "2"), 40)
    fleet.ctl("set", "web", "A=2", "-e", "dev", "--wait", "30s")
    assert fleet.host("h2")["lost_since"] is None
    now = two.inspect("web-2")
    assert now["Config"]["Labels"]["confd.replaces"] == before
    until(lambda: two.names() == ["web-2"], 20)


def test_a_host_that_will_not_come_back_is_forgotten_and_nobody_waits_for_it(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1", "h2")
    for host, engine in fleet.engines.items():
        engine.run(f"web-{host}", SERVE, labels={"confd.app": "web"})
    until(lambda: len(fleet.status("web")) == 2, 20)
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    assert "is alive" in fleet.words("hosts", "forget", "h2", "--yes", expect=77)
    fleet.kill_agent("h2")
    fleet.await_lost("h2")
    assert "lost since 20" in fleet.ctl("status", "web", "-e", "dev")
    assert "web-h2" in fleet.ctl("hosts", "forget", "h2", "--dry-run")
    fleet.words("hosts", "forget", "h2", expect=77)
    fleet.ctl("hosts", "forget", "h2", "--yes")
    assert fleet.host("h2") == {}
    fleet.ctl("set", "web", "A=2", "-e", "dev", "--wait", "60s")
    assert fleet.engines["h2"].has("web-h2", "A", "1")


def test_why_tells_change_author_steps_and_last_words(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1")
    (engine,) = fleet.engines.values()
    says = [
        "sh",
        "-c",
        'echo "hello from $A"; trap "exit 0" TERM; [ "$BAD" ] && exit 3; while :; do sleep 0.2; done',
    ]
    engine.run("talker", says, labels={"confd.app": "talker"})
    fleet.ctl("set", "talker", "A=1", "-e", "dev", "--wait", "60s", "-m", "the first")
    first = engine.inspect("talker")["Id"]
    fleet.ctl("set", "talker", "A=2", "-e", "dev", "--wait", "60s", "-m", "the second")
    said = fleet.ctl("why", "talker", "-e", "dev")
    assert all(word in said for word in ("recreate done in", "A: variable A", ": the second", "hello from 1"))
    assert f"replaced {first[:12]}" in said
    assert said == fleet.ctl("why", first[:12], "-e", "dev")
    (path,) = [word for word in said.split() if word.endswith(".log")][:1]
    assert "hello from 1" in Path(path).read_text()
    second = fleet.status("talker")[0]["running"]
    fleet.words("set", "talker", "BAD=1", "A=3", "-e", "dev", "--wait", "60s", "-m", "a mistake", expect=3)
    said = fleet.ctl("why", "talker", "-e", "dev")
    assert all(word in said for word in ("is failed", "recreate failed", ": a mistake", "hello from 3"))
    one = fleet.status("talker")[0]
    assert one["published"] == one["rendered"] > one["running"] == second > 0


def test_explain_tells_of_a_host_that_has_a_value_of_its_own(start_fleet: StartFleet) -> None:
    fleet = start_fleet("h1", "h2")
    for engine in fleet.engines.values():
        engine.run("web", SERVE, labels={"confd.app": "web"})
    fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    fleet.ctl("set", "web", "A=2", "-e", "dev", "--host", "h2", "--wait", "60s")
    assert fleet.engines["h1"].has("web", "A", "1")
    assert fleet.engines["h2"].has("web", "A", "2")
    said = fleet.ctl("explain", "web", "A", "-e", "dev")
    assert all(word in said for word in ("A = 1\n", "but on    h2: dev/web@h2 = 2 (change 1 by "))
    ids = {host: engine.inspect("web")["Id"] for host, engine in fleet.engines.items()}
    for host, value in (("h1", "1"), ("h2", "2")):
        said = fleet.ctl("explain", "web", "A", "-e", "dev", "--container", ids[host][:12])
        assert (said.splitlines()[0], "but on" in said) == (f"A = {value}", False)
