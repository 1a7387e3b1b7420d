"""What the containers of an app run with, against what is set: by key, since agents tell no values of variables."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from confd.keystates import IN_EFFECT, SHIM, states_of
from confd.model import Snapshot
from confd.plan.fields import fields_of
from confd.services.context import Context
from confd.services.places import Place, told_of
from confd.services.planning import Planner
from confd.services.scope import Scope

__all__ = ["differences"]


def differences(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """Each container that does not run with all that is set, from what its agent told last.

    `keys` are those that are not in effect in it, with their state and why, `fields` what of its inspect will be
    another: of run options the values now and then. `seen` counts the containers that were looked at.
    """
    planner, found, times = Planner(context, snapshot), [], []
    for told in told_of(snapshot, [(scope.env, scope.app)]):
        if told.observed is None or scope.host not in (None, told.host):
            continue
        times.append(str(told.status.get("at")))
        place = Place(scope.env, scope.app, told.host)
        due = planner.due(place, told.observed.found)
        plan = planner.planned(due, place, told.observed)
        states = states_of(due[0], told.observed, plan)
        keys = [
            {"key": key, "state": one.state, "why": one.why}
            for key, one in states.items()
            if one.state not in (IN_EFFECT, SHIM)
        ]
        fields = [asdict(field) for field in fields_of(plan, due[0], told.observed)]
        if keys or fields:
            where = {"container": told.container, "name": plan.name, "host": told.host, "alive": told.alive}
            found.append({**where, "keys": keys, "fields": fields})
    return {
        "revision": snapshot.revision,
        "as_of": min(times, default=None),
        "seen": len(times),
        "containers": found,
    }
