"""After a restore each setting is still of its change: secrets sealed anew, edits past the API, and what waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from confd.backups import parse
from confd.holds import holds_of
from confd.keyring import is_sealed, written_at
from confd.keys import App, Env, Host
from confd.outofband import unrecorded, unvouched
from confd.ports import Area, Delete, Put
from confd.services import changes, envrules, fleet, history, outofband, proposals, rotation, settings
from confd.services.backup import backup
from confd.services.context import Context
from confd.services.gate import Asked
from confd.services.goodstates import previous_good
from confd.services.meta import keyring_of
from confd.services.restore import Asked as Wish
from confd.services.restore import prepare, restore
from confd.services.revealing import Asker
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.secrets import KEYS

DEV, WEB = Env("dev"), App("web")
HERE, ON_H1 = Scope(DEV, WEB), Scope(DEV, WEB, Host("h1"))
ADMIN = Asker("admin", "me", may_reveal=True)
CANARY = "canary-77"


@pytest.fixture
def keyed(context: Context) -> Context:
    """One with keys, and at other revisions than a new store has."""
    for _ in range(20):
        context.store.commit([Put("/confd/unused", ""), Put("/confd/unused/x", "")])
    context.store.commit([Delete("/confd/unused"), Delete("/confd/unused/x")])
    return replace(context, keys=KEYS)


@contextmanager
def restored(context: Context) -> Iterator[Context]:
    whole = parse(line.encode() for line in backup(context)[1])
    with context_on(MemoryStore()) as fresh:
        other = replace(fresh, keys=context.keys)
        list(restore(other, prepare(other, whole, Wish(yes=True))))
        other.mirror.wait(other.fresh().revision, 5)
        yield other


def seen(context: Context, scope: Scope) -> list[Any]:
    """What is told of the settings and the history of a scope, but revisions."""
    snapshot = context.fresh()
    page = history.page(context, scope.place, history.Wanted())
    states = [changes.state_after(context, snapshot, scope.layer, n) for n in range(page.changes[0].number + 1)]
    told = [{**settings.change_document(one), "revision": 0} for one in page.changes]
    winner: Any = fleet.explain(context, snapshot, scope, "s")["winner"]  # type: ignore[arg-type]
    return [settings.read(context, snapshot, scope)["settings"], told, states, {**winner, "revision": 0}]


def reencrypt(context: Context) -> None:
    after: Any = ""
    while after is not None:
        after = rotation.step(context, after, ADMIN)["next"]


@pytest.mark.parametrize("scope", [HERE, ON_H1])
def test_a_secret_that_was_sealed_anew_is_of_its_change_afterwards(keyed: Context, scope: Scope) -> None:
    settings.edit(keyed, scope, Edit({"s": CANARY, "A": 1}, secret=("s",)))
    settings.edit(keyed, scope, Edit({"s": f"{CANARY}-2"}))
    settings.edit(keyed, scope, Edit({"A": 2}))
    reencrypt(keyed)
    settings.edit(keyed, scope, Edit({"A": 3}))
    reencrypt(keyed)
    before = keyed.fresh().layers[scope.layer]["s"]
    assert '"written"' in before.text
    with restored(keyed) as other:
        after = other.fresh().layers[scope.layer]["s"]
        known = changes.numbers(other, scope.layer, other.fresh().heads[scope.layer])
        assert ('"written"' in after.text, known[written_at(after)]) == (False, 2)
        assert _number(other, scope, "s") == _number(keyed, scope, "s") == 2
        assert not unvouched(other.fresh(), scope.layer)
        assert keyring_of(other.fresh().meta, KEYS).open(after.text, scope.layer, "s") == f'"{CANARY}-2"'
        assert [one.number for one in history.page(other, scope.place, history.Wanted()).changes] == [4, 3, 2, 1]
        assert seen(other, scope)[1] == seen(keyed, scope)[1]
        reencrypt(other)
        assert _number(other, scope, "s") == 2
        settings.rollback(other, scope, 1, Edit(yes=True))
        snapshot = other.fresh()
        text = snapshot.layers[scope.layer]["s"].text
        assert keyring_of(snapshot.meta, KEYS).open(text, scope.layer, "s") == f'"{CANARY}"'


def _number(context: Context, scope: Scope, key: str) -> int | None:
    return changes.number_of(context, context.fresh(), scope.layer, key)


def test_a_backup_holds_no_secret_in_the_clear(keyed: Context) -> None:
    settings.edit(keyed, HERE, Edit({"s": CANARY}, secret=("s",)))
    reencrypt(keyed)
    text = "".join(backup(keyed)[1])
    assert CANARY not in text
    with restored(keyed) as other:
        assert is_sealed(other.fresh().layers[HERE.layer]["s"].text)


def _put(context: Context, key: str, text: str) -> None:
    context.wrote(context.store.commit([Put(context.keyspace.settings(HERE.layer) + key, text)]))


def test_edits_past_the_api_are_the_same_ones_afterwards(keyed: Context) -> None:
    settings.edit(keyed, HERE, Edit({"s": 1, "A": 1, "B": 1, "C": 1}))
    _put(keyed, "A", '"oob"')
    outofband.record(keyed, HERE.layer)
    envrules.put(keyed, DEV, {"out_of_band": "hold"}, Edit())
    _put(keyed, "B", '"oob"')
    outofband.record(keyed, HERE.layer)
    settings.edit(keyed, HERE, Edit({"s": 2}))
    _put(keyed, "C", '"oob"')
    before = keyed.fresh()
    assert before.heads[HERE.layer].held == ("B",)
    with restored(keyed) as other:
        after = other.fresh()
        assert after.heads[HERE.layer].held == ("B",)
        assert unrecorded(after, HERE.layer) == unrecorded(before, HERE.layer) == {"C"}
        assert unvouched(after, HERE.layer) == {"B", "C"}
        assert [one.why for one in holds_of(after, DEV, WEB)] == [one.why for one in holds_of(before, DEV, WEB)]
        assert seen(other, HERE) == seen(keyed, HERE)
        assert previous_good(other, after, HERE) == previous_good(keyed, before, HERE)
        assert outofband.record(other, HERE.layer) == outofband.record(keyed, HERE.layer)


def test_an_edit_that_came_between_a_decision_and_its_head_is_one_afterwards(keyed: Context) -> None:
    settings.edit(keyed, HERE, Edit({"s": 1}))
    snapshot = keyed.fresh()
    _put(keyed, "B", '"oob"')
    change = changes.draft(HERE.layer, {"s": "1"}, {"s": "2"}, author="", message="", at="")
    changes.commit(keyed, snapshot, change)
    assert unrecorded(keyed.fresh(), HERE.layer) == {"B"}
    with restored(keyed) as other:
        assert unrecorded(other.fresh(), HERE.layer) == {"B"}


def test_what_waits_for_approval_waits_afterwards_and_can_be_agreed_to(keyed: Context) -> None:
    settings.edit(keyed, HERE, Edit({"s": 1}))
    envrules.put(keyed, DEV, {"approval": True}, Edit())
    proposed = settings.edit(keyed, HERE, Edit({"s": 2}, asked=Asked("anna")))
    assert proposed.proposal
    with restored(keyed) as other:
        assert _proposals(other) == _proposals(keyed)
        assert envrules.read(other.fresh(), DEV)["own"] == envrules.read(keyed.fresh(), DEV)["own"]
        proposals.approve(other, HERE, proposed.proposal, Edit(asked=Asked("ben")))
        assert str(settings.read(other, other.fresh(), HERE)["settings"]["s"]["value"]) == "2"


def _proposals(context: Context) -> dict[str, Any]:
    area = Area(context.keyspace.env(DEV) + "proposals/")
    return {key: json.loads(entry.text) for key, entry in context.store.snapshot([area]).entries.items()}
