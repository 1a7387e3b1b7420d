"""Adoption: somebody looks at what differs in containers that ran before, and says that it is to be brought in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from confd.adoption import Adoption, adoption_of, adoption_text
from confd.errors import Malformed, NeedsYes, NotFound
from confd.keys import DEFAULT, Container, Host, Layer, show
from confd.model import ChangeKind, ContainerPlan, Snapshot
from confd.published import step_document
from confd.services import changes
from confd.services.context import Context
from confd.services.meta import require_format
from confd.services.places import Place, Told, told_of
from confd.services.planning import Planner
from confd.services.scope import Scope
from confd.services.wanted import Wanted
from confd.wording import counted

__all__ = ["adopt"]


def adopt(context: Context, scope: Scope, wanted: Wanted, container: str | None = None) -> dict[str, Any]:
    """Adopt the containers of an app in an env (on a host) that wait for it, or that are contested.

    `container` is a name or the beginning of an id, where one alone is meant.
    Raises `NotFound` for a container that is none of them, `NeedsYes` where something would be done to one.
    """
    if DEFAULT in (scope.env, scope.app):
        raise Malformed("name the app and the env whose containers are adopted; _default has none")
    layer = Layer(scope.env, scope.app)
    return context.decided(layer, lambda snapshot: _store(context, snapshot, scope, wanted, container))


def _store(
    context: Context, snapshot: Snapshot, scope: Scope, wanted: Wanted, container: str | None
) -> dict[str, Any]:
    require_format(snapshot, 2, "an adoption")
    told = _told(snapshot, scope)
    waiting = [one for one in told if _waits(one) and _is_meant(one, container)]
    if not waiting and container is not None:
        raise NotFound(
            f"no container {show(container)} of {scope.app} in {scope.env} waits to be adopted; "
            f"`confctl status {scope.app}` lists them"
        )
    planner = Planner(context, snapshot)
    plans = [(one, _plan(planner, one)) for one in waiting]
    document = {"containers": [_document(one, plan) for one, plan in plans]}
    if wanted.dry_run or not waiting:
        return {"revision": snapshot.revision, "change": None, **document}
    acting = [plan.name for _, plan in plans if plan.due]
    if acting and not wanted.yes:
        raise NeedsYes(
            f"adopting does something to {len(acting)} of {counted(len(plans), 'container')} "
            f"({', '.join(acting[:5])}); look with a dry run, then confirm with yes (confctl: --yes)"
        )
    before, after = _documents(context, snapshot, told, waiting, wanted)
    change = changes.draft(
        Layer(scope.env, scope.app),
        before,
        after,
        kind=ChangeKind.ADOPTION,
        author=wanted.author,
        message=wanted.message,
        at="",
    )
    stored, revision = changes.commit(context, snapshot, change)
    return {"revision": revision, "change": stored.number, **document}


def _told(snapshot: Snapshot, scope: Scope) -> list[Told]:
    return [one for one in told_of(snapshot, [(scope.env, scope.app)]) if scope.host in (None, one.host)]


def _waits(one: Told) -> bool:
    return one.observed is not None and (not one.observed.adopted or bool(one.observed.contested))


def _is_meant(one: Told, container: str | None) -> bool:
    return container is None or one.status.get("name") == container or one.container.startswith(container)


def _plan(planner: Planner, one: Told) -> ContainerPlan:
    """What would be done once it is adopted, and nothing holds it."""
    assert one.observed is not None  # noqa: S101 - those that wait were observed
    observed = replace(one.observed, adopted=True, contested="")
    return planner.plan(Place(observed.env, observed.app, one.host), observed, holds=())


def _document(one: Told, plan: ContainerPlan) -> dict[str, Any]:
    return {
        "container": one.container,
        "name": plan.name,
        "host": one.host,
        "alive": one.alive,
        "steps": [step_document(step) for step in plan.steps],
    }


def _documents(
    context: Context, snapshot: Snapshot, told: Sequence[Told], waiting: Sequence[Told], wanted: Wanted
) -> tuple[Mapping[str, str | None], Mapping[str, str | None]]:
    """The adoption documents of each host before and after; containers that are gone are left out."""
    before: dict[str, str | None] = {}
    after: dict[str, str | None] = {}
    for host in sorted({one.host for one in waiting}):
        env, app = waiting[0].status["env"], waiting[0].status["app"]
        entry = snapshot.adoptions.get((env, app), {}).get(Host(host))
        here = {one.container for one in told if one.host == host}
        kept = [one for one in adoption_of(entry).containers if one in here]
        new: list[Container] = [one.container for one in waiting if one.host == host]
        adoption = Adoption(tuple(dict.fromkeys([*kept, *new])), wanted.author, wanted.message, context.clock.utc())
        before[host] = entry.text if entry else None
        after[host] = adoption_text(adoption)
    return before, after
