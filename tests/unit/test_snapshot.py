"""Snapshots: a listing and the same entries one by one give the same, and nothing untouched is copied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import App, Container, Env, Host, Keyspace, Layer
from confd.model import Entry, Head, Snapshot
from confd.ports import Batch, Event, Listing
from confd.snapshot import Touched, advance, all_areas, env_area, from_listing

SPACE = Keyspace("/confd")
PROD, WEB, H1 = Env("prod"), App("web"), Host("h1")
OWN, ON_HOST = Layer(PROD, WEB), Layer(PROD, WEB, H1)


def entries(texts: dict[str, str]) -> dict[str, Entry]:
    return {key: Entry(key, text, 5) for key, text in sorted(texts.items())}


TEXTS = {
    "/confd/meta": "{}",
    "/confd/envs/prod/settings/web/db/url": '"x"',
    "/confd/envs/prod/overrides/h1/web/a": "1",
    "/confd/envs/prod/heads/web": '{"number":3,"id":"i"}',
    "/confd/envs/prod/heads/web@h1": '{"number":4,"id":"j"}',
    "/confd/envs/prod/bindings/web": "{}",
    "/confd/envs/prod/freeze": '{"brakes": []}',
    "/confd/envs/prod/policies/base": '{"preset": "secure"}',
    "/confd/envs/prod/adoptions/web/h1": "{}",
    "/confd/envs/prod/turns/web/h1": "{}",
    "/confd/envs/prod/turns/web/h2": "{}",
    "/confd/envs/prod/stops/web": "{}",
    "/confd/envs/prod/owned/web@h1": "{}",
    "/confd/meta/resumed": "{}",
    "/confd/hosts/h1/about": '{"cpus":2}',
    "/confd/hosts/h1/alive": "{}",
    "/confd/hosts/h1/status/c1": "{}",
    "/confd/schemas/web/3": '{"type": "object"}',
}


def test_every_kind_of_entry_finds_its_place() -> None:
    snapshot = from_listing(SPACE, Listing(9, entries(TEXTS)))
    assert snapshot.revision == 9
    assert snapshot.meta == "{}"
    assert snapshot.layers[OWN]["db/url"].text == '"x"'
    assert snapshot.layers[ON_HOST]["a"].text == "1"
    assert snapshot.heads == {OWN: Head(3, "i", 5), ON_HOST: Head(4, "j", 5)}
    assert snapshot.bindings[(PROD, WEB)].text == "{}"
    assert snapshot.freezes[PROD].text == '{"brakes": []}'
    assert snapshot.policies[(PROD, "base")].text == '{"preset": "secure"}'
    assert snapshot.adoptions[(PROD, WEB)][H1].text == "{}"
    assert sorted(snapshot.turns[(PROD, WEB)]) == ["h1", "h2"]
    assert snapshot.stops[(PROD, WEB)].text == "{}"
    assert snapshot.owned[ON_HOST].text == "{}"
    assert snapshot.resumed is not None
    assert snapshot.hosts[H1].about == '{"cpus":2}'
    assert snapshot.hosts[H1].alive == "{}"
    assert snapshot.hosts[H1].status == {Container("c1"): "{}"}


@pytest.mark.parametrize(
    "key",
    [
        "/confd/envs/Not An Env/settings/web/a",
        "/confd/envs/prod/settings/WEB/a",
        "/confd/envs/prod/other/web",
        "/confd/envs/prod/freeze/web",
        "/confd/envs/prod/policies/a/b",
        "/confd/envs/prod/stops/web/h1",
        "/confd/envs/prod/turns/web",
        "/confd/schemas/WEB/1",
        "/confd/schemas/web/01",
        "/confd/schemas/web/draft",
        "/confd/hosts/UP/alive",
        "/confd/hosts/h1/ledger/c",
        "/elsewhere",
    ],
)
def test_what_is_none_of_ours_is_passed_over(key: str) -> None:
    assert from_listing(SPACE, Listing(9, entries({key: "1"}))) == from_listing(SPACE, Listing(9, {}))


def test_a_key_outside_the_grammar_is_kept_for_resolve_to_report_b57() -> None:
    snapshot = from_listing(SPACE, Listing(9, entries({"/confd/envs/prod/settings/web/bad key": "1"})))
    assert list(snapshot.layers[OWN]) == ["bad key"]


def test_a_head_tells_on_which_revision_it_was_decided_and_what_it_does_not_vouch_for() -> None:
    text = '{"number": 3, "id": "i", "since": 4, "held": ["A"]}'
    snapshot = from_listing(SPACE, Listing(9, entries({SPACE.head(OWN): text})))
    assert snapshot.heads[OWN] == Head(3, "i", 5, "", "", 4, ("A",))


def test_the_rules_of_an_env_come_and_go() -> None:
    entry = Entry(SPACE.rules(OWN.env), "{}", 10)
    after, touched = advance(SPACE, Snapshot(9), Batch(10, (Event(entry.key, entry),)))
    assert (after.rules, touched.freezes) == ({OWN.env: entry}, frozenset({OWN.env}))
    gone, _ = advance(SPACE, after, Batch(11, (Event(entry.key, None),)))
    assert gone.rules == {}


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"number":"x"}'])
def test_a_damaged_head_still_has_the_revision_that_writers_compare(text: str) -> None:
    snapshot = from_listing(SPACE, Listing(9, entries({"/confd/envs/prod/heads/web": text})))
    assert snapshot.heads[OWN] == Head(0, "", 5)


def test_advance_tells_what_it_touched_and_shares_the_rest() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    key = SPACE.settings(OWN) + "new"
    after, touched = advance(SPACE, before, Batch(10, (Event(key, Entry(key, "2", 10)),)))
    assert touched == Touched(layers=frozenset({OWN}))
    assert set(after.layers[OWN]) == {"db/url", "new"}
    assert set(before.layers[OWN]) == {"db/url"}
    assert after.layers[ON_HOST] is before.layers[ON_HOST]
    assert after.hosts[H1] is before.hosts[H1]


def test_a_batch_that_is_already_in_changes_nothing() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    assert advance(SPACE, before, Batch(9, (Event("/confd/meta", None),))) == (before, Touched())


def test_a_batch_without_events_only_moves_the_revision_on() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    after, touched = advance(SPACE, before, Batch(10, ()))
    assert (after, touched) == (from_listing(SPACE, Listing(10, entries(TEXTS))), Touched())
    assert after.layers is before.layers


def test_entries_of_one_layer_in_one_batch_all_get_in() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    keys = [SPACE.settings(OWN) + name for name in ("x", "y")]
    after, touched = advance(SPACE, before, Batch(10, tuple(Event(key, Entry(key, "2", 10)) for key in keys)))
    assert set(after.layers[OWN]) == {"db/url", "x", "y"}
    assert touched == Touched(layers=frozenset({OWN}))


def test_the_states_of_two_containers_in_one_batch_both_get_in() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    events = tuple(Event(f"/confd/hosts/h1/status/{c}", Entry("", c, 10)) for c in ("c2", "c3"))
    after, touched = advance(SPACE, before, Batch(10, events))
    assert after.hosts[H1].status == {"c1": "{}", "c2": "c2", "c3": "c3"}
    assert after.hosts[H1].about == before.hosts[H1].about
    assert touched == Touched(hosts=frozenset({H1}))


def test_a_host_that_only_comes_alive_keeps_its_containers_states() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    key = "/confd/hosts/h1/alive"
    after, _ = advance(SPACE, before, Batch(10, (Event(key, Entry(key, '{"at":2}', 10)),)))
    assert after.hosts[H1].alive == '{"at":2}'
    assert after.hosts[H1].status is before.hosts[H1].status


def test_deleting_everything_leaves_an_empty_snapshot() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    after, touched = advance(SPACE, before, Batch(10, tuple(Event(key, None) for key in TEXTS)))
    assert after == from_listing(SPACE, Listing(10, {}))
    web = frozenset({(PROD, WEB)})
    prod, layers = frozenset({PROD}), frozenset({OWN, ON_HOST})
    assert touched == Touched(layers, web, frozenset({H1}), prod, web, web, True, prod, frozenset({WEB}))


def test_a_new_version_of_a_schema_stands_beside_the_others() -> None:
    before = from_listing(SPACE, Listing(9, entries(TEXTS)))
    key = SPACE.schema(WEB, 4)
    after, touched = advance(SPACE, before, Batch(10, (Event(key, Entry(key, "{}", 10)),)))
    assert touched == Touched(schemas=frozenset({WEB}))
    assert (sorted(after.schemas[WEB]), sorted(before.schemas[WEB])) == ([3, 4], [3])


@given(st.lists(st.tuples(st.sampled_from(sorted(TEXTS)), st.booleans()), max_size=30))
def test_advancing_event_by_event_equals_the_listing(steps: list[tuple[str, bool]]) -> None:
    snapshot = from_listing(SPACE, Listing(1, {}))
    state: dict[str, Entry] = {}
    for revision, (key, put) in enumerate(steps, 2):
        entry = Entry(key, TEXTS[key], revision) if put else None
        state.pop(key, None)
        if entry is not None:
            state[key] = entry
        snapshot, _ = advance(SPACE, snapshot, Batch(revision, (Event(key, entry),)))
    assert snapshot == from_listing(SPACE, Listing(len(steps) + 1, state))


def test_an_agent_never_follows_records_or_another_hosts_overrides() -> None:
    area = env_area(SPACE, PROD, H1)
    held = [key for key in TEXTS if area.holds(key)]
    assert held == [key for key in TEXTS if key.startswith("/confd/envs/prod/") and "/owned/" not in key]
    assert not area.holds("/confd/envs/prod/overrides/h2/web/a")
    assert not area.holds("/confd/envs/prod/changes/web/000000000001")


def test_the_api_follows_all_but_records_and_ledgers() -> None:
    areas = all_areas(SPACE)
    assert all(any(area.holds(key) for area in areas) for key in TEXTS)
    for key in ("/confd/envs/prod/changes/web/000000000001", "/confd/hosts/h1/ledger/c1"):
        assert not any(area.holds(key) for area in areas)


def test_a_newer_change_alone_touches_its_layer() -> None:
    """As when somebody takes for right what went from the store without a change."""
    snapshot = from_listing(SPACE, Listing(9, entries(TEXTS)))
    head = Entry("/confd/envs/prod/heads/web", '{"number":4,"id":"k","names":"n"}', 10)
    after, touched = advance(SPACE, snapshot, Batch(10, (Event(head.key, head),)))
    assert (after.heads[OWN], touched.layers) == (Head(4, "k", 10, "n"), frozenset({OWN}))
