"""Turns and stops: who comes first, and what a failure holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.holds import holds_of
from confd.keys import App, Env, Host, Layer
from confd.model import Cause, Entry, Hold, Reach, Snapshot
from confd.rollout import Stop, Ticket, settings_id, stop_in, stop_text, ticket_text, turn_of

PROD, EVERY, WEB = Env("prod"), Env("_default"), App("web")
H1, H2, H3 = Host("h1"), Host("h2"), Host("h3")
AT = "2026-01-01T00:00:00.000Z"


def queue(**came: int) -> dict[Host, Entry]:
    """Hosts and the revisions at which they came."""
    text = ticket_text(Ticket("web", "recreate"))
    return {Host(host): Entry(host, text, 9, create_revision=at) for host, at in came.items()}


@pytest.mark.parametrize(
    ("host", "max_parallel", "waits"),
    [
        (H1, 1, ""),
        (H2, 1, "web is being recreated on h1"),
        (H3, 1, "web is being recreated on h1"),
        (H2, 2, ""),
        (H3, 2, "web is being recreated on h1, web is being recreated on h2"),
        (H3, 3, ""),
        (Host("h4"), 9, None),
    ],
)
def test_who_came_first_has_the_turn_b106(host: Host, max_parallel: int, waits: str | None) -> None:
    turn = turn_of(queue(h2=6, h1=5, h3=7), host, max_parallel)
    assert (turn.waits if turn else None) == waits
    assert turn is None or bool(turn.waits) == (turn.share == 0)


@given(st.permutations(["h1", "h2", "h3", "h4"]), st.integers(1, 5))
def test_never_more_than_so_many_have_the_turn_b106(order: list[str], max_parallel: int) -> None:
    tickets = queue(**{host: at for at, host in enumerate(order, 1)})
    turns = [turn_of(tickets, Host(host), max_parallel) for host in order]
    assert [turn.share for turn in turns if turn] == [1 if at < max_parallel else 0 for at in range(4)]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 8))
def test_hosts_that_want_several_at_once_share_what_there_is(widths: list[int], max_parallel: int) -> None:
    tickets = {
        Host(f"h{at}"): Entry(f"h{at}", ticket_text(Ticket("web", "recreate", width)), 9, create_revision=at)
        for at, width in enumerate(widths, 1)
    }
    turns = [turn_of(tickets, host, max_parallel) for host in tickets]
    shares = [turn.share for turn in turns if turn is not None]
    assert sum(shares) == min(max_parallel, sum(widths))
    assert all(share <= width for share, width in zip(shares, widths, strict=True))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{", "it is the turn of h1"),
        ('{"container": "web"}', "it is the turn of h1"),
        ('{"container": "web", "action": "restart"}', "web is being restarted on h1"),
        ('{"container": "web", "action": "other", "width": "x"}', "it is the turn of h1"),
        ('{"container": "web", "action": "other"}', "web is being other on h1"),
    ],
)
def test_what_a_ticket_says(text: str, word: str) -> None:
    tickets = {H1: Entry("a", text, 5, create_revision=5), **queue(h2=6)}
    turn = turn_of(tickets, H2, 1)
    assert turn is not None
    assert turn.waits == word


def settings(*, shared: dict[str, int], own: dict[str, int] | None = None, binding: int = 0) -> Snapshot:
    """A snapshot whose keys were last changed at these revisions."""
    layers = {
        Layer(PROD, WEB): {key: Entry(key, "1", at) for key, at in shared.items()},
        Layer(PROD, WEB, H1): {key: Entry(key, "1", at) for key, at in (own or {}).items()},
    }
    return Snapshot(layers=layers, bindings={(PROD, WEB): Entry("b", "{}", binding)} if binding else {})


def test_every_change_of_the_shared_settings_or_the_binding_gives_another_state() -> None:
    states = [
        settings(shared={"a": 1}),
        settings(shared={"a": 2}),
        settings(shared={"a": 2, "b": 1}),
        settings(shared={}),
        settings(shared={"a": 1}, binding=3),
        settings(shared={"a": 1}, binding=4),
    ]
    assert len({settings_id(one, PROD, WEB) for one in states}) == len(states)


def test_what_one_host_has_of_its_own_is_no_other_state() -> None:
    assert settings_id(settings(shared={"a": 1}), PROD, WEB) == settings_id(
        settings(shared={"a": 1}, own={"a": 7}), PROD, WEB
    )


def stopped(snapshot: Snapshot, text: str | None = None) -> Snapshot:
    stop = Stop("h1", "web-1", "recreate", "exited 1", AT, settings_id(snapshot, PROD, WEB))
    return Snapshot(
        layers=snapshot.layers,
        bindings=snapshot.bindings,
        stops={(PROD, WEB): Entry("stop", text if text is not None else stop_text(stop), 9)},
    )


def test_the_first_failure_holds_the_others_and_names_what_to_do_b106() -> None:
    snapshot = stopped(settings(shared={"a": 1}))
    (hold,) = holds_of(snapshot, PROD, WEB, H2)
    assert (hold.cause, hold.reach, hold.spares) == (Cause.STOPPED, Reach.NEW_PROCESS, ())
    assert "recreate of web-1 on h1 failed: exited 1" in hold.why
    assert "confctl rollback web -e prod" in hold.why
    (own,) = holds_of(snapshot, PROD, WEB, H1)
    assert own.spares == ("web-1",)


def test_other_settings_end_a_stop() -> None:
    before = stopped(settings(shared={"a": 1}))
    after = Snapshot(layers=settings(shared={"a": 2}).layers, stops=before.stops)
    assert stop_in(before, PROD, WEB) is not None
    assert stop_in(after, PROD, WEB) is None
    assert holds_of(after, PROD, WEB, H2) == ()


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"host": "h1"})])
def test_a_stop_that_cannot_be_read_stops_nothing(text: str) -> None:
    assert holds_of(stopped(settings(shared={"a": 1}), text), PROD, WEB, H2) == ()


def test_a_stop_of_other_types_stops_nothing() -> None:
    snapshot = settings(shared={"a": 1})
    text = stop_text(Stop("h1", "web-1", "recreate", "exited 1", AT, settings_id(snapshot, PROD, WEB)))
    wrong = json.dumps({**json.loads(text), "detail": 1})
    assert holds_of(stopped(snapshot, wrong), PROD, WEB, H2) == ()


def test_a_hold_without_an_end_is_for_everybody() -> None:
    assert Hold(Cause.HELD, "frozen").spares == ()
