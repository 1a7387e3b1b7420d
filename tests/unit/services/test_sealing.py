"""Secrets in writes: sealed in the store, the same again no change, secret until somebody says otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from confd.errors import ConfdError, Invalid, Malformed, Refused
from confd.keyfile import KeyFile, exported, parse_key_file
from confd.keyring import is_sealed
from confd.keys import App, Env, Host
from confd.ports import Area, Put
from confd.resolve import resolve
from confd.secret import MASK
from confd.services import fleet, history, settings
from confd.services.context import Context
from confd.services.meta import keyring_of, read_meta
from confd.services.places import Place, rendered_at
from confd.services.scope import Scope
from confd.services.sealing import Ciphertext, provide, resealed
from confd.services.settings import Edit
from confd.unsealing import unsealed
from tests.support.contexts import context_on
from tests.support.secrets import FIRST, KEYS, SECOND
from tests.support.stores import FailingStore

DEV, QA, WEB = Env("dev"), Env("qa"), App("web")
HERE, THERE = Scope(DEV, WEB), Scope(QA, WEB)
ON_H1 = Scope(DEV, WEB, Host("h1"))
CANARY = "canary-93a1"


@pytest.fixture
def context(store: FailingStore) -> Iterator[Context]:
    with context_on(store) as made:
        yield replace(made, keys=KEYS)


def stored(context: Context, scope: Scope = HERE) -> dict[str, str]:
    return {key: entry.text for key, entry in context.fresh().layers.get(scope.layer, {}).items()}


def opened(context: Context, scope: Scope = HERE) -> dict[str, str]:
    snapshot = context.fresh()
    ring = keyring_of(snapshot.meta, context.keys)
    resolved = unsealed(resolve(snapshot, scope.env, scope.app, scope.host), ring)
    return {key: one.text for key, one in resolved.settings.items()}


def whole_store(context: Context) -> str:
    return repr(context.store.snapshot([Area(context.keyspace.prefix)]).entries)


def set_secret(context: Context, scope: Scope = HERE, value: str = CANARY, key: str = "s") -> settings.Written:
    return settings.edit(context, scope, Edit({key: value}, secret=(key,)))


def test_nothing_of_a_secret_stands_in_the_store(context: Context) -> None:
    set_secret(context)
    settings.edit(context, HERE, Edit(unset=("s",), force=True))
    settings.edit(context, HERE, Edit({"s": CANARY, "t": "plain"}, secret=("s",)))
    assert CANARY not in whole_store(context)
    assert is_sealed(stored(context)["s"])
    assert opened(context) == {"s": f'"{CANARY}"', "t": '"plain"'}


def test_an_env_has_a_data_key_of_its_own_also_the_one_of_all(context: Context) -> None:
    for scope in (HERE, THERE, Scope(Env("_default"), App("_default"))):
        settings.edit(context, scope, Edit({"s": CANARY}, secret=("s",), yes=True))
    meta = read_meta(str(context.fresh().meta))
    assert {env: len(keys) for env, keys in meta.data_keys.items()} == {"_default": 1, "dev": 1, "qa": 1}
    assert {one.master for keys in meta.data_keys.values() for one in keys} == {FIRST.id}
    assert provide(context, DEV) == context.fresh().meta


def test_a_dry_run_stores_no_key_and_no_value(context: Context) -> None:
    before = context.fresh()
    written = settings.edit(context, HERE, Edit({"s": CANARY}, secret=("s",), dry_run=True))
    assert [one.action for one in written.differences] == ["add"]
    assert CANARY not in str(written.differences)
    assert context.fresh() == before


def test_the_same_secret_again_is_no_change(context: Context) -> None:
    first = set_secret(context)
    assert tuple(set_secret(context).differences) == ()
    assert context.fresh().revision == first.revision
    assert [one.action for one in set_secret(context, value="another").differences] == ["change"]


def test_a_secret_stays_one_until_somebody_says_otherwise(context: Context) -> None:
    set_secret(context)
    written = settings.edit(context, HERE, Edit({"s": "next"}))
    assert is_sealed(stored(context)["s"])
    assert "s: kept secret, as before" in written.warnings[0]
    assert not settings.edit(context, HERE, Edit({"s": "next"}, plain=("s",))).warnings
    assert stored(context)["s"] == '"next"'
    assert [one.action for one in set_secret(context, value="next").differences] == ["change"]


def test_the_mask_is_no_value_of_a_secret(context: Context) -> None:
    """As when what was shown is written back."""
    with pytest.raises(Malformed, match="stands for a secret"):
        set_secret(context, value=MASK)
    set_secret(context)
    first = stored(context)
    with pytest.raises(Malformed, match="stands for a secret"):
        settings.edit(context, HERE, Edit({"s": MASK}))
    assert stored(context) == first


def test_a_secret_is_taken_away_like_any_setting(context: Context) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY, "a": 1, "b": 2, "c": 3}, secret=("s",)))
    settings.edit(context, HERE, Edit({"s": None}))
    assert stored(context)["s"] == "null"
    settings.edit(context, HERE, Edit({"s": CANARY}, secret=("s",)))
    settings.edit(context, HERE, Edit(unset=("s",)))
    assert "s" not in stored(context)


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (Edit({"k": 1}, secret=("other",)), Malformed, "secret names 'other'"),
        (Edit({"k": 1}, plain=("other",)), Malformed, "plain names 'other'"),
        (Edit({"k": 1}, secret=("k",), plain=("k",)), Malformed, "both secret and plain"),
        (Edit({"k": None}, secret=("k",)), Malformed, "k: null"),
        (Edit({"run/memory": "64m"}, secret=("run/memory",)), Invalid, "docker inspect"),
    ],
)
def test_what_cannot_be_secret_is_refused(
    context: Context, edit: Edit, error: type[ConfdError], words: str
) -> None:
    with pytest.raises(error, match=words):
        settings.edit(context, HERE, edit)
    assert stored(context) == {}


def test_without_a_key_file_a_secret_is_refused_with_what_to_do(context: Context) -> None:
    with pytest.raises(Refused, match=r"s: secrets are refused: .*confd-server key new FILE.*--key-file"):
        set_secret(replace(context, keys=KeyFile()))
    set_secret(context)
    with pytest.raises(Refused, match=f"need master key {FIRST.id}"):
        set_secret(replace(context, keys=KeyFile((SECOND,))), value="next")


def test_who_has_the_keys_of_one_env_opens_no_others_secrets(context: Context) -> None:
    for scope in (HERE, THERE):
        set_secret(context, scope)
    agent = replace(context, keys=parse_key_file(exported(KEYS, [DEV])))
    assert opened(agent) == {"s": f'"{CANARY}"'}
    assert opened(agent, THERE) == {}
    rendered, _ = rendered_at(context.fresh(), Place(QA, WEB), agent.sight(context.fresh()))
    assert [problem.code for problem in rendered.problems] == ["secret"]


def test_history_and_differences_show_that_it_changed_and_not_what_it_is(context: Context) -> None:
    set_secret(context)
    set_secret(context, value=f"{CANARY}-2")
    shown = [settings.change_document(one) for one in history.page(context, HERE.place, history.Wanted()).changes]
    assert [one["diff"][0]["action"] for one in shown] == ["change", "add"]
    assert "canary" not in str(shown)
    assert "$secret" not in str(shown)


def test_two_envs_differ_by_their_secrets_only_where_those_differ(context: Context) -> None:
    for scope in (HERE, THERE):
        set_secret(context, scope)
    snapshot = context.fresh()
    assert fleet.settings_of(context, snapshot, HERE) == fleet.settings_of(context, snapshot, THERE)
    set_secret(context, THERE, "another")
    snapshot = context.fresh()
    assert fleet.settings_of(context, snapshot, HERE) != fleet.settings_of(context, snapshot, THERE)
    keyless = replace(context, keys=KeyFile())
    assert is_sealed(fleet.settings_of(keyless, snapshot, HERE)["s"])


def test_a_rollback_restores_a_secret_unseen(context: Context) -> None:
    set_secret(context)
    first = stored(context)
    settings.edit(context, HERE, Edit({"s": "next", "t": 1}, plain=("s",)))
    written = settings.rollback(context, HERE, 1, Edit(force=True))
    assert stored(context) == first
    assert CANARY not in str(written)
    back = settings.rollback(context, HERE, 2, Edit())
    ring = keyring_of(context.fresh().meta, context.keys)
    assert ring.open(stored(context)["s"], HERE.layer, "s") == '"next"'  # what is a secret by now stays one
    assert "kept secret" in back.warnings[0]


def test_a_secret_is_sealed_anew_for_another_layer(context: Context) -> None:
    set_secret(context)
    text = resealed(context, stored(context)["s"], HERE.layer, THERE.layer, "s")
    settings.edit(context, THERE, Edit(sealed={"s": Ciphertext(text, THERE.layer)}))
    settings.edit(context, ON_H1, Edit(sealed={"s": Ciphertext(stored(context)["s"], HERE.layer)}))
    assert opened(context, THERE) == opened(context, ON_H1) == {"s": f'"{CANARY}"'}
    assert len({stored(context, one)["s"] for one in (HERE, THERE, ON_H1)}) == 3
    with pytest.raises(Invalid, match="does not open"):
        settings.edit(context, THERE, Edit(sealed={"t": Ciphertext(stored(context)["s"], HERE.layer)}))


def test_a_ciphertext_copied_elsewhere_is_a_problem_and_no_crash(context: Context) -> None:
    set_secret(context)
    settings.edit(context, THERE, Edit({"a": 1}))
    text = stored(context)["s"]
    context.wrote(context.store.commit([Put(context.keyspace.settings(THERE.layer) + "s", text)]))
    rendered, _ = rendered_at(context.snapshot(), THERE.place, context.sight(context.snapshot()))
    assert [(one.code, one.keys) for one in rendered.problems] == [("secret", ("s",))]
    assert dict(rendered.variables) == {"a": "1"}
    settings.edit(context, THERE, Edit({"a": 2}))  # what was wrong before is not this writer's
    settings.edit(context, THERE, Edit({"s": "again"}))
    assert opened(context, THERE)["s"] == '"again"'


def test_a_limit_is_one_of_what_is_said_not_of_how_it_is_stored(context: Context) -> None:
    settings.edit(context, HERE, Edit({"a": "x" * 500_000, "b": "y" * 500_000}, secret=("a", "b")))
    assert len(opened(context)["a"]) == 500_002


def test_a_secret_is_a_variable_only_where_the_binding_says_so(context: Context) -> None:
    settings.edit(context, HERE, Edit({"s": CANARY, "t": 1}, secret=("s",)))
    snapshot = context.fresh()
    rendered, _ = rendered_at(snapshot, HERE.place, context.sight(snapshot))
    assert (dict(rendered.variables), rendered.problems) == ({"s_FILE": "/run/confd-secrets/s", "t": "1"}, ())


def test_a_meta_of_an_older_release_goes_on_to_be_read(context: Context) -> None:
    meta = json.loads(str(context.fresh().meta))
    meta.pop("data_keys", None)
    assert read_meta(json.dumps(meta)).data_keys == {}
    set_secret(context)
    assert {**json.loads(str(context.fresh().meta)), "data_keys": 0} == {**meta, "data_keys": 0}
