"""Schemas on running containers: defaults that reach them, writes that are refused, and edits past the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
PORT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 65535}


def schema_file(folder: Path, **properties: Any) -> str:
    path = folder / "app.schema.json"
    path.write_text(json.dumps({"type": "object", "properties": properties, "additionalProperties": False}))
    return str(path)


def container(confd: Confd, app: str) -> dict[str, Any]:
    (found,) = confd.status(app)
    return found


def runs(engine: EngineProcess, confd: Confd, app: str) -> None:
    engine.run(app, SERVE, labels={"confd.app": app})
    until(lambda: bool(confd.status(app)), 30)


def test_a_default_reaches_a_container_and_explain_names_the_schema(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    runs(engine, confd, "shop")
    confd.ctl("schema", "set", "shop", schema_file(tmp_path, **{"db/port": {**PORT, "default": 5432}}))
    until(lambda: engine.has("shop", "DB_PORT", "5432"), 30)
    listed = confd.json("get", "shop", "-e", "dev", "-o", "json")["settings"]
    assert (listed["db/port"]["layer"], listed["db/port"]["value"]) == ("schema", 5432)
    assert "from      schema: its default" in confd.ctl("explain", "shop", "db/port", "-e", "dev")
    confd.ctl("set", "shop", "db/port=5433", "-e", "dev", "--wait")
    assert engine.has("shop", "DB_PORT", "5433")
    assert confd.json("get", "shop", "-e", "dev", "-o", "json")["settings"]["db/port"]["value"] == 5433
    assert "hides     schema = 5432" in confd.ctl("explain", "shop", "db/port", "-e", "dev")
    changed = schema_file(tmp_path, **{"db/port": {**PORT, "default": 5434}})
    confd.ctl("schema", "set", "shop", changed)
    confd.ctl("unset", "shop", "db/port", "-e", "dev", "--wait")
    assert engine.has("shop", "DB_PORT", "5434")
    assert confd.words("schema", "delete", "shop", expect=0).endswith("the schema of shop has version 3 now\n")
    until(lambda: "DB_PORT" not in engine.variables("shop"), 30)


def test_a_shared_change_that_breaks_prod_is_refused_and_says_where(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("schema", "set", "desk", schema_file(tmp_path, workers=PORT, HOST={"format": "ipv4"}))
    confd.ctl("set", "desk", "HOST=192.0.2.1", "-e", "prod")
    said = confd.words("set", "desk", "workers=many", "-e", "_default", expect=65)
    assert "desk in prod: workers: expected an integer, at least 1, at most 65535 (at /workers, schema 1)" in said
    said = confd.words("set", "_default", "HOST=nowhere", "-e", "_default", "--yes", expect=0)
    assert "stored" in said, "desk's own layer in prod hides it"
    confd.ctl("unset", "_default", "HOST", "-e", "_default", "--yes")
    confd.ctl("set", "desk", "workers=8", "-e", "dev")
    said = confd.words("set", "_default", "HOST=nowhere", "-e", "_default", "--yes", expect=65)
    assert "desk in dev: HOST: expected an IPv4 address like 192.0.2.1 (at /HOST, schema 1)" in said
    shown = confd.ctl("show", "desk", "1", "-e", "prod")
    assert "schema: desk 1" in shown


def test_a_schema_that_an_env_is_against_is_shown_refused_and_forced(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    runs(engine, confd, "mail")
    confd.ctl("set", "mail", "SIZE=big", "-e", "dev", "--wait")
    narrow = schema_file(tmp_path, SIZE=PORT)
    checked = confd.ctl("schema", "check", "mail", narrow, "-e", "dev", expect=65)
    assert checked.splitlines()[1].split()[:3] == ["dev", "SIZE", "/SIZE"]
    told = confd.words("schema", "set", "mail", narrow, "--dry-run", expect=65)
    assert "fails in dev: SIZE (at /SIZE): expected an integer" in told
    confd.words("schema", "set", "mail", narrow, expect=65)
    confd.words("schema", "set", "mail", narrow, "--force", expect=0)
    confd.ctl("set", "mail", "run/memory=64m", "-e", "dev")
    until(lambda: container(confd, "mail")["state"] == "blocked", 30)
    assert "SIZE: expected an integer" in container(confd, "mail")["detail"]
    assert engine.variables("mail")["SIZE"] == "big"
    confd.ctl("set", "mail", "SIZE=7", "-e", "dev", "--wait")
    assert engine.has("mail", "SIZE", "7")


def test_an_edit_past_the_api_keeps_a_running_container_and_a_first_start_leaves_the_key_out(
    confd: Confd, engine: EngineProcess, tmp_path: Path
) -> None:
    confd.ctl("schema", "set", "feed", schema_file(tmp_path, COUNT=PORT, NAME={"type": "string"}))
    runs(engine, confd, "feed")
    confd.ctl("set", "feed", "COUNT=3", "NAME=a", "-e", "dev", "--wait")
    confd.put("/confd/envs/dev/settings/feed/COUNT", '"three"')
    confd.put("/confd/envs/dev/settings/feed/NAME", '"b"')
    until(lambda: container(confd, "feed")["state"] == "blocked", 30)
    assert "COUNT: expected an integer" in container(confd, "feed")["detail"]
    assert engine.variables("feed") | {"COUNT": "3", "NAME": "a"} == engine.variables("feed")
    engine.run("feed-2", SERVE, labels={"confd.app": "feed"})
    until(lambda: engine.has("feed-2", "NAME", "b"), 30)
    assert "COUNT" not in engine.variables("feed-2")
    told: list[str] = []

    def left_out() -> bool:
        told[:] = [one["detail"] for one in confd.status("feed") if one["name"] == "feed-2"]
        return bool(told) and "COUNT: expected an integer" in told[0]

    until(left_out, 30)


def test_what_a_change_costs_is_said_by_the_schema(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    confd.ctl("schema", "set", "quiet", schema_file(tmp_path, LEVEL={"type": "string", "x-on-change": "none"}))
    runs(engine, confd, "quiet")
    confd.ctl("set", "quiet", "LEVEL=info", "-e", "dev")
    before = engine.inspect("quiet")["Id"]
    shown = confd.ctl("explain", "quiet", "LEVEL", "-e", "dev")
    assert "schema    x-on-change: none" in shown
    assert "a change  quiet on" in shown
    assert ": none (none)" in shown
    until(lambda: container(confd, "quiet")["state"] == "in-sync", 30)
    assert engine.inspect("quiet")["Id"] == before
