"""The store's format is raised only when every agent knows the new one, and nothing else changes."""

from __future__ import annotations

import json

import pytest

from confd.errors import Conflict, NeedsYes, NotFound, Refused
from confd.keys import App, Env, Host, Keyspace
from confd.ports import Delete, Put
from confd.services import brakes, settings
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.meta import FORMAT, fresh_meta, read_meta
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.upgrade import upgrade
from confd.services.wanted import Wanted
from tests.support.stores import FailingStore

SPACE = Keyspace()
OLD = FORMAT - 1


@pytest.fixture
def old(context: Context) -> Context:
    """A store of the format before, with one agent that knows the newest."""
    context.mirror.wait(context.store.commit([Put(SPACE.meta, fresh_meta(OLD))]), 5)
    agent(context, "h1", [OLD, FORMAT])
    return context


def agent(context: Context, host: str, formats: list[int] | None, *, alive: bool = True) -> None:
    about = {"agent_version": "0.0.9"} | ({} if formats is None else {"formats": formats})
    puts = [Put(SPACE.about(Host(host)), json.dumps(about))]
    puts += [Put(SPACE.alive(Host(host)), "{}")] if alive else []
    context.mirror.wait(context.store.commit(puts), 5)


def text(context: Context) -> str:
    meta = context.fresh().meta
    assert meta is not None
    return meta


def test_it_is_raised_once_confirmed_and_the_rest_of_the_meta_stays(old: Context) -> None:
    before = read_meta(text(old))
    with pytest.raises(Refused, match="confctl upgrade"):
        brakes.freeze(old, Frozen(Env("dev"), App("web")), Wanted("anna", "x"))
    with pytest.raises(NeedsYes, match=f"from format {OLD} to {FORMAT}"):
        upgrade(old, dry_run=False, yes=False)
    assert upgrade(old, dry_run=True, yes=False)["format"] == OLD
    done = upgrade(old, dry_run=False, yes=True)
    assert (done["format"], done["newest"], done["behind"]) == (FORMAT, FORMAT, [])
    after = read_meta(text(old))
    assert (after.format, after.cluster) == (FORMAT, before.cluster)
    assert after.digest_key.digest("x", "y") == before.digest_key.digest("x", "y")
    old.mirror.wait(done["revision"], 5)
    brakes.freeze(old, Frozen(Env("dev"), App("web")), Wanted("anna", "x"))


def test_raised_already_there_is_nothing_to_do(context: Context) -> None:
    settings.edit(context, Scope(Env("dev"), App("web")), Edit({"a": 1}))
    before = text(context)
    assert upgrade(context, dry_run=False, yes=False)["format"] == FORMAT
    assert text(context) == before


@pytest.mark.parametrize("formats", [None, [], [OLD]])
@pytest.mark.parametrize("alive", [True, False])
def test_an_agent_that_does_not_know_it_is_named(old: Context, formats: list[int] | None, alive: bool) -> None:
    agent(old, "h2", formats, alive=alive)
    assert [one["host"] for one in upgrade(old, dry_run=True, yes=True)["behind"]] == ["h2"]
    with pytest.raises(Refused, match=r"1 agent cannot take format 2 .*h2 \(release 0.0.9\).*hosts forget"):
        upgrade(old, dry_run=False, yes=True)
    assert read_meta(text(old)).format == OLD


def test_a_host_that_tells_nothing_readable_is_behind(old: Context) -> None:
    old.mirror.wait(old.store.commit([Put(SPACE.about(Host("h3")), "{")]), 5)
    with pytest.raises(Refused, match=r"h3 \(release unknown\)"):
        upgrade(old, dry_run=False, yes=True)


def test_a_store_without_meta_has_no_format(context: Context) -> None:
    context.store.commit([Delete(SPACE.meta)])
    with pytest.raises(NotFound, match="no meta yet"):
        upgrade(context, dry_run=True, yes=False)


def test_two_at_once_are_one(old: Context, store: FailingStore) -> None:
    def other(operations: object) -> bool:
        store.before_commit = None
        store.inner.commit([Put(SPACE.meta, fresh_meta(OLD))])
        return False

    store.before_commit = other
    with pytest.raises(Conflict, match="look again"):
        upgrade(old, dry_run=False, yes=True)
