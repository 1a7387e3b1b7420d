"""How far a write reaches: which apps, hosts and containers, and what it does to each; and what it takes away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confd.errors import NeedsYes, Shrinks
from confd.keys import DEFAULT, Host
from confd.model import Observed, Snapshot
from confd.published import block_of
from confd.resolve import keys_of
from confd.services.context import Context
from confd.services.places import Place, Told, told_of
from confd.services.planning import Planner
from confd.shrink import is_shrink
from confd.wording import counted

__all__ = [
    "MAX_CONTAINERS",
    "SHOWN",
    "check_reach",
    "check_shrink",
    "needs_yes",
    "reached",
    "reached_hosts",
    "shrinks",
]

MAX_CONTAINERS = 10
"""More than these, or more than one app, need a yes."""

NAMED = 5
SHOWN = 100
"""So many containers are named one by one."""


def reached(context: Context, after: Snapshot, places: Sequence[Place]) -> dict[str, Any]:
    """Apps, hosts and containers of the places that a write reaches, and what is done to each once it is stored."""
    told = [one for one in told_of(after, {(place.env, place.app) for place in places}) if _is_at(one, places)]
    planner = Planner(context, after)
    which = [_touch(planner, one) for one in told]
    names = sorted({place.app for place in places if place.app != DEFAULT})
    return {
        "apps": len(names),
        "names": names[:SHOWN],
        "hosts": len({one.host for one in told}),
        "containers": len(told),
        "needs_yes": len(names) > 1 or len(told) > MAX_CONTAINERS,
        "actions": dict(Counter(one["action"] for one in which)),
        "which": which[:SHOWN],
    }


def _is_at(told: Told, places: Sequence[Place]) -> bool:
    """Whether a container is of one of the places: of the whole app in its env, or of that on its host alone."""
    env, app = told.status.get("env"), told.status.get("app")
    return any((one.env, one.app) == (env, app) and one.host in (None, told.host) for one in places)


def reached_hosts(
    snapshot: Snapshot, places: Iterable[Place], host: Host | None = None
) -> Mapping[Place, list[Observed]]:
    """Where containers of the places run, on one host or on all, and what each such host has told of them."""
    found: dict[Place, list[Observed]] = {}
    for one in told_of(snapshot, {(place.env, place.app) for place in places}):
        if one.observed is not None and host in (None, one.host):
            found.setdefault(Place(one.observed.env, one.observed.app, one.host), []).append(one.observed)
    return found


def _touch(planner: Planner, one: Told) -> dict[str, Any]:
    """What would be done to a container, from what its agent told of it last."""
    where = {name: one.status.get(name) for name in ("name", "app", "env")} | {"host": one.host}
    if one.observed is None:
        return {**where, "action": "unknown", "blocked": None}
    place = Place(one.observed.env, one.observed.app, one.host)
    plan = planner.plan(place, one.observed)
    strongest = max(plan.due, key=lambda step: step.reach, default=None)
    blocked = next((step for step in plan.steps if step.blocked is not None), None)
    state, why = block_of(blocked) if blocked else ("none", None)
    return {**where, "action": strongest.action if strongest else state, "blocked": why}


def check_reach(reaches: dict[str, Any], yes: bool) -> None:
    """Raises `NeedsYes` where a write reaches further than one asks for by the way."""
    if reaches["needs_yes"] and not yes:
        raise NeedsYes(f"{_far(reaches)}; look with a dry run, then confirm with yes (confctl: --yes)")


def needs_yes(reaches: Mapping[str, Any]) -> list[str]:
    """What a dry run tells of a write that reaches so far."""
    return [f"{_far(reaches)}: that needs yes (confctl: --yes)"] if reaches["needs_yes"] else []


def _far(reaches: Mapping[str, Any]) -> str:
    apps, containers, hosts = (counted(reaches[name], name[:-1]) for name in ("apps", "containers", "hosts"))
    done = ", ".join(f"{action} {count}" for action, count in sorted(reaches["actions"].items()))
    names = reaches.get("names", ())
    which = f" ({', '.join(names[:NAMED])}{' ...' if len(names) > NAMED else ''})" if len(names) > 1 else ""
    return f"this reaches {apps}{which} with {containers} on {hosts}{f' ({done})' if done else ''}"


def shrinks(before: Snapshot, after: Snapshot, places: Iterable[Place]) -> list[str]:
    """Which effective sets lose more than a third of their keys, or all of them, in words."""
    found = []
    for place in places:
        if DEFAULT in (place.env, place.app):  # shared by the apps and envs, and told for each of them
            continue
        was, now = (keys_of(one, place.env, place.app, place.host) for one in (before, after))
        if is_shrink(was, now):
            where = f"{place.app} in {place.env}" + (f" on {place.host}" if place.host else "")
            found.append(f"{where} loses {len(was - now)} of {len(was)} keys")
    return found


def check_shrink(found: Sequence[str], force: bool) -> None:
    """Raises `Shrinks` where a write takes much away and was not forced."""
    if found and not force:
        raise Shrinks(
            f"{'; '.join(found[:5])}: that is more than a third, or all of them; nothing was stored. If it is "
            "meant, say so with force (confctl: --force)"
        )
