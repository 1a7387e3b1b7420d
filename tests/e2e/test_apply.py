"""Manifests reach running containers, are taken back key by key, and leave alone what others have set."""

from __future__ import annotations

from pathlib import Path

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
MANIFESTS = """\
kind: policy
env: dev
name: {app}
policy: {{schema: {{properties: {{privileged: {{const: false}}}}}}}}
---
kind: binding
app: {app}
env: dev
variables: {{rename: {{log/level: VERBOSITY}}}}
---
kind: settings
app: {app}
env: dev
settings:
  log/level: {level}
  RATE: 1.10
  KEPT: here
  MORE: here
"""


def test_a_container_follows_a_manifest(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    file, app = tmp_path / "app.yaml", "applied"
    file.write_text(MANIFESTS.format(app=app, level="debug"))
    engine.run(app, SERVE, labels={"confd.app": app})
    until(lambda: confd.status(app), 20)
    shown = confd.ctl("apply", "-f", str(file), "--dry-run")
    assert "+ log/level = debug" in shown
    assert "VERBOSITY" not in engine.variables(app)
    confd.ctl("apply", "-f", str(file), "--wait", "60s")
    found = engine.variables(app)
    assert (found["VERBOSITY"], found["RATE"]) == ("debug", "1.10")

    confd.ctl("set", app, "BY_HAND=1", "-e", "dev")
    file.write_text(MANIFESTS.format(app=app, level="info").replace("  RATE: 1.10\n", ""))
    words = confd.words("apply", "-f", str(file), "--wait", "60s", expect=0)
    assert "set by others, and left as it is: BY_HAND" in words
    found = engine.variables(app)
    assert (found["VERBOSITY"], found.get("RATE"), found["BY_HAND"]) == ("info", None, "1")

    before = engine.inspect(app)["Id"]
    assert confd.words("apply", "-f", str(file), expect=0).count("nothing to change") == 3
    assert engine.inspect(app)["Id"] == before
    confd.ctl("policy", "unset", app, "-e", "dev")


def test_a_set_that_is_wrong_in_one_document_changes_nothing(confd: Confd, tmp_path: Path) -> None:
    file, app = tmp_path / "app.yaml", "applied-wrong"
    file.write_text(MANIFESTS.format(app=app, level="debug") + "  run/memory: much\n")
    words = confd.words("apply", "-f", str(file), expect=65)
    assert f"{file}, document 3, line 19: (settings dev/{app}): " in words
    assert app not in {one["app"] for one in confd.json("list")["apps"]}
