"""Who is the active agent of a host, and when another takes its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from confd.agent.claim import Claim, has_ended, process_of
from confd.clock import ManualClock
from confd.errors import Configuration
from confd.keys import Host, Keyspace
from confd.ports import Put
from confd.stores.memory import MemoryStore

KEY = Keyspace().alive(Host("h1"))


class Stops(ManualClock):
    """The first wait ends the try: who would have to wait stands by."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        event.set()
        return True


def _ended() -> dict[str, Any]:
    running = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = process_of(running.pid)
    running.communicate()
    assert found is not None
    return found


def _take(process: object, engine: str = "e1") -> str | None:
    """Claim a host whose claim is another's; whose it is then, None when this one stands by."""
    store = MemoryStore()
    store.commit([Put(KEY, json.dumps({"instance": "other", "engine_id": engine, "process": process}))])
    taken = Claim(store, Keyspace(), Host("h1"), Stops()).take("e1", threading.Event())
    if taken is None:
        return None
    lease, fence = taken
    entry = store.read([KEY]).entries[KEY]
    lease.close()
    assert fence.mod_revision == entry.mod_revision
    return str(json.loads(entry.text)["instance"])


def test_a_claim_whose_process_has_ended_here_is_taken_over_at_once() -> None:
    assert _take(_ended()) not in (None, "other")


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(process_of(os.getpid()), id="it runs"),
        pytest.param({**(process_of(os.getpid()) or {}), "boot": "another", "pid": 1 << 30}, id="another machine"),
        pytest.param({**(process_of(os.getpid()) or {}), "namespace": "pid:[1]"}, id="another namespace"),
        pytest.param({**(process_of(os.getpid()) or {}), "pid": "x"}, id="no pid"),
        pytest.param(None, id="not told"),
    ],
)
def test_a_claim_of_which_that_is_not_known_is_waited_for(process: object) -> None:
    assert _take(process) is None
    assert not has_ended(process)


def test_a_pid_that_is_another_processes_now_has_ended() -> None:
    own = process_of(os.getpid())
    assert own is not None
    assert has_ended({**own, "started": own["started"] - 1})


def test_another_engines_claim_is_refused_also_when_its_process_has_ended() -> None:
    with pytest.raises(Configuration, match="--host-name"):
        _take(_ended(), "e2")
