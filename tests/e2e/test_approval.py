"""An env that asks for approval, as two people use it: a container follows once the other one has agreed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
BEN = ("--token", "the-token-of-ben-alone")


@pytest.fixture(scope="module")
def pair_up(engine_process: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confd]:
    """A server with a second token, and an env that asks for approval."""
    folder = tmp_path_factory.mktemp("pair")
    server = Confd(folder, engine_process.docker_host, "--env", "prod")
    names = server.token_file.with_name("token.d")
    names.mkdir(parents=True)
    names.parent.chmod(0o700)
    (names / "ben").write_text(BEN[1] + "\n")
    (names / "ben").chmod(0o600)
    server.start()
    server.ctl("env", "set", "prod", "--approval", "required", "-m", "after the outage")
    yield server
    server.stop()


@pytest.fixture
def pair(pair_up: Confd, engine: EngineProcess) -> Confd:
    return pair_up


def proposed(words: str) -> str:
    found = re.search(r"proposed as ([0-9a-f]{8}): needs approval by somebody else", words)
    assert found, words
    return found[1]


def propose(pair: Confd, *words: str) -> str:
    """A write of the first one, which becomes a proposal."""
    return proposed(pair.words(*words, expect=0))


def waiting(pair: Confd, app: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pair.json("proposals", app, "-e", "prod")["proposals"]
    return [one for one in found if one["layer"] == f"prod/{app}"]


def test_a_container_follows_once_somebody_else_has_approved(pair: Confd, engine: EngineProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"}, Env=["A=0"])
    until(lambda: len(pair.status("web", "prod")) == 1, 20)
    before = engine.inspect("web")["Id"]
    one = propose(pair, "set", "web", "A=1", "run/memory=64m", "-e", "prod", "-m", "more load", "--wait")
    assert "recreate" in pair.ctl("proposals", "web", one, "-e", "prod")
    assert "somebody else has to approve it" in pair.words("approve", "web", one, "-e", "prod", expect=77)
    assert (engine.inspect("web")["Id"], engine.has("web", "A", "0")) == (before, True)
    assert pair.json("get", "web", "-e", "prod")["settings"] == {}
    words = pair.words("approve", "web", one, "-e", "prod", "--wait", "40s", *BEN, expect=0)
    assert "in effect in 1 of 1 containers" in words
    assert (engine.has("web", "A", "1"), engine.inspect("web")["HostConfig"]["Memory"]) == (True, 64 * 2**20)
    assert waiting(pair, "web") == []
    assert f"approved by ben (proposal {one})" in pair.ctl("show", "web", "1", "-e", "prod")
    assert "approved by ben" in pair.ctl("proposals", "web", "--all", "-e", "prod")


def test_what_was_overtaken_is_refused_and_rebased(pair: Confd) -> None:
    first = propose(pair, "set", "over", "A=1", "B=1", "-e", "prod")
    pair.ctl("approve", "over", first, "-e", "prod", *BEN)
    slow = propose(pair, "set", "over", "A=2", "-e", "prod")
    fast = propose(pair, "set", "over", "A=3", "B=3", "-e", "prod", *BEN)
    pair.ctl("approve", "over", fast, "-e", "prod")
    assert "A in layer prod/over" in pair.words("approve", "over", slow, "-e", "prod", *BEN, expect=75)
    assert "outdated: A" in pair.ctl("proposals", "over", "-e", "prod")
    assert pair.ctl("rebase", "over", slow, "-e", "prod") == "~ A = 3 -> 2\n"
    pair.ctl("approve", "over", slow, "-e", "prod", *BEN)
    assert pair.ctl("get", "over", "A", "-e", "prod") == "2\n"
    back = propose(pair, "rollback", "over", "-e", "prod")
    pair.words("reject", "over", back, "-e", "prod", "-m", "it works", expect=0)
    assert (waiting(pair, "over"), pair.ctl("get", "over", "A", "-e", "prod")) == ([], "2\n")


def test_nobody_frees_the_env_alone(pair: Confd) -> None:
    one = propose(pair, "env", "set", "prod", "--approval", "none")
    assert "of 1 other" in pair.ctl("env", "get", "prod")
    pair.words("reject", "_default", one, "-e", "prod", expect=0)
    shared = propose(pair, "set", "alone", "A=1", "-e", "_default")
    assert json.loads(pair.ctl("proposals", "alone", "-e", "prod", "-o", "json"))["proposals"][0]["id"] == shared
    policy = propose(pair, "policy", "set", "base", "--preset", "secure", "-e", "prod")
    pair.words("reject", "_default", policy, "-e", "prod", expect=0)
    pair.words("reject", "alone", shared, "-e", "prod", expect=0)


def test_what_was_tried_in_qa_is_promoted_with_one_look(pair: Confd, engine: EngineProcess) -> None:
    engine.run("shop", SERVE, labels={"confd.app": "shop"})
    until(lambda: len(pair.status("shop", "prod")) == 1, 20)
    pair.ctl("set", "shop", "A=1", "db/url=qa", "-e", "qa")
    pair.ctl("set", "cart", "A=1", "-e", "qa")
    binding = propose(pair, "binding", "set", "shop", str(_binding(pair)), "-e", "prod")
    pair.ctl("approve", "shop", binding, "-e", "prod", *BEN)
    shown = pair.ctl("promote", "--all", "--from", "qa", "--to", "prod", "--dry-run")
    assert ("shop:\n+ A = 1\n" in shown, "cart:\n+ A = 1\n" in shown) == (True, True)
    assert "this reaches 2 apps" in pair.words("promote", "--all", "--from", "qa", "--to", "prod", expect=77)
    words = pair.words("promote", "--all", "--from", "qa", "--to", "prod", "--yes", expect=0)
    assert "shop: left as it is, kept by the binding's promote: db/url" in words
    ((shop,), (cart,)) = (waiting(pair, app) for app in ("shop", "cart"))
    pair.words("approve", "shop", shop["id"], "-e", "prod", "--wait", "40s", *BEN, expect=0)
    assert engine.has("shop", "A", "1")
    pair.words("reject", "cart", cart["id"], "-e", "prod", expect=0)
    pair.ctl("promote", "shop", "--from", "qa", "--to", "dev")
    assert "promoted from qa/shop (change 1)" in pair.ctl("show", "shop", "1", "-e", "dev")


def _binding(pair: Confd) -> Any:
    path = pair.token_file.with_name("shop.json")
    path.write_text('{"promote": {"exclude": ["db/**"]}}')
    return path
