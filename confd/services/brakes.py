"""Brakes: who stops what, and why. Each freeze and unfreeze is a change in the history of what it concerns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from confd.errors import Malformed, NeedsYes, NotFound
from confd.holds import brakes_in, brakes_text, holds_of, word_of
from confd.keys import DEFAULT, App, Env, Host, Layer
from confd.model import Brake, ChangeKind, Entry, Snapshot, frozen
from confd.services import changes
from confd.services.context import Context
from confd.services.hosts import about_of
from confd.services.meta import require_format
from confd.services.places import Place, Told, told_of
from confd.services.planning import Planner
from confd.services.reach import MAX_CONTAINERS
from confd.services.wanted import Wanted
from confd.wording import counted

__all__ = ["Frozen", "freeze", "read", "read_all", "unfreeze"]

Decide = Callable[[Snapshot], tuple[Brake, ...]]


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a brake is put on: an env (`_default`: every env), in it an app, a host, or an app on one host."""

    env: Env
    app: App | None = None
    host: Host | None = None

    @property
    def layer(self) -> Layer:
        """The layer in whose history it stands."""
        return Layer(self.env, self.app or App(DEFAULT), self.host if self.app else None)

    def is_of(self, brake: Brake) -> bool:
        return (brake.app, brake.host) == (self.app, self.host)

    def covers(self, told: Told) -> bool:
        """Whether a container stands under this brake."""
        status = told.status
        return (
            self.env in (DEFAULT, status.get("env"))
            and self.app in (None, status.get("app"))
            and self.host in (None, told.host)
        )


def read(snapshot: Snapshot, env: Env) -> dict[str, Any]:
    """The brakes of an env and those of every env."""
    envs = dict.fromkeys((Env(DEFAULT), env))
    return {"revision": snapshot.revision, "brakes": [one for of in envs for one in _documents(snapshot, of)]}


def read_all(snapshot: Snapshot) -> dict[str, Any]:
    """All brakes that are on; `hosts`: those whose agents do nothing by themselves: their file, or `--observe`."""
    found = [one for env in sorted(snapshot.freezes) for one in _documents(snapshot, env)]
    held = [{"host": host, "why": about_of(state).get("held")} for host, state in sorted(snapshot.hosts.items())]
    return {"revision": snapshot.revision, "brakes": found, "hosts": [one for one in held if one["why"]]}


def _documents(snapshot: Snapshot, env: Env) -> list[dict[str, Any]]:
    return [{"env": env, **asdict(brake), "what": word_of(brake, env)} for brake in brakes_in(snapshot, env)]


def freeze(context: Context, what: Frozen, wanted: Wanted) -> dict[str, Any]:
    """Put a brake on, or say anew who wants it and why. Raises `Malformed` without a reason."""
    if not wanted.message.strip():
        raise Malformed("say why: whoever finds it frozen has to know (message; confctl: -m)", pointer="/message")
    brake = Brake(what.app, what.host, wanted.author, wanted.message, context.clock.utc())

    def put(snapshot: Snapshot) -> tuple[Brake, ...]:
        return (*(one for one in brakes_in(snapshot, what.env) if not what.is_of(one)), brake)

    return _write(context, what, wanted, put)


def unfreeze(context: Context, what: Frozen, wanted: Wanted) -> dict[str, Any]:
    """Take a brake off. Raises `NotFound` with those that are on, and `NeedsYes` where much would be set off."""

    def take(snapshot: Snapshot) -> tuple[Brake, ...]:
        brakes = brakes_in(snapshot, what.env)
        left = tuple(one for one in brakes if not what.is_of(one))
        if len(left) == len(brakes):
            on = "; ".join(one["what"] for one in read_all(snapshot)["brakes"]) or "no brake is on"
            raise NotFound(f"{_name(what)} is not frozen; {on}")
        return left

    return _write(context, what, wanted, take)


def _name(what: Frozen) -> str:
    env = "every env" if what.env == DEFAULT else f"env {what.env}"
    return " ".join(
        filter(None, [f"{what.app} in" if what.app else "", env, f"on host {what.host}" * bool(what.host)])
    )


def _write(context: Context, what: Frozen, wanted: Wanted, decide: Decide) -> dict[str, Any]:
    def store(snapshot: Snapshot) -> dict[str, Any]:
        return _store(context, snapshot, what, wanted, decide(snapshot))

    return context.decided(Layer(what.env, App(DEFAULT)), store)


def _store(
    context: Context, snapshot: Snapshot, what: Frozen, wanted: Wanted, brakes: Sequence[Brake]
) -> dict[str, Any]:
    require_format(snapshot, 2, "a freeze")
    entry, text = snapshot.freezes.get(what.env), brakes_text(brakes) if brakes else None
    freezes = {**snapshot.freezes, what.env: Entry("freeze", text or brakes_text(()), snapshot.revision)}
    after = replace(snapshot, freezes=frozen(freezes))
    told = [one for one in told_of(snapshot) if what.covers(one)]
    off = _set_off(context, snapshot, after, told)
    document = {
        "brakes": read(after, what.env)["brakes"],
        "reaches": {
            "apps": len({one.status.get("app") for one in told}),
            "hosts": len({one.host for one in told}),
            "containers": len(told),
        },
        "sets_off": off,
    }
    if wanted.dry_run:
        return {"revision": snapshot.revision, **document}
    if not wanted.yes and (len(off) > MAX_CONTAINERS or len({one["app"] for one in off}) > 1):
        apps = len({one["app"] for one in off})
        raise NeedsYes(
            f"this sets off what has been held in {counted(len(off), 'container')} of {counted(apps, 'app')}; "
            "look with a dry run, then confirm with yes (confctl: --yes)"
        )
    change = changes.draft(
        what.layer,
        {"freeze": entry.text if entry else None},
        {"freeze": text},
        kind=ChangeKind.FREEZE,
        author=wanted.author,
        message=wanted.message,
        at="",
    )
    stored, revision = changes.commit(context, snapshot, change)
    return {"revision": revision, "change": stored.number, **document}


def _set_off(context: Context, before: Snapshot, after: Snapshot, told: Sequence[Told]) -> list[dict[str, Any]]:
    """What would be done to containers that nothing holds any more."""
    found: list[dict[str, Any]] = []
    planner = Planner(context, after)
    for one in told:
        if one.observed is None:
            continue
        env, app = one.observed.env, one.observed.app
        if holds_of(after, env, app, one.host) or not holds_of(before, env, app, one.host):
            continue
        plan = planner.plan(Place(env, app, one.host), one.observed)
        if plan.due:
            actions = [step.action for step in plan.due]
            found.append({"app": app, "env": env, "host": one.host, "name": plan.name, "actions": actions})
    return found
