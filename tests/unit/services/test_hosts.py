"""Forgetting a lost host: not while its agent lives, and all that it wrote."""

from __future__ import annotations

from dataclasses import replace

import pytest

from confd.errors import NeedsYes, NotFound, Refused
from confd.keys import App, Container, Env, Host, Keyspace, Layer
from confd.model import HostState, Snapshot
from confd.ports import Area, Put
from confd.services import brakes, hosts, settings
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from tests.support.hosts import HostStand

SPACE, H1 = Keyspace(), Host("h1")
OVERRIDE = Scope(Env("dev"), App("web"), H1)


def lost(context: Context) -> None:
    """A host that is lost, with what its agent wrote and what somebody set for it."""
    stand = HostStand(context.store, "h1").up(alive=False)
    container = stand.runs("web-1")
    HostStand(context.store, "h2").up().runs("web-2")
    settings.edit(context, OVERRIDE, Edit({"A": "1"}))
    adoption = SPACE.adoption(Env("dev"), App("web"), H1)
    puts = [Put(SPACE.ledger(H1, Container(f"{container}{i}")), "{}") for i in range(250)]
    for some in (puts[:120], puts[120:], [Put(SPACE.sightings(H1), "{}"), Put(adoption, "{}")]):
        revision = context.store.commit(some)
    context.mirror.wait(revision, 5)


def test_all_that_its_agent_wrote_goes_and_what_is_set_for_it_stays(context: Context) -> None:
    lost(context)
    document = hosts.forget(context, H1, dry_run=False, yes=True)
    assert document["containers"] == ["web-1"]
    assert context.store.snapshot([Area(SPACE.host(H1))]).entries == {}
    after = context.fresh()
    assert [one["host"] for one in hosts.hosts(after)["hosts"]] == ["h2"]
    assert after.adoptions == {}
    assert after.layers[Layer(Env("dev"), App("web"), H1)]["A"].text == '"1"'


def test_it_is_shown_and_confirmed_first(context: Context) -> None:
    lost(context)
    assert hosts.forget(context, H1, dry_run=True, yes=False)["lost_since"] == "2026-01-02T00:00:00Z"
    with pytest.raises(NeedsYes, match="h1 and 1 container are"):
        hosts.forget(context, H1, dry_run=False, yes=False)
    assert H1 in context.fresh().hosts


def test_it_is_told_what_keeps_a_host_as_it_is(context: Context) -> None:
    HostStand(context.store, "h1").up(held="this host is frozen by the file")
    HostStand(context.store, "h2").up().runs("web-1", env="qa")
    for what in (Frozen(Env("qa")), Frozen(Env("dev"), App("web")), Frozen(Env("_default"), None, H1)):
        brakes.freeze(context, what, Wanted("anna", "sale"))
    told = {one["host"]: (one["held"], one["brakes"]) for one in hosts.hosts(context.fresh())["hosts"]}
    assert told["h1"] == ("this host is frozen by the file", [told["h1"][1][0]])
    assert told["h1"][1][0].startswith("host h1 is frozen by anna")
    assert (told["h2"][0], len(told["h2"][1]), told["h2"][1][0][:17]) == ("", 1, "env qa is frozen ")
    assert brakes.read_all(context.fresh())["hosts"] == [{"host": "h1", "why": "this host is frozen by the file"}]


def test_a_host_whose_agent_is_alive_is_not_forgotten(context: Context) -> None:
    HostStand(context.store, "h1").up()
    context.mirror.wait(context.fresh().revision, 5)
    with pytest.raises(Refused, match="is alive"):
        hosts.forget(context, H1, dry_run=False, yes=True)
    with pytest.raises(NotFound, match="confctl hosts"):
        hosts.forget(context, Host("h9"), dry_run=False, yes=True)


def test_a_host_is_listed_once_its_agent_has_told_of_it() -> None:
    """Between the claim and that there is nothing to show, and who waits for the host would go on too early."""
    alive = HostState(alive="{}")
    assert hosts.hosts(Snapshot(1, hosts={Host("h1"): alive}))["hosts"] == []
    told = replace(alive, about='{"env": "dev"}')
    (one,) = hosts.hosts(Snapshot(1, hosts={Host("h1"): told}))["hosts"]
    assert (one["alive"], one["env"]) == (True, "dev")
