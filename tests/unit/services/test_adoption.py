"""Adopting containers: what is shown, what needs a yes, and what the host's agent is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd.adoption import adoption_of
from confd.errors import Malformed, NeedsYes, NotFound, Refused
from confd.keys import App, Container, Env, Host, Keyspace
from confd.model import Observed
from confd.ports import Delete, Put
from confd.published import Told, status_text
from confd.services import adoption, history, settings
from confd.services.context import Context
from confd.services.history import Wanted as Page
from confd.services.meta import fresh_meta
from confd.services.places import Place
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from tests.support.hosts import FACTS, HostStand
from tests.support.stores import FailingStore

DEV, WEB, H1, H2 = Env("dev"), App("web"), Host("h1"), Host("h2")
HERE = Scope(DEV, WEB)
SPACE = Keyspace()


def tell(context: Context, host: Host, name: str, **more: Any) -> Container:
    """A container that ran before its host was watched, as its agent tells of it."""
    HostStand(context.store, host).up()
    container = Container(f"{name}-on-{host}")
    seen = replace(Observed(container, name, WEB, DEV, True, facts=FACTS, adopted=False), **more)
    text = status_text(seen, (), "d1", Told(1, "2026-01-02T00:00:00Z"))
    context.mirror.wait(context.store.commit([Put(SPACE.status(host, container), text)]), 5)
    return container


def adopted(context: Context, host: Host) -> tuple[str, ...]:
    return adoption_of(context.fresh().adoptions.get((DEV, WEB), {}).get(host)).containers


def test_what_differs_is_shown_and_needs_a_yes(context: Context) -> None:
    container = tell(context, H1, "web-1")
    settings.edit(context, HERE, Edit({"A": "1"}))
    with pytest.raises(NeedsYes, match=r"something to 1 of 1 container \(web-1\)"):
        adoption.adopt(context, HERE, Wanted("anna"))
    shown = adoption.adopt(context, HERE, Wanted("anna", dry_run=True))
    assert [step["action"] for step in shown["containers"][0]["steps"]] == ["recreate"]
    assert adopted(context, H1) == ()
    adoption.adopt(context, HERE, Wanted("anna", "looked", yes=True))
    assert adopted(context, H1) == (container,)
    found = [(one.kind, one.author, one.message) for one in history.page(context, Place(DEV, WEB), Page()).changes]
    assert found[0] == ("adoption", "anna", "looked")


def test_what_has_all_already_needs_no_yes(context: Context) -> None:
    container = tell(context, H1, "web-1")
    adoption.adopt(context, HERE, Wanted("anna"))
    assert adopted(context, H1) == (container,)


def test_one_host_or_one_container_alone(context: Context) -> None:
    one, two, there = (tell(context, host, name) for host, name in ((H1, "a"), (H1, "b"), (H2, "c")))
    adoption.adopt(context, Scope(DEV, WEB, H2), Wanted("anna"))
    assert (adopted(context, H1), adopted(context, H2)) == ((), (there,))
    adoption.adopt(context, HERE, Wanted("anna"), "a")
    assert adopted(context, H1) == (one,)
    adoption.adopt(context, HERE, Wanted("anna"), two[:6])
    assert adopted(context, H1) == (one, two)
    with pytest.raises(NotFound, match="waits to be adopted"):
        adoption.adopt(context, HERE, Wanted("anna"), "zzz")


def test_what_is_contested_is_adopted_too_and_what_is_gone_is_forgotten(context: Context) -> None:
    gone = tell(context, H1, "a")
    adoption.adopt(context, HERE, Wanted("anna"))
    context.mirror.wait(tell_gone(context, gone), 5)
    fought = tell(context, H1, "b", adopted=True, contested="Compose")
    adoption.adopt(context, HERE, Wanted("ben"))
    assert adopted(context, H1) == (fought,)


def tell_gone(context: Context, container: Container) -> int:
    return context.store.commit([Delete(SPACE.status(H1, container))])


def test_where_none_waits_nothing_is_stored(context: Context) -> None:
    tell(context, H1, "a", adopted=True)
    before = context.fresh().revision
    document = adoption.adopt(context, HERE, Wanted("anna", yes=True))
    assert (document["containers"], document["change"]) == ([], None)
    assert context.fresh().adoptions == {}
    assert context.fresh().revision == before


@pytest.mark.parametrize("scope", [Scope(Env("_default"), WEB), Scope(DEV, App("_default"))])
def test_an_app_and_an_env_are_named(context: Context, scope: Scope) -> None:
    with pytest.raises(Malformed, match="name the app and the env"):
        adoption.adopt(context, scope, Wanted("anna"))


def test_a_store_of_the_format_before_takes_no_adoption(context: Context) -> None:
    context.mirror.wait(context.store.commit([Put(SPACE.meta, fresh_meta(1))]), 5)
    with pytest.raises(Refused, match="confctl upgrade"):
        adoption.adopt(context, HERE, Wanted("anna"))


def test_who_was_faster_is_not_overwritten(context: Context, other: Context, store: FailingStore) -> None:
    one, two = tell(context, H1, "a"), tell(context, H1, "b")
    other.mirror.wait(context.fresh().revision, 5)

    def faster(operations: object) -> bool:
        adoption.adopt(other, HERE, Wanted("ben"), "b")
        return True

    store.before_commit = faster
    adoption.adopt(context, HERE, Wanted("anna"), "a")
    assert set(adopted(context, H1)) == {one, two}
