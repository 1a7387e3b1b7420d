"""Rotation: under another master key, and under other data keys, while others write, and cut off at any step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from confd.errors import Conflict, NotFound, Refused, Unavailable
from confd.keyfile import KeyFile
from confd.keys import App, Env, Host, Layer
from confd.model import Entry
from confd.ports import Area, Delete, Operation, Put
from confd.services import changes, fleet, rotation, settings
from confd.services.context import Context
from confd.services.meta import keyring_of, read_meta, with_data_keys
from confd.services.revealing import Asker
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.contexts import context_on
from tests.support.hosts import HostStand
from tests.support.secrets import FIRST, KEYS, SECOND
from tests.support.stores import FailingStore

DEV, WEB = Env("dev"), App("web")
HERE, ON_H1 = Scope(DEV, WEB), Scope(DEV, WEB, Host("h1"))
ALL = Scope(Env("_default"), App("_default"))
SCOPES = (HERE, ON_H1, ALL)
ADMIN = Asker("admin", "me", may_reveal=True)
CANARY = "canary-0c2e"


@pytest.fixture
def context(store: FailingStore) -> Iterator[Context]:
    with context_on(store) as made:
        yield replace(made, keys=KEYS)


def fill(context: Context) -> None:
    for scope in SCOPES:
        settings.edit(context, scope, Edit({"s": CANARY, "t": 1}, secret=("s",), yes=True))
        settings.edit(context, scope, Edit({"s": f"{CANARY}-2", "t": 2}, yes=True))


def whole(context: Context, *, force: int = 50) -> list[dict[str, object]]:
    """All steps, as confctl asks for them."""
    told, after = [], ""
    for _ in range(force):
        told.append(rotation.step(context, after, ADMIN))
        if told[-1]["next"] is None:
            return told
        after = str(told[-1]["next"])
    raise AssertionError(told)


def data_keys(context: Context) -> dict[str, list[str]]:
    return {env: [one.id for one in those] for env, those in read_meta(str(context.fresh().meta)).data_keys.items()}


def texts(context: Context) -> dict[str, str]:
    return {key: entry.text for key, entry in context.store.snapshot([Area("/confd/envs/")]).entries.items()}


def clear(context: Context, scope: Scope = HERE) -> str:
    snapshot = context.fresh()
    text = snapshot.layers[scope.layer]["s"].text
    return keyring_of(snapshot.meta, context.keys).open(text, scope.layer, "s")


def seen(context: Context, scope: Scope = HERE) -> object:
    """All that is told of a scope: settings with their changes, and the history."""
    snapshot = context.fresh()
    read = settings.read(context, snapshot, scope)
    told = [settings.change_document(one) for one in changes.history(context, scope.place)]
    return read["settings"], told, fleet.explain(context, snapshot, scope, "s")["winner"]  # type: ignore[arg-type]


def test_data_keys_go_under_the_first_master_key_and_no_secret_is_touched(context: Context) -> None:
    fill(context)
    before = texts(context)
    both = replace(context, keys=KeyFile((SECOND, FIRST)))
    assert rotation.rotate(both, ADMIN)["rewrapped"] == 2
    assert rotation.rotate(both, ADMIN)["rewrapped"] == 0
    assert texts(context) == before
    assert clear(replace(context, keys=KeyFile((SECOND,)))) == f'"{CANARY}-2"'


def test_every_secret_goes_under_a_new_data_key_the_history_too(context: Context) -> None:
    fill(context)
    old, before = data_keys(context), [seen(context, scope) for scope in SCOPES]
    told = whole(context)
    new = data_keys(context)
    assert {env: len(keys) for env, keys in new.items()} == {"_default": 1, "dev": 1}
    assert told[-1]["dropped"] == 2
    assert sum(int(str(one["rewritten"])) for one in told) == 9  # three layers: a setting and two records each
    assert [seen(context, scope) for scope in SCOPES] == before
    assert not any(key in text for keys in old.values() for key in keys for text in texts(context).values())
    assert all(clear(context, scope) == f'"{CANARY}-2"' for scope in SCOPES)
    settings.rollback(context, HERE, 1, Edit())
    assert clear(context) == f'"{CANARY}"'
    assert [one.number for one in changes.history(context, HERE.place)][:3] == [3, 2, 1]


def test_a_second_rotation_begins_anew(context: Context) -> None:
    fill(context)
    whole(context)
    first, before = data_keys(context), seen(context)
    whole(context)
    assert data_keys(context) != first
    assert seen(context) == before


def test_what_is_written_between_two_steps_is_under_the_new_key(context: Context, other: Context) -> None:
    fill(context)
    behind = replace(other, keys=KEYS)
    stale = behind.fresh()
    rotation._begun(context, ADMIN)
    new = data_keys(context)["dev"][-1]
    written = settings._decide(behind, stale, HERE, Edit({"s": "late"}), {"s": '"late"'})
    assert written.change == 3
    record = texts(context)[context.keyspace.change(HERE.layer, 3)]
    assert record.count(new) == 2  # what was there before, too
    settings.edit(behind, HERE, Edit(unset=("s",)))
    assert texts(context)[context.keyspace.change(HERE.layer, 4)].count(new) == 1
    whole(context)
    settings.rollback(context, HERE, 3, Edit())
    assert clear(context) == '"late"'


def cut_at(count: int) -> Callable[[Sequence[Operation]], bool]:
    """Lets so many commits through, and then ends."""
    left = iter(range(count))

    def cut(operations: Sequence[Operation]) -> bool:
        if next(left, None) is None:
            raise Unavailable("cut off")
        return False

    return cut


def test_cut_off_anywhere_it_goes_on_when_it_is_begun_again(context: Context, store: FailingStore) -> None:
    fill(context)
    before = [seen(context, scope) for scope in SCOPES]
    cut = 0
    for reached in range(60):
        store.before_commit = cut_at(1 + reached % 3)
        try:
            whole(context)
            store.before_commit = None
            break
        except Unavailable:
            cut += 1
        assert [seen(context, scope) for scope in SCOPES] == before
    assert cut > 5
    assert {env: len(keys) for env, keys in data_keys(context).items()} == {"_default": 1, "dev": 1}


def test_a_staged_record_is_sealed_anew_and_its_old_parts_go(context: Context) -> None:
    large = {f"k{at}": "x" * 250_000 for at in range(4)}
    settings.edit(context, HERE, Edit({**large, "s": CANARY}, secret=("s", *large)))
    settings.edit(context, HERE, Edit(dict.fromkeys(large, "small"), force=True))
    old, before = data_keys(context)["dev"], seen(context)
    folders = {key.split("/")[-2] for key in texts(context) if "/parts/" in key}
    assert folders
    whole(context)
    assert seen(context) == before
    assert folders.isdisjoint(key.split("/")[-2] for key in texts(context) if "/parts/" in key)
    assert not any(old[0] in text for text in texts(context).values())
    settings.rollback(context, HERE, 1, Edit(force=True))
    assert (
        len(
            keyring_of(context.fresh().meta, KEYS).open(
                context.fresh().layers[HERE.layer]["k0"].text, HERE.layer, "k0"
            )
        )
        == 250_002
    )


def test_what_opens_nowhere_keeps_no_key_and_what_is_unknown_keeps_its_own(context: Context) -> None:
    fill(context)
    secret = context.fresh().layers[HERE.layer]["s"].text
    dead = context.keyspace.settings(Layer(Env("qa"), WEB)) + "s"
    strange = "/confd/envs/dev/strange/web/1"
    context.wrote(context.store.commit([Put(dead, secret), Put(strange, json.dumps({"text": secret}))]))
    told = whole(context)
    assert (told[-1]["kept"], told[-1]["dropped"]) == ([strange], 1)
    assert {env: len(keys) for env, keys in data_keys(context).items()} == {"_default": 1, "dev": 2}
    assert texts(context)[dead] == secret
    context.wrote(context.store.commit([Delete(strange)]))
    told = whole(context)
    assert (told[-1]["kept"], told[-1]["dropped"]) == ([], 3)


def test_damaged_records_and_names_that_are_not_ours_stop_nothing(context: Context) -> None:
    fill(context)
    odd = {
        context.keyspace.change(HERE.layer, 8): '{"parts": "$secret"',
        context.keyspace.change(HERE.layer, 9): '{"kind": "settings", "before": "$secret", "after": 1}',
        context.keyspace.change(HERE.layer, 7): '{"kind": "binding", "x": "$secret"}',
        "/confd/envs/NO/settings/web/s": '{"$secret":{}}',
        "/confd/envs/dev/overrides/h1": '{"$secret":{}}',
    }
    context.wrote(context.store.commit([Put(key, text) for key, text in odd.items()]))
    whole(context)
    assert {key: texts(context)[key] for key in odd} == odd


def test_what_changes_under_its_hands_is_left_to_the_next_pass(context: Context) -> None:
    fill(context)
    entry = context.fresh().layers[HERE.layer]["s"]
    name = context.keyspace.settings(HERE.layer) + "s"
    rotation._begun(context, ADMIN)
    turn = rotation._Turn(context, keyring_of(context.fresh().meta, KEYS))
    assert not rotation._rewrite_one(turn, name, Entry(name, entry.text, entry.mod_revision - 1))
    assert rotation._drop(context, rotation._meta(context)) == (0, None)


def test_without_a_secret_or_a_key_nothing_is_done(context: Context) -> None:
    with pytest.raises(NotFound, match="no secret yet"):
        rotation.rotate(context, ADMIN)
    fill(context)
    without = replace(context, keys=KeyFile((SECOND,)))
    with pytest.raises(Refused, match=FIRST.id):
        rotation.rotate(without, ADMIN)
    with pytest.raises(Refused, match=FIRST.id):
        rotation.step(without, "", ADMIN)
    with pytest.raises(Refused, match=FIRST.id):
        rotation.rotate(replace(context, keys=KeyFile()), ADMIN)


def test_an_agent_that_could_open_no_secret_afterwards_is_named(context: Context) -> None:
    fill(context)
    HostStand(context.store, "h1").up(keys={"dev": [FIRST.id]})
    HostStand(context.store, "h2").up(keys={"dev": [FIRST.id, SECOND.id]})
    HostStand(context.store, "h3").up(keys={"dev": []})
    both = replace(context, keys=KeyFile((SECOND, FIRST)))
    with pytest.raises(Refused, match=r"agents of h1 \(env dev\) do not"):
        rotation.rotate(both, ADMIN)
    with pytest.raises(Refused, match=r"agents of h1 \(env dev\) do not"):
        rotation.step(both, "", ADMIN)
    assert rotation.rotate(context, ADMIN)["rewrapped"] == 0


def test_a_meta_that_somebody_else_changes_is_a_conflict(context: Context) -> None:
    fill(context)
    entry = rotation._meta(context)
    stale = replace(entry, mod_revision=entry.mod_revision - 1)
    with pytest.raises(Conflict, match="meta was changed"):
        rotation._store_meta(context, stale, {})
    assert with_data_keys(entry.text, read_meta(entry.text).data_keys) == entry.text
