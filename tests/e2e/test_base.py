"""The container's own spec and image: remembered once, brought back by `unset`, and never followed elsewhere."""

from __future__ import annotations

from tests.support.engine import IMAGE, EngineProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
MIB = 2**20


def _own(engine: EngineProcess) -> tuple[int, str, dict[str, str]]:
    found = engine.inspect("web")
    host, given = found["HostConfig"], engine.variables("web")
    given.pop("PATH", None)
    return host["Memory"], host["RestartPolicy"]["Name"], given


def test_unset_brings_back_what_it_was_started_with_also_after_restarts(
    apart: Apart, engine: EngineProcess
) -> None:
    policy = {"Name": "on-failure", "MaximumRetryCount": 3}
    host = {"Memory": 64 * MIB, "MemorySwap": 128 * MIB, "RestartPolicy": policy}
    engine.run("web", SERVE, labels={"confd.app": "web"}, Env=["LEVEL=info", "KEPT=1"], host=host)
    before = _own(engine)
    apart.ctl(
        "set", "web", "LEVEL=debug", "NEW=1", "run/memory=96m", "run/restart=always", "-e", "dev", "--wait", "60s"
    )
    told = {"CONFD_LIMIT_MEMORY_BYTES": str(96 * MIB)}
    assert _own(engine) == (96 * MIB, "always", {"LEVEL": "debug", "KEPT": "1", "NEW": "1", **told})
    apart.kill_agent()
    engine.halt()
    engine.start()
    apart.begin_agent()
    apart.ctl("set", "web", "LEVEL=warn", "-e", "dev", "--wait", "60s")
    apart.kill_agent()
    apart.begin_agent()
    keys = ("LEVEL", "NEW", "run/memory", "run/restart")
    apart.ctl("unset", "web", *keys, "-e", "dev", "--force", "--wait", "60s")
    assert _own(engine) == before
    assert engine.inspect("web")["HostConfig"]["RestartPolicy"] == policy


def test_a_tag_that_moved_is_told_and_not_followed(apart: Apart, engine: EngineProcess) -> None:
    engine.make_image("moving")
    engine.run("web", SERVE, labels={"confd.app": "web"}, Image="confd-test:moving")
    first = engine.inspect("web")["Image"]
    engine.make_image("moving", "LABEL made=later")
    (means,) = engine.client.images("confd-test:moving", quiet=True)
    assert means != first
    writes = Writes(engine)
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    now = engine.inspect("web")
    assert (now["Image"], sum(writes.count("create").values())) == (first, 1)
    said = apart.ctl("status", "web", "-e", "dev")
    assert "its image confd-test:moving" in said, said
    apart.ctl("set", "web", "A=2", "-e", "dev", "--wait", "60s")
    assert engine.inspect("web")["Image"] == first


def test_an_image_whose_name_is_gone_is_recreated_from_its_id(apart: Apart, engine: EngineProcess) -> None:
    engine.make_image("gone", "ENV OWN=1")
    engine.run("web", SERVE, labels={"confd.app": "web"}, Image="confd-test:gone")
    first = engine.inspect("web")["Image"]
    engine.client.tag(first, "confd-test", "other")
    engine.client.remove_image("confd-test:gone", noprune=True)
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    now = engine.inspect("web")
    assert (now["Image"], engine.variables("web")["OWN"]) == (first, "1")


def test_an_image_that_kept_its_name_keeps_it_in_config(apart: Apart, engine: EngineProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"})
    first = engine.inspect("web")
    apart.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    now = engine.inspect("web")
    assert (now["Image"], now["Config"]["Image"]) == (first["Image"], IMAGE)
    until(lambda: apart.status("web")[0]["state"] == "in-sync", 20)
