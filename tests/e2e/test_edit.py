"""What is saved in an editor reaches a running container."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def _edits(confd: Confd, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setitem(confd.environ, "EDITOR", f"sed -i {script}")
    monkeypatch.setitem(confd.environ, "VISUAL", "")


def test_a_container_has_what_was_saved(
    confd: Confd, engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "edited"
    engine.run(app, SERVE, labels={"confd.app": app})
    until(lambda: confd.status(app), 20)
    confd.ctl("set", app, "LOG_LEVEL=info", "OTHER=1", "KEPT=1", "-e", "dev", "--wait", "60s")
    _edits(confd, monkeypatch, "-e s/info/debug/ -e /^OTHER/d")
    shown = confd.ctl("edit", app, "-e", "dev", "--yes", "--wait", "60s")
    assert shown == "~ LOG_LEVEL = info -> debug\n- OTHER = 1\n"
    found = engine.variables(app)
    assert (found["LOG_LEVEL"], found.get("OTHER"), found["KEPT"]) == ("debug", None, "1")


def test_what_the_server_refuses_is_kept_in_a_file(confd: Confd, monkeypatch: pytest.MonkeyPatch) -> None:
    app = "edited-wrong"
    confd.ctl("set", app, "LOG_LEVEL=info", "-e", "dev")
    _edits(confd, monkeypatch, "-e '$arun/memory: much'")
    words = confd.words("edit", app, "-e", "dev", "--yes", expect=65)
    kept = Path(words.split("your text is kept in ")[1].split()[0])
    assert "run/memory: much\n" in kept.read_text()
    assert confd.ctl("get", app, "LOG_LEVEL", "-e", "dev") == "info\n"
