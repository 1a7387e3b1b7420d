"""Changes through the use-cases on a real etcd: large ones, and readers in the middle of writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from confd.keys import App, Env, Host
from confd.mirror import Mirror
from confd.model import Binding
from confd.render import render
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.services import changes, delivery, history, settings, staging
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.snapshot import env_area
from confd.stores.etcd import EtcdStore
from tests.support.contexts import context_on
from tests.support.etcd import EtcdProcess
from tests.support.wait import until

WEB = Scope(Env("dev"), App("web"))


@pytest.fixture
def context(etcd: EtcdProcess) -> Iterator[Context]:
    with context_on(EtcdStore(etcd.config)) as made:
        yield made


def _texts(variables: Mapping[str, object]) -> set[str]:
    return {str(text) for text in variables.values()}


def _look(over: threading.Event, look: Callable[[], set[str]], seen: list[set[str]]) -> None:
    while not over.is_set():
        seen.append(look())


def _write_and_look(context: Context, looks: Sequence[Callable[[], set[str]]]) -> list[list[set[str]]]:
    """What each saw while five changes of 2,000 keys were written."""
    seen: list[list[set[str]]] = [[] for _ in looks]
    over = threading.Event()
    readers = [threading.Thread(target=_look, args=(over, *one)) for one in zip(looks, seen, strict=True)]
    for reader in readers:
        reader.start()
    for change in range(1, 6):
        settings.edit(context, WEB, Edit({f"K{number}": f"v{change}" for number in range(2000)}))
    over.set()
    for reader in readers:
        reader.join(30)
    return seen


def test_no_reader_sees_a_mixture_of_two_changes_b112(context: Context, etcd: EtcdProcess) -> None:
    """Not by the API's read of the whole app, nor as a shim fetches it, nor as an agent renders it."""
    settings.edit(context, WEB, Edit({f"K{number}": "v0" for number in range(2000)}))
    store, key, told = EtcdStore(etcd.config), DigestKey(b"k" * 32), list[set[str]]()
    mirror = Mirror(store, context.keyspace, (env_area(context.keyspace, WEB.env, Host("h1")),))
    mirror.subscribe(
        lambda snapshot, _: told.append(
            _texts(render(resolve(snapshot, WEB.env, WEB.app), Binding(), key).variables)
        )
    )
    mirror.start()
    assert mirror.wait_current(10)

    def read() -> set[str]:
        document = settings.read(context, context.snapshot(), WEB)
        return _texts({name: one["value"] for name, one in document["settings"].items()})

    seen = _write_and_look(
        context, [read, lambda: _texts(delivery.config(context, context.fresh(), WEB)["variables"])]
    )
    until(lambda: told[-1] == {"v5"}, 10)
    mirror.stop()
    store.close()
    for found in (*seen, told):
        assert found
        assert all(len(texts) == 1 for texts in found)


def test_three_thousand_keys_are_one_change_whose_record_is_whole(context: Context) -> None:
    values = {f"key/{number}": "x" * 200 for number in range(3000)}
    written = settings.edit(context, WEB, Edit(dict(values), message="many"))
    change = changes.record(context, WEB.layer, written.change)
    assert (written.change, change.revision, len(change.after)) == (1, written.revision, 3000)
    assert len(settings.read(context, context.fresh(), WEB)["settings"]) == 3000
    settings.edit(context, WEB, Edit({}, unset=tuple(values), force=True))
    back = settings.rollback(context, WEB, 1, Edit())
    assert (back.change, len(settings.read(context, context.snapshot(), WEB)["settings"])) == (3, 3000)
    assert staging.collect_parts(context, back.revision + 1) == 0


def test_long_keys_go_away_in_one_change(context: Context) -> None:
    keys = [f"{number:04d}/" + "k" * 400 for number in range(1400)]
    settings.edit(context, WEB, Edit(dict.fromkeys(keys, "v")))
    written = settings.edit(context, WEB, Edit({}, unset=tuple(keys), force=True))
    assert (written.change, len(changes.record(context, WEB.layer, 2).before)) == (2, len(keys))


def test_the_history_of_large_changes_comes_page_by_page(context: Context) -> None:
    for change in range(5):
        settings.edit(context, WEB, Edit({f"K{number}": f"{change}" + "x" * 400 for number in range(1500)}))
    found = history.page(context, WEB.place, Wanted(2)).changes
    assert [(one.number, len(one.after)) for one in found] == [(5, 1500), (4, 1500)]
    assert [one.number for one in history.page(context, WEB.place, Wanted()).changes] == list(range(5, 0, -1))
