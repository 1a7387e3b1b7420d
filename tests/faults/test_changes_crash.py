"""An API process killed in the middle of a staged change: nobody sees a part, and the next write goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from confd.client import Client, Edit, Scope
from confd.errors import Unavailable
from confd.keys import App, Env, Keyspace, Layer
from confd.ports import Area, Batch, Put, Store
from confd.stores.etcd import EtcdStore
from tests.support.etcd import EtcdProcess
from tests.support.server import ApiProcess

SPACE, LAYER = Keyspace(), Layer(Env("dev"), App("web"))
HERE, OTHER = Scope("web", "dev"), Scope("db", "dev")
PARTS = Area(SPACE.parts(LAYER.env))
MANY = 3000
HEAD = '{"number": 0, "id": "none"}'


def values(text: str) -> dict[str, str]:
    return {f"key/{number}": text * 300 for number in range(MANY)}


@pytest.fixture
def store(etcd: EtcdProcess) -> Iterator[Store]:
    """A store with 9 MB of settings, so that the record of a change of all of them takes some forty parts.

    Its head vouches for them, so that no API records them.
    """
    made = EtcdStore(etcd.config)
    keys = [SPACE.settings(LAYER) + key for key in values("a")]
    for start in range(0, MANY, 300):
        made.commit([Put(key, '"' + "a" * 3000 + '"') for key in keys[start : start + 300]])
    made.commit([Put(SPACE.head(LAYER), HEAD)])
    yield made
    made.close()


def _staged(store: Store) -> set[str]:
    """The changes that have parts in the store."""
    return {key.split("/")[-2] for key in store.snapshot([PARTS], keys_only=True).entries}


def _seen(client: Client) -> tuple[int, str]:
    """How many keys a reader sees, and of which changes."""
    settings = client.settings(HERE)["settings"]
    return len(settings), "".join(sorted({str(one["value"])[0] for one in settings.values()}))


def _read(client: Client, over: threading.Event, seen: set[tuple[int, str]]) -> None:
    while not over.is_set():
        seen.add(_seen(client))


def _kill_while_it_stages(api: ApiProcess, etcd: EtcdProcess, store: Store, count: int) -> None:
    """Send a large change, and kill the process once so many parts of its record are staged.

    etcd is held still in between, so that the process cannot have come further.
    """
    answers: list[str] = []

    def write() -> None:
        try:
            api.client.change(HERE, Edit(set=values("b")))
            answers.append("stored")
        except Unavailable:
            answers.append("unavailable")

    stop, arrived = threading.Event(), 0
    after = store.read([]).revision
    writer = threading.Thread(target=write)
    writer.start()
    for item in store.watch([PARTS], after, stop):
        arrived += len(item.events) if isinstance(item, Batch) else 0
        if arrived >= count:
            etcd.freeze()
            api.kill()
            etcd.thaw()
            stop.set()
    writer.join(30)
    assert answers == ["unavailable"]
    (head,) = store.read([SPACE.head(LAYER)]).entries.values()
    assert head.text == HEAD, "it was killed too late"


@pytest.mark.parametrize("count", [1, 3])
def test_an_api_killed_while_it_stages_a_change_leaves_the_old_state_whole_b97(
    etcd: EtcdProcess, store: Store, start_api: Callable[[], ApiProcess], count: int
) -> None:
    killed, reader = start_api(), start_api()
    assert _seen(reader.client) == (MANY, "a")
    seen: set[tuple[int, str]] = set()
    over = threading.Event()
    reading = threading.Thread(target=_read, args=(reader.client, over, seen))
    reading.start()
    _kill_while_it_stages(killed, etcd, store, count)
    assert len(_staged(store)) == 1
    over.set()
    reading.join(30)
    assert seen == {(MANY, "a")}
    assert reader.client.changes(HERE)["changes"] == []

    assert reader.client.change(HERE, Edit(set={"key/0": "c"}))["change"].text == "1"
    done = reader.client.change(HERE, Edit(set=values("d")))
    assert (done["change"].text, len(done["diff"])) == ("2", MANY)
    assert len(reader.client.shown_change(HERE, 2)["diff"]) == MANY
    assert len(_staged(store)) == 1  # that of change 2


def test_an_api_that_starts_takes_away_what_a_killed_one_left(
    etcd: EtcdProcess, store: Store, start_api: Callable[[], ApiProcess]
) -> None:
    killed = start_api()
    killed.client.change(OTHER, Edit(set=values("a")))
    named = _staged(store)
    _kill_while_it_stages(killed, etcd, store, 2)
    assert _staged(store) > named
    again = start_api()
    assert _staged(store) == named
    assert len(again.client.shown_change(OTHER, 1)["diff"]) == MANY
    assert again.client.change(HERE, Edit(set=values("b")))["change"].text == "1"
