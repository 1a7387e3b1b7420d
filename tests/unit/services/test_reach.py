"""How far a write reaches and what it does there; and the guard on what takes much away."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import NeedsYes, Shrinks
from confd.keys import App, Env, Host, Layer
from confd.model import Entry, Snapshot, frozen
from confd.services import bindings, brakes, settings
from confd.services.brakes import Frozen
from confd.services.context import Context
from confd.services.places import Place
from confd.services.reach import check_reach, check_shrink, shrinks
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.wanted import Wanted
from tests.support.hosts import HostStand

DEV, WEB, EVERY, H1 = Env("dev"), App("web"), App("_default"), Host("h1")
HERE = Scope(DEV, WEB)


def _edit(context: Context, **members: object) -> settings.Written:
    return settings.edit(context, HERE, Edit(**members))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "action"), [({"A": "1"}, "recreate"), ({"run/memory": "256m"}, "update"), ({"conf/x": "1"}, "none")]
)
def test_a_write_says_what_it_does_to_each_container_before_it_is_stored(
    context: Context, values: dict[str, str], action: str
) -> None:
    HostStand(context.store, "h1").up().runs("web-1")
    bindings.put(context, HERE, {"variables": {"include": ["A"]}}, Edit())
    context.mirror.wait(context.fresh().revision, 5)
    told = _edit(context, set=values, dry_run=True)
    where = {"name": "web-1", "app": "web", "env": "dev", "host": "h1"}
    assert told.reaches["actions"] == {action: 1}
    assert [dict(one, blocked=None) for one in told.reaches["which"]] == [
        where | {"action": action, "blocked": None}
    ]
    assert _edit(context, set=values).reaches == told.reaches


def test_what_is_frozen_is_told_as_held(context: Context) -> None:
    HostStand(context.store, "h1").up().runs("web-1")
    context.mirror.wait(context.fresh().revision, 5)
    _edit(context, set={"run/memory": "128m"})
    brakes.freeze(context, Frozen(DEV, WEB), Wanted("anna", "sale"))
    told = _edit(context, set={"run/memory": "256m"}, dry_run=True)
    assert told.reaches["actions"] == {"held": 1}
    assert "frozen by anna" in told.reaches["which"][0]["blocked"]


def test_at_most_a_hundred_are_named_and_all_are_counted(context: Context) -> None:
    for number in range(3):
        stand = HostStand(context.store, f"h{number}").up()
        for one in range(40):
            stand.runs(f"web-{one}")
    context.mirror.wait(context.fresh().revision, 5)
    told = _edit(context, set={"run/memory": "256m"}, dry_run=True)
    assert (told.reaches["containers"], len(told.reaches["which"])) == (120, 100)
    assert told.reaches["actions"] == {"update": 120}
    with pytest.raises(NeedsYes, match=r"1 app with 120 containers on 3 hosts \(update 120\)"):
        _edit(context, set={"run/memory": "256m"})
    assert "run/memory" not in settings.read(context, context.fresh(), HERE)["settings"]


def _snapshot(count: int) -> Snapshot:
    layer = Layer(DEV, WEB)
    entries = {f"key{number}": Entry(f"key{number}", '"v"', 1) for number in range(count)}
    return Snapshot(1, frozen({layer: frozen(entries)}) if entries else frozen({}))


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [(4, 2, True), (6, 4, False), (6, 3, True), (5, 4, False), (3, 2, False), (1, 0, False), (2, 0, True),
     (2, 1, False), (9, 6, False), (10, 6, True), (0, 0, False), (3, 5, False)],
)  # fmt: skip
def test_more_than_a_third_or_all_of_them(before: int, after: int, held: bool) -> None:
    found = shrinks(_snapshot(before), _snapshot(after), [Place(DEV, WEB)])
    assert found == ([f"web in dev loses {before - after} of {before} keys"] if held else [])


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_guard_is_on_the_share_that_goes(before: int, after: int) -> None:
    gone = before - after
    held = gone >= 2 and (gone / before > 1 / 3 or after == 0)
    assert bool(shrinks(_snapshot(before), _snapshot(after), [Place(DEV, WEB)])) == held


def test_what_takes_much_away_is_held_until_forced(context: Context) -> None:
    names = list(string.ascii_lowercase[:6])
    _edit(context, set=dict.fromkeys(names, 1))
    with pytest.raises(Shrinks, match=r"web in dev loses 3 of 6 keys.*--force"):
        _edit(context, unset=names[:3])
    assert len(settings.read(context, context.fresh(), HERE)["settings"]) == 6
    told = _edit(context, unset=names[:3], dry_run=True)
    assert told.warnings == ("web in dev loses 3 of 6 keys: that needs force (confctl: --force)",)
    assert not _edit(context, unset=names[:3], dry_run=True, force=True).warnings
    _edit(context, unset=names[:3], force=True)
    assert list(settings.read(context, context.fresh(), HERE)["settings"]) == names[3:]


def test_the_guard_looks_at_every_place_that_the_layer_reaches(context: Context) -> None:
    """The shared layer of an env is small beside one app's own keys, and all that another app has."""
    everywhere = Scope(DEV, EVERY)
    settings.edit(context, everywhere, Edit({"proxy": "p", "zone": "z"}))
    _edit(context, set=dict.fromkeys(string.ascii_lowercase[:9], 1))
    settings.edit(context, Scope(DEV, App("db")), Edit({"size": 1}))
    with pytest.raises(Shrinks, match=r"^db in dev loses 2 of 3 keys: that is more"):
        settings.edit(context, everywhere, Edit(unset=["proxy", "zone"], yes=True))


def test_a_key_that_another_layer_gives_too_does_not_go(context: Context) -> None:
    settings.edit(context, Scope(DEV, EVERY), Edit({"a": 1, "b": 1}))
    _edit(context, set={"a": 2, "b": 2})
    _edit(context, unset=["a", "b"])


def test_a_hosts_own_layer_is_guarded_by_its_host(context: Context) -> None:
    settings.edit(context, Scope(DEV, WEB, H1), Edit({"a": 1, "b": 1}))
    with pytest.raises(Shrinks, match="web in dev on h1 loses 2 of 2 keys"):
        settings.edit(context, Scope(DEV, WEB, H1), Edit(unset=["a", "b"]))


def test_many_are_named_by_the_first_of_them() -> None:
    with pytest.raises(Shrinks) as caught:
        check_shrink([f"app{number} loses" for number in range(9)], force=False)
    assert "app4" in caught.value.detail
    assert "app5" not in caught.value.detail
    check_shrink(["x"], force=True)
    check_shrink([], force=False)


def test_counts_without_actions_are_told_as_such() -> None:
    with pytest.raises(NeedsYes, match="on 0 hosts; look"):
        check_reach({"apps": 2, "hosts": 0, "containers": 0, "needs_yes": True, "actions": {}}, yes=False)


def test_taking_the_newest_change_back_needs_no_force_and_going_further_back_does(context: Context) -> None:
    _edit(context, set={"a": 1})
    _edit(context, set={"b": 1, "c": 1, "d": 1})
    settings.rollback(context, HERE, None, Edit())
    assert list(settings.read(context, context.fresh(), HERE)["settings"]) == ["a"]
    settings.rollback(context, HERE, 2, Edit())
    with pytest.raises(Shrinks, match="loses 3 of 4 keys"):
        settings.rollback(context, HERE, 1, Edit())
