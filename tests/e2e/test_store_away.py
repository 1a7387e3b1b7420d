"""API and agent as programs of their own, and an etcd that is away, compacted or full."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confd.ports import Delete, Put
from confd.stores.etcd import EtcdStore
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess, empty, fill
from tests.support.programs import Apart
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
LOOK_S = 6.0


@pytest.fixture
def apart(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """Not started yet."""
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    yield programs
    programs.stop()


def _ask(apart: Apart, path: str) -> int:
    """The status that the API answers; 0 while nobody listens."""
    connection = http.client.HTTPConnection("127.0.0.1", apart.port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_without_etcd_both_start_wait_and_end_at_once_b87(apart: Apart, etcd: EtcdProcess) -> None:
    etcd.stop()
    apart.begin()
    until(lambda: _ask(apart, "/livez") == 200, 20)
    assert _ask(apart, "/readyz") == 503
    used, began = apart.cpu_s(), time.monotonic()
    until(lambda: time.monotonic() - began >= LOOK_S, 2 * LOOK_S)  # what they use while they wait
    assert all(after - before < 0.05 * LOOK_S for before, after in zip(used, apart.cpu_s(), strict=True))
    assert len(apart.log.splitlines()) < 20
    assert max(apart.end_each()) < 1


def test_what_was_started_without_etcd_works_once_it_is_there_b87(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    etcd.stop()
    engine.run("late", SERVE, labels={"confd.app": "late"})
    apart.begin()
    until(lambda: _ask(apart, "/readyz") == 503, 20)
    etcd.start()
    until(lambda: _ask(apart, "/readyz") == 200, 20)
    until(lambda: apart.status("late"), 20)
    apart.ctl("set", "late", "A=1", "-e", "dev")
    apart.ctl("adopt", "late", "-e", "dev", "--yes")  # it ran before anybody watched
    until(lambda: engine.has("late", "A", "1"), 20)


def test_an_agent_whose_revisions_were_compacted_away_catches_up_at_once_b84(
    apart: Apart, etcd: EtcdProcess, engine: EngineProcess
) -> None:
    apart.start()
    old = engine.run("behind", SERVE, labels={"confd.app": "behind"})
    apart.ctl("set", "behind", "N=0", "-e", "dev", "--wait", "30s")
    before = engine.inspect("behind")["Id"]
    assert before != old
    apart.kill_agent()
    store = EtcdStore(etcd.config)
    for number in range(1, 46):
        revision = store.commit([Put("/confd/envs/dev/settings/behind/N", json.dumps(str(number)))])
    etcd.ctl("compact", str(revision))
    store.commit([Delete("/confd/hosts/h1/alive")])  # as when its lease had ended meanwhile
    store.close()
    apart.begin_agent()
    began = time.monotonic()
    until(lambda: engine.has("behind", "N", "45"), 20)
    assert time.monotonic() - began < 5
    assert engine.inspect("behind")["Config"]["Labels"]["confd.replaces"] == before
    apart.ctl("set", "behind", "N=46", "-e", "dev", "--wait", "10s")


@pytest.fixture
def small(start_etcd: Callable[..., EtcdProcess]) -> EtcdProcess:
    return start_etcd("--quota-backend-bytes", str(4 << 20))


@pytest.fixture
def on_small(small: EtcdProcess, engine: EngineProcess, tmp_path: Path) -> Iterator[Apart]:
    programs = Apart(tmp_path, engine.docker_host, small.endpoint)
    programs.start()
    yield programs
    programs.stop()


def test_a_full_store_says_so_and_disturbs_no_container_b100(
    on_small: Apart, small: EtcdProcess, engine: EngineProcess
) -> None:
    engine.run("full", SERVE, labels={"confd.app": "full"})
    on_small.ctl("set", "full", "A=1", "-e", "dev", "--wait", "30s")
    before = engine.inspect("full")
    store = EtcdStore(small.config)
    filled = fill(store)
    words = on_small.words("set", "full", "A=2", "-e", "dev", expect=69)
    assert ("full" in words, "alarm disarm" in words) == (True, True)
    assert on_small.ctl("get", "full", "A", "-e", "dev").strip() == "1"
    on_small.kill_agent()
    on_small.begin_agent()
    until(lambda: "alarm disarm" in on_small.log, 20)
    now = engine.inspect("full")
    assert (now["Id"], now["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])
    empty(small, store, filled)
    on_small.ctl("set", "full", "A=3", "-e", "dev")
    until(lambda: engine.has("full", "A", "3"), 60)
    store.close()
