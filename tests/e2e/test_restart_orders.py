"""Agent, engine and etcd are killed and started in every order: nothing is done twice, and what was missed once.

The engine's own event log is counted. A change of each kind is on its way when all three are killed.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

ORDERS = list(itertools.permutations(("agent", "engine", "etcd")))
BINDING = {
    "variables": {"exclude": ["**"]},
    "files": [{"path": "/etc/app/app.json", "format": "json"}],
    "on_change": [{"keys": "**", "action": "signal", "signal": "HUP"}],
}
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done']
RELOAD = ["sh", "-c", 'trap "echo hup" HUP; trap "exit 0" TERM; while :; do sleep 0.1; done']
ALWAYS = {"RestartPolicy": {"Name": "always"}}
APPS = ("web", "mem", "sig")
ONCE = {"create": Counter({"web.confd-next": 1}), "update": Counter({"mem": 1, "web": 1}), "signals": 1}
"""The old container of a recreate loses its restart policy first; a signal goes past the engine, see case B81."""


class Stand:
    """API, agent, engine and etcd, with a container for each kind of action."""

    def __init__(self, folder: Path, engine: EngineProcess, etcd: EtcdProcess) -> None:
        self.engine, self.etcd = engine, etcd
        self.apart = Apart(folder, engine.docker_host, etcd.endpoint)
        self.writes = Writes(engine)
        self.signals = 0

    def begin(self, folder: Path) -> None:
        self.apart.start()
        (folder / "etc").mkdir()
        (folder / "binding.json").write_text(json.dumps(BINDING))
        self.apart.ctl("binding", "set", "sig", str(folder / "binding.json"), "-e", "dev")
        for app, program in (("web", SERVE), ("mem", SERVE), ("sig", RELOAD)):
            host = ALWAYS | ({"Binds": [f"{folder}/etc:/etc/app"]} if app == "sig" else {})
            self.engine.run(app, program, labels={"confd.app": app}, host=host)
        self.change(1, "--wait", "60s")

    def change(self, number: int, *words: str) -> None:
        for app in APPS:
            setting = f"run/memory={63 + number}m" if app == "mem" else f"A={number}"
            self.apart.ctl("set", app, setting, "-e", "dev", *words)

    def states(self) -> set[str]:
        return {one["state"] for app in APPS for one in self.apart.status(app)}

    def down(self, one: str) -> None:
        if one == "engine":
            self.signals = self.engine.client.logs("sig").count(b"hup")
        {"agent": self.apart.kill_agent, "engine": self.engine.halt, "etcd": self.etcd.kill}[one]()

    def up(self, one: str) -> None:
        if one == "engine":
            self.writes.again()
        {"agent": self.apart.begin_agent, "engine": self.engine.start, "etcd": self.etcd.start}[one]()

    def settled(self) -> bool:
        """Whether the agent that runs now has told that all is in sync."""
        done = self.apart._run("hosts", "-o", "json")
        alive = done.returncode == 0 and any(host["alive"] for host in json.loads(done.stdout)["hosts"])
        return alive and self.states() == {"in-sync"} and self.engine.names(running=True) == sorted(APPS)

    def done(self) -> dict[str, object]:
        """What was done since the engine was started, of what only an agent does."""
        signals = self.engine.client.logs("sig").count(b"hup") - self.signals
        return {"create": self.writes.count("create"), "update": self.writes.count("update"), "signals": signals}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_what_was_missed_is_done_once_and_what_was_applied_never_again(
    order: Sequence[str], engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path
) -> None:
    stand = Stand(tmp_path, engine, etcd)
    try:
        stand.begin(tmp_path)
        freeze = stand.apart.freeze_file()
        freeze.touch()
        stand.change(2)
        until(lambda: stand.states() == {"held"}, 30)
        for one in order:
            stand.down(one)
        freeze.unlink()
        for one in order:
            stand.up(one)
        until(lambda: engine.has("web", "A", "2"), 60)
        until(stand.settled, 60)
        assert stand.done() == ONCE

        for one in order:
            stand.down(one)
        for one in reversed(order):
            stand.up(one)
        until(stand.settled, 60)
        for app in APPS:  # a pass of the new agent over each, which a write of the same value brings
            key = "run/memory" if app == "mem" else "A"
            key = f"/confd/envs/dev/settings/{app}/{key}"
            etcd.ctl("put", key, etcd.ctl("get", key, "--print-value-only").strip())
            (written,) = json.loads(etcd.ctl("get", key, "-w", "json"))["kvs"]
            stand.apart.await_told(app, int(written["mod_revision"]))
        assert stand.done() == {"create": Counter(), "update": Counter(), "signals": 0}
        assert json.loads((tmp_path / "etc" / "app.json").read_text()) == {"A": "2"}
        assert engine.inspect("mem")["HostConfig"]["Memory"] == 65 * 2**20
    finally:
        stand.apart.stop()
