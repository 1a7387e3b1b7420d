"""A store of the format before: it is served, what it lacks is told, and raising it touches no container."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from confd.ports import Put
from confd.services.meta import FORMAT, fresh_meta
from confd.stores.etcd import EtcdStore
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess
from tests.support.programs import Apart
from tests.support.wait import until
from tests.support.writes import Writes

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


@pytest.fixture
def old(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """API and agent on a store of the format before."""
    store = EtcdStore(etcd.config)
    store.commit([Put("/confd/meta", fresh_meta(FORMAT - 1))])
    store.close()
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    programs.start()
    yield programs
    programs.stop()


def test_the_format_before_is_served_and_raised(old: Apart, engine: EngineProcess) -> None:
    engine.run("web", SERVE, labels={"confd.app": "web"})
    old.ctl("set", "web", "A=1", "run/memory=64m", "-e", "dev", "--wait", "30s")
    assert "confctl upgrade" in old.words("freeze", "web", "-e", "dev", "-m", "x", expect=77)
    writes = Writes(engine)
    assert "--yes" in old.words("upgrade", expect=77)
    assert f"it can go to {FORMAT}" in old.words("upgrade", "--dry-run", expect=0)
    assert f"from format {FORMAT - 1} to {FORMAT}" in old.words("upgrade", "--yes", expect=0)
    assert "nothing to do" in old.words("upgrade", "--yes", expect=0)
    old.ctl("freeze", "web", "-e", "dev", "-m", "the audit")
    old.kill_agent()
    old.begin_agent()
    until(lambda: old.ctl("freeze", "--list").count("the audit") == 1, 20)
    assert writes.all() == []
    old.ctl("unfreeze", "web", "-e", "dev")
    old.ctl("set", "web", "A=2", "-e", "dev", "--wait", "30s")
    assert sum(writes.count("create").values()) == 1


def test_an_agent_of_another_release_keeps_the_format_where_it_is(old: Apart, etcd: EtcdProcess) -> None:
    etcd.ctl("put", "/confd/hosts/h9/about", '{"env": "dev", "agent_version": "0.0.1", "formats": [1]}')
    until(lambda: old.host_names() >= {"h1", "h9"}, 20)
    assert "h9 (release 0.0.1)" in old.words("upgrade", "--yes", expect=77)
    assert "h9" in old.ctl("upgrade", "--dry-run")
    old.ctl("hosts", "forget", "h9", "--yes")
    old.ctl("upgrade", "--yes")
