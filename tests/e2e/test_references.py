"""Settings that refer to those of other apps: a change reaches exactly the containers that come to it, once."""

from __future__ import annotations

import json

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def _recreates(confd: Confd, name: str) -> list[str]:
    """The container's recreates that its agent has noted, by the words on them."""
    return [str(one) for one in confd.json("why", name)["outcomes"] if one["action"] == "recreate"]


def test_a_change_in_one_app_recreates_its_dependents_once_and_nobody_else(
    confd: Confd, engine: EngineProcess
) -> None:
    for name in ("refs-db", "refs-web", "refs-aside"):
        engine.run(name, SERVE, labels={"confd.app": name})
    confd.ctl("set", "refs-db", "db/host=one", "db/pool=5", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "refs-aside", "A=1", "-e", "dev", "--wait", "30s")
    confd.ctl(
        "set", "refs-web", "URL=pg://${refs-db:db/host}/x", "RAW=$${refs-db:db/host}", "-e", "dev", "--wait", "30s"
    )
    assert engine.has("refs-web", "URL", "pg://one/x")
    assert engine.has("refs-web", "RAW", "${refs-db:db/host}")
    web, aside = engine.inspect("refs-web")["Id"], engine.inspect("refs-aside")["Id"]
    assert len(_recreates(confd, "refs-web")) == 1

    confd.ctl("set", "refs-db", "db/pool=6", "-e", "dev", "--wait", "30s")
    assert engine.inspect("refs-web")["Id"] == web

    said = confd.words("set", "refs-db", "db/host=two", "-e", "dev", expect=77)
    assert "reaches 2 containers of 2 apps (refs-db, refs-web)" in said
    said = confd.words("set", "refs-db", "db/host=two", "-e", "dev", "--yes", "--wait", "30s", expect=0)
    assert "in effect in 2 of 2 containers" in said
    assert engine.has("refs-web", "URL", "pg://two/x")
    assert len(_recreates(confd, "refs-web")) == 2
    assert engine.inspect("refs-aside")["Id"] == aside
    assert confd.status("refs-web")[0]["state"] == "in-sync"
    assert confd.json("plan", "refs-web", "-e", "dev")["containers"][0]["steps"] == []


def test_what_cannot_be_resolved_is_refused_with_its_way_and_told_by_explain(confd: Confd) -> None:
    confd.ctl("set", "refs-b", "host=h", "-e", "dev")
    confd.ctl("set", "refs-a", "url=pg://${refs-b:host}", "-e", "dev")
    said = confd.words("set", "refs-b", "host=${refs-a:url}", "-e", "dev", "--yes", expect=65)
    assert "host: host -> refs-a:url -> host goes round in a circle" in said
    said = confd.words("unset", "refs-b", "host", "-e", "dev", "--yes", "--force", expect=65)
    assert "another app refers to this: url refers to refs-b:host, which is not set" in said
    assert "(in dev/refs-a)" in said
    said = confd.words("set", "refs-a", "HOME_DIR=${HOME}/x", "-e", "dev", expect=65)
    assert "write $${ for a plain ${" in said
    assert confd.ctl("get", "refs-a", "url", "-e", "dev") == "pg://h\n"
    assert confd.ctl("get", "refs-a", "url", "-e", "dev", "--own") == "pg://${refs-b:host}\n"
    assert "  refers to refs-b:host, dev/refs-b = h\n" in confd.ctl("explain", "refs-a", "url", "-e", "dev")
    assert "  read by   refs-a:url\n" in confd.ctl("explain", "refs-b", "host", "-e", "dev")


def test_what_came_past_the_checks_leaves_a_running_container_as_it_is(confd: Confd, engine: EngineProcess) -> None:
    confd.ctl("set", "refs-past", "A=1", "B=2", "-e", "dev")
    engine.run("refs-past", SERVE, labels={"confd.app": "refs-past"})
    until(lambda: engine.has("refs-past", "A", "1"), 30)
    until(lambda: [one["state"] for one in confd.status("refs-past")] == ["in-sync"], 20)
    before = engine.inspect("refs-past")["Id"]
    confd.put("/confd/envs/dev/settings/refs-past/A", json.dumps("${A_OLD_RELEASE}"))
    until(lambda: confd.status("refs-past")[0]["state"] == "blocked", 20)
    assert "A refers to A_OLD_RELEASE, which is not set" in confd.status("refs-past")[0]["detail"]
    assert engine.inspect("refs-past")["Id"] == before
    confd.ctl("set", "refs-past", "A_OLD_RELEASE=3", "-e", "dev", "--wait", "30s")
    assert engine.has("refs-past", "A", "3")
