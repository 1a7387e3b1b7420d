"""Promotion: the settings of an app, or of all apps, carried from one env to another.

Of an app its own layer is carried: what all apps of an env share, and what one host has, is of that env. All apps
are decided and checked before the first is stored, and are stored in one transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confd.binding import binding_of
from confd.errors import Malformed, NotFound
from confd.keyring import is_sealed
from confd.keys import DEFAULT, App, Env, Layer
from confd.model import EMPTY, Change, Head, Snapshot
from confd.promotion import Choice, promotion
from confd.services.context import Context
from confd.services.gate import store_all
from confd.services.reach import MAX_CONTAINERS, SHOWN, check_reach
from confd.services.scope import Scope
from confd.services.sealing import Ciphertext
from confd.services.settings import Edit, Written, became, weigh

__all__ = ["Course", "Promoted", "promote", "total"]


@dataclass(frozen=True, slots=True)
class Course:
    """From where to where, which app, and which of its keys. No app: every app with settings of its own there."""

    source: Env
    target: Env
    app: App | None = None
    choice: Choice = field(default_factory=Choice)


@dataclass(frozen=True, slots=True)
class Promoted:
    """What became of one app. `kept` tells of each key that differs and stays why."""

    app: App
    written: Written
    kept: Mapping[str, str]


def promote(context: Context, course: Course, wanted: Edit) -> list[Promoted]:
    """One change of each app's layer in the target, all of them or none.

    Raises `NotFound` where there is nothing to carry, and what a write raises.
    """
    if course.source == course.target:
        raise Malformed("from and to are the same env; name two", pointer="/from")
    at = Layer(course.target, course.app or App(DEFAULT))
    return context.decided(at, lambda snapshot: _decide(context, snapshot, course, wanted))


def _decide(context: Context, snapshot: Snapshot, course: Course, wanted: Edit) -> list[Promoted]:
    wanted.check(snapshot)
    found: list[Promoted] = []
    drafts: dict[App, Change] = {}
    seen = snapshot
    for app in _apps(snapshot, course):
        one, change = _weigh(context, seen, course, app, wanted)
        seen = one.written.after
        found.append(one)
        if change is not None:
            drafts[app] = change
    if wanted.dry_run or not drafts:
        return found
    check_reach(total(found), wanted.yes)
    stored = dict(
        zip(drafts, store_all(context, snapshot, [*drafts.values()], wanted.asked, wanted.force), strict=True)
    )
    return [
        replace(one, written=became(one.written, stored[one.app])) if one.app in stored else one for one in found
    ]


def _apps(snapshot: Snapshot, course: Course) -> Sequence[App]:
    there = sorted(at.app for at in snapshot.layers if at.env == course.source and at.host is None)
    if course.app is not None:
        there = [app for app in there if app == course.app]
    else:
        there = [app for app in there if app != DEFAULT]
    if not there:
        what = course.app or "no app"
        raise NotFound(f"{what} has {'no ' if course.app else ''}settings of its own in {course.source}")
    return there


def _weigh(
    context: Context, snapshot: Snapshot, course: Course, app: App, wanted: Edit
) -> tuple[Promoted, Change | None]:
    source, target = Layer(course.source, app), Layer(course.target, app)
    texts, there = (
        {key: entry.text for key, entry in snapshot.layers.get(at, EMPTY).items()} for at in (source, target)
    )
    excluded = binding_of(snapshot, course.target, app)[0].promote_exclude
    due = promotion(texts, there, excluded, course.choice, course.target)
    secrets = {key: Ciphertext(text, source) for key, text in due.after.items() if text and is_sealed(text)}
    note = f"promoted from {source} (change {snapshot.heads.get(source, Head()).number})"
    message = wanted.message or f"promote from {course.source}"
    edit = replace(wanted, message=message, note=note, sealed=secrets, yes=True)  # all apps together need a yes
    written, change = weigh(context, snapshot, Scope(course.target, app), edit, due.after)
    return Promoted(app, written, due.kept), change


def total(found: Sequence[Promoted]) -> dict[str, Any]:
    """What all of it reaches together: no container is of two apps."""
    changed = [one.written.reaches for one in found if one.written.differences]
    which = [touched for one in changed for touched in one["which"]]
    containers = sum(int(one["containers"]) for one in changed)
    actions: Counter[str] = Counter()
    for one in changed:
        actions.update(one["actions"])
    return {
        "apps": len(changed),
        "hosts": len({touched["host"] for touched in which}),
        "containers": containers,
        "needs_yes": len(changed) > 1 or containers > MAX_CONTAINERS,
        "actions": dict(actions),
        "which": which[:SHOWN],
    }
