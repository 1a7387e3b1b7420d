"""Revealing: with the right alone, noted down before it is shown, and never a mask for a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from confd.errors import Invalid, Refused, StoreFull
from confd.keyfile import KeyFile
from confd.keys import App, Env, Host
from confd.ports import Put
from confd.services import audit, settings
from confd.services.context import Context
from confd.services.revealing import Asker, revealed
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.contexts import context_on
from tests.support.secrets import KEYS
from tests.support.stores import FailingStore

HERE, ON_H1 = (Scope(Env("dev"), App("web"), host) for host in (None, Host("h1")))
ADMIN, USER = Asker("admin", "ada", may_reveal=True), Asker("user", "admin")
CANARY = "canary-51d0"


@pytest.fixture
def context(store: FailingStore) -> Iterator[Context]:
    with context_on(store) as made:
        yield replace(made, keys=KEYS)


def shown(context: Context, asker: Asker, scope: Scope = HERE, *, own: bool = False) -> dict[str, Any]:
    snapshot = context.fresh()
    document = settings.read(context, snapshot, scope, own=own)
    found = revealed(context, snapshot, (scope, own), document["settings"], asker)
    return {key: one["value"] for key, one in found.items()}


def acts(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = audit.audited(context, 100)["acts"]
    return [{name: text for name, text in act.items() if name not in ("id", "at")} for act in found]


def test_who_may_sees_them_and_it_is_noted_by_the_tokens_name(context: Context) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY, "t": {"u": CANARY}, "p": 1}, secret=("s", "t")))
    settings.edit(context, ON_H1, Edit({"s": "other"}, secret=("s",)))
    assert shown(context, ADMIN) | {"p": 1} == {"p": 1, "s": CANARY, "t": {"u": CANARY}}
    assert shown(context, Asker("admin", "admin", may_reveal=True), ON_H1)["s"] == "other"
    where = {"what": "reveal", "env": "dev", "app": "web", "host": None, "keys": ["s", "t"]}
    assert acts(context) == [{"who": "admin", **where, "host": "h1"}, {"who": "admin", "said": "ada", **where}]
    assert CANARY not in str(acts(context))


def test_what_refers_to_a_secret_and_a_secret_that_refers_are_shown_as_they_are_due(context: Context) -> None:
    settings.edit(context, HERE, Edit({"host": "db", "s": CANARY + "@${host} $${x}", "t": "<${s}>"}, secret=("s",)))
    due = f"{CANARY}@db ${{x}}"
    assert shown(context, ADMIN) == {"host": "db", "s": due, "t": f"<{due}>"}
    assert shown(context, ADMIN, own=True) == {"host": "db", "s": CANARY + "@${host} $${x}", "t": "<${s}>"}
    assert CANARY not in str(settings.read(context, context.fresh(), HERE))
    with pytest.raises(Invalid, match="comes to a secret") as caught:
        settings.edit(context, HERE, Edit(unset=("host",)))
    assert "host" not in caught.value.detail


def test_who_may_not_sees_none_whatever_it_calls_itself(context: Context) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY, "p": 1}, secret=("s",)))
    with pytest.raises(Refused, match="may not see secrets"):
        shown(context, USER)
    assert acts(context) == []


def test_where_nothing_is_secret_nothing_is_noted(context: Context) -> None:
    settings.edit(context, HERE, Edit({"p": "x"}))
    assert shown(context, USER) == {"p": "x"}
    assert acts(context) == []


def test_what_cannot_be_noted_is_not_shown(context: Context, store: FailingStore) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY}, secret=("s",)))
    store.write_error = StoreFull("full")
    with pytest.raises(StoreFull):
        shown(context, ADMIN)


def test_what_does_not_open_is_refused_and_not_masked(context: Context) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY}, secret=("s",)))
    with pytest.raises(Refused, match="needs master key"):
        shown(replace(context, keys=KeyFile()), ADMIN)


def test_so_many_acts_are_kept_and_none_for_longer_than_stated(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = [Put(f"{context.keyspace.audit}2001-01-0{day}T00:00:00.000Z-0", "no document") for day in (1, 2)]
    context.wrote(context.store.commit(old))
    assert acts(context) == [{"what": "damaged"}] * 2
    monkeypatch.setattr(audit, "SWEEP_EVERY", 1)
    monkeypatch.setattr(audit, "KEPT", 3)
    for number in range(5):
        audit.note(context, "admin", "", {"what": f"act {number}"})
    assert [act["what"] for act in acts(context)] == ["act 4", "act 3", "act 2"]
    newest = audit.audited(context, 1)["acts"][0]["id"]
    assert [act["what"] for act in audit.audited(context, 100, newest)["acts"]] == ["act 3", "act 2"]
