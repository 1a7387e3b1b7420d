"""A store that is away, emptied, restored, full or refuses the agent: the engine's own event log shows no write.

In each test something is due that a trusting agent would do at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confd.stores.etcd import EtcdStore
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess, empty, fill
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
SETTINGS = "/confd/envs/dev/settings/web"
HELD = re.compile("in doubt when this agent ended|Nothing is done any more|nothing is done until")
FOUR = ("A=1", "B=1", "C=1", "run/memory=64m")


@pytest.fixture
def begin(engine: EngineProcess, tmp_path: Path) -> Iterator[Callable[..., Apart]]:
    """Start API and agent on an etcd, with a container that has four settings in effect."""
    started: list[Apart] = []

    def start(etcd: EtcdProcess, *arguments: str) -> Apart:
        started.append(Apart(tmp_path, engine.docker_host, etcd.endpoint, *arguments))
        started[0].start()
        engine.run("web", SERVE, labels={"confd.app": "web"})
        started[0].ctl("set", "web", *FOUR, "-e", "dev", "--wait", "30s")
        return started[0]

    yield start
    for programs in started:
        programs.stop()


@pytest.fixture
def apart(begin: Callable[..., Apart], etcd: EtcdProcess) -> Apart:
    return begin(etcd)


def _doubts(apart: Apart) -> str:
    """Why the agent waits, as `hosts` tells it; empty: it does not."""
    hosts = apart.told("hosts")["hosts"]
    return "; ".join(str(one["why"]) for host in hosts for one in host.get("doubts") or ())


def _again(apart: Apart) -> None:
    """Kill the agent in its doubt and start another; it comes to the same."""
    apart.kill_agent()
    said = len(apart.log)
    apart.begin_agent()
    until(lambda: bool(HELD.search(apart.log, said)), 40)
    until(lambda: bool(_doubts(apart)), 30)


def _quiet(writes: Writes) -> None:
    assert writes.all() == []


@pytest.mark.parametrize(
    ("what", "why"),
    [("/confd/", "suddenly empty|another store"), ("/confd/meta", "suddenly empty|another store")],
)
def test_an_emptied_store_changes_nothing_until_resumed(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess, what: str, why: str
) -> None:
    writes = Writes(engine)
    etcd.ctl("del", "--prefix", what)
    until(lambda: bool(re.search(why, _doubts(apart))), 30)
    _again(apart)
    _quiet(writes)

    apart.ctl("set", "web", "A=2", "-e", "dev")  # the API takes writes, and the agent still holds
    shown = apart.json("resume", "--dry-run")
    assert [one["name"] for one in shown["containers"]] == ["web"]
    refused = apart.words("resume", expect=77)
    assert "--yes" in refused
    until(lambda: [one["state"] for one in apart.status("web")] == ["held"], 30)
    _quiet(writes)

    apart.ctl("resume", "--yes", "-m", "looked at it")
    until(lambda: engine.has("web", "A", "2"), 40)
    until(lambda: _doubts(apart) == "", 30)
    assert engine.has("web", "B", "1") == (what != "/confd/"), "what was lost is gone, as the plan had shown"


@pytest.mark.parametrize("restore", [False, True])
def test_keys_that_went_without_a_change_are_held_until_resumed(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess, restore: bool
) -> None:
    writes = Writes(engine)
    etcd.ctl("del", f"{SETTINGS}/A", f"{SETTINGS}/C")  # from A on, up to C
    until(lambda: "2 of 4 of its settings are suddenly gone" in _doubts(apart), 30)
    apart.ctl("set", "web", "C=2", "-e", "dev")  # a change of another key is no word for those
    _again(apart)
    _quiet(writes)
    said = apart.ctl("resume", "--dry-run", *(["--restore"] if restore else []))
    assert "gone from layer dev/web without a change: A, B" in said
    _quiet(writes)
    apart.ctl("resume", "--yes", *(["--restore"] if restore else []))
    until(lambda: engine.has("web", "C", "2"), 30)
    assert engine.has("web", "A", "1") == restore
    until(lambda: _doubts(apart) == "", 30)
    newest = apart.json("history", "web", "-e", "dev")["changes"][0]
    assert newest["author"] == ("out-of-band" if not restore else "root")


def test_a_forced_change_that_takes_much_away_is_done_at_once(apart: Apart, engine: EngineProcess) -> None:
    assert "--force" in apart.words("unset", "web", "A", "B", "C", "-e", "dev", expect=77)
    writes = Writes(engine)
    apart.ctl("unset", "web", "A", "B", "C", "-e", "dev", "--force", "--wait", "30s")
    assert "A" not in engine.variables("web")
    assert sum(writes.count("create").values()) == 1


def test_the_folder_of_an_env_that_is_deleted_is_held(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    writes = Writes(engine)
    etcd.ctl("del", "--prefix", "/confd/envs/dev/")
    until(lambda: "4 of 4 of its settings" in _doubts(apart), 30)
    assert "no record tells" in apart.words("resume", "--restore", "--dry-run", expect=66)
    _again(apart)
    _quiet(writes)


def test_the_hosts_folder_that_is_deleted_costs_nothing(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    """What was done is known on the host itself, and written again."""
    writes = Writes(engine)
    etcd.ctl("del", "--prefix", "/confd/hosts/")
    until(lambda: any(host["alive"] for host in apart.told("hosts")["hosts"]), 40)
    until(lambda: [one["state"] for one in apart.status("web")] == ["in-sync"], 30)
    _quiet(writes)
    apart.ctl("set", "web", "A=2", "-e", "dev", "--wait", "30s")
    assert sum(writes.count("create").values()) == 1


def test_a_store_put_back_from_an_older_backup_changes_nothing_until_resumed(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    yesterday = etcd.save()
    apart.ctl("set", "web", "A=2", "D=1", "-e", "dev", "--wait", "30s")
    writes = Writes(engine)
    etcd.restore(yesterday)
    until(lambda: "restored backup" in _doubts(apart), 40)
    _again(apart)
    _quiet(writes)
    until(lambda: [one["state"] for one in apart.status("web")] == ["held"], 30)
    shown = apart.json("resume", "--dry-run")
    (step,) = shown["containers"][0]["steps"]
    assert (step["action"], {one["key"] for one in step["reasons"]} >= {"A", "D"}) == ("recreate", True)
    _quiet(writes)
    apart.ctl("resume", "--yes")
    until(lambda: engine.has("web", "A", "1"), 40)
    assert "D" not in engine.variables("web")
    until(lambda: _doubts(apart) == "", 30)
    apart.ctl("unset", "web", "A", "B", "C", "-e", "dev", "--force", "--wait", "30s")  # revisions went back


def test_a_frozen_store_changes_nothing_and_what_was_missed_is_done_once(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    writes = Writes(engine)
    freeze = apart.freeze_file()
    freeze.touch()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: [one["state"] for one in apart.status("web")] == ["held"], 30)
    etcd.freeze()
    freeze.unlink()  # the agent would go on now, by what it knows
    said = apart.log.count("out of reach")
    until(lambda: apart.log.count("out of reach") > said, 40)
    apart.kill_agent()
    apart.begin_agent()
    until(lambda: apart.log.count("out of reach") > said + 1, 40)
    _quiet(writes)
    etcd.thaw()
    until(lambda: engine.has("web", "A", "2"), 60)
    until(lambda: [one["state"] for one in apart.status("web")] == ["in-sync"], 30)
    assert sum(writes.count("create").values()) == 1


def test_a_full_store_changes_nothing(
    start_etcd: Callable[..., EtcdProcess], begin: Callable[..., Apart], engine: EngineProcess
) -> None:
    """An action is begun only after it was written down."""
    etcd = start_etcd("--quota-backend-bytes", str(4 << 20))
    apart = begin(etcd)
    freeze = apart.freeze_file()
    freeze.touch()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: [one["state"] for one in apart.status("web")] == ["held"], 30)
    store = EtcdStore(etcd.config)
    filled = fill(store)
    writes = Writes(engine)
    freeze.unlink()
    until(lambda: "is full" in apart.log, 40)
    apart.kill_agent()
    said = apart.log.count("is full")
    apart.begin_agent()
    until(lambda: apart.log.count("is full") > said, 40)
    _quiet(writes)
    empty(etcd, store, filled)
    until(lambda: engine.has("web", "A", "2"), 60)
    assert sum(writes.count("create").values()) == 1
    store.close()


def test_an_agent_whose_user_is_refused_changes_nothing(
    start_etcd: Callable[..., EtcdProcess], begin: Callable[..., Apart], engine: EngineProcess, tmp_path: Path
) -> None:
    """Tokens end after a second; then the password is another, and then it is the old one again."""
    etcd = start_etcd("--auth-token-ttl", "1")
    root = ("--user", "root:planted")
    for words in ("user add root:planted", "user grant-role root root", "user add app:planted",
                  "user grant-role app root", "auth enable"):  # fmt: skip
        etcd.ctl(*words.split())
    (tmp_path / "password").write_text("planted\n")
    user = ("--etcd-user", "app", "--etcd-password-file", str(tmp_path / "password"))
    apart = begin(etcd, *user)
    freeze = apart.freeze_file()
    freeze.touch()
    apart.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: [one["state"] for one in apart.status("web")] == ["held"], 30)
    writes, said = Writes(engine), apart.log.count("authentication")
    etcd.ctl("user", "delete", "app", *root)
    until(lambda: apart.log.count("authentication") > said, 40)
    freeze.unlink()
    apart.kill_agent()
    apart.begin_agent()
    until(lambda: not apart.agent_id() or apart.log.count("authentication") > said + 1, 40)
    _quiet(writes)
    etcd.ctl("user", "add", "app:planted", *root)
    etcd.ctl("user", "grant-role", "app", "root", *root)
    if not apart.agent_id():
        apart.begin_agent()
    until(lambda: engine.has("web", "A", "2"), 60)
    assert sum(writes.count("create").values()) == 1


def test_a_damaged_meta_changes_nothing(apart: Apart, etcd: EtcdProcess, engine: EngineProcess) -> None:
    writes = Writes(engine)
    meta = etcd.ctl("get", "/confd/meta", "--print-value-only").strip()
    document = json.loads(meta)
    etcd.ctl("put", "/confd/meta", "{")
    etcd.ctl("put", f"{SETTINGS}/A", '"2"')
    until(lambda: "Nothing is changed" in apart.log, 30)
    etcd.ctl("put", "/confd/meta", json.dumps(document | {"format": 99}))
    until(lambda: "99" in apart.log, 30)
    _quiet(writes)
    etcd.ctl("put", "/confd/meta", meta)
    until(lambda: engine.has("web", "A", "2"), 30)
    assert sum(writes.count("create").values()) == 1
