"""What agents have told: hosts, where every container stands, and the plan over what they last saw."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from confd import jsontext
from confd.binding import binding_of
from confd.errors import ConfdError, NotFound, Unavailable
from confd.holds import holds_of
from confd.keyring import SECRET, written_at
from confd.keys import DEFAULT, Env, Host, Key, Layer, layers_of, show
from confd.keystates import states_of
from confd.model import ContainerPlan, Head, Observed, Snapshot
from confd.options import FieldChange
from confd.plan.fields import fields_of
from confd.published import WAITS, step_document
from confd.resolve import normal_text, resolve
from confd.rollout import turn_of
from confd.secret import MASK
from confd.services import changes
from confd.services.context import Context
from confd.services.hosts import lost_since
from confd.services.meta import keyring_of
from confd.services.places import Place, Told, told_of
from confd.services.planning import Planner
from confd.services.scope import Scope
from confd.unsealing import unsealed

__all__ = ["apps", "explain", "plan", "settings_of", "status"]

NOT_TAKEN_UP = (
    "its agent has not come to the newest change yet, or holds changes together, as the binding's wait says"
)
UNCHECKED = ("whether the engine's create call accepts it",)


def apps(snapshot: Snapshot) -> dict[str, Any]:
    """Apps and the envs in which they have settings, a binding or containers."""
    known = {(layer.app, layer.env) for layer in snapshot.layers} | {(app, env) for env, app in snapshot.bindings}
    known |= {(told.observed.app, told.observed.env) for told in told_of(snapshot) if told.observed}
    found: dict[str, list[str]] = {}
    for app, env in sorted(known):
        found.setdefault(app, []).append(env)
    return {"revision": snapshot.revision, "apps": [{"app": app, "envs": envs} for app, envs in found.items()]}


def status(context: Context, snapshot: Snapshot, scope: Scope, *, keys: bool = False) -> dict[str, Any]:
    """Where every container of an app in an env stands; with `keys`, where each key does, too.

    `published` is the revision of the newest change that concerns the app, `rendered` of the newest that its agent
    has told of, `running` of the newest up to which all are in effect in it; 0 where none is known to be.
    """
    revisions = _revisions(context, snapshot, scope)
    planner = Planner(context, snapshot) if keys else None
    containers = [
        {
            "container": told.container,
            "host": told.host,
            "alive": told.alive,
            "lost_since": lost_since(snapshot.hosts[told.host]),
            **{
                name: told.status.get(name)
                for name in ("name", "app", "env", "state", "revision", "digest", "detail", "steps", "at")
            },
            **_whose_turn(snapshot, scope, told),
            "published": revisions.published,
            "rendered": revisions.rendered(told),
            "running": revisions.running(told),
            "adopted": told.observed.adopted if told.observed else None,
            "ports": dict(told.observed.ports) if told.observed else {},
            **_braked(snapshot, told),
            **_not_taken_up(snapshot, revisions, told),
            **(_keys(planner, scope, told, revisions) if planner is not None else {}),
        }
        for told in _told(snapshot, scope)
    ]
    return {"revision": snapshot.revision, "as_of": _as_of(containers), "containers": containers}


def _not_taken_up(snapshot: Snapshot, revisions: _Revisions, told: Told) -> dict[str, str]:
    """Of a container that was in sync before the newest change: its agent has not come to that yet."""
    if not told.alive or told.status.get("state") != "in-sync" or revisions.has_taken_up(told):
        return {}
    return {"state": "pending", "detail": _braked(snapshot, told)["detail"] or NOT_TAKEN_UP}


def _keys(planner: Planner, scope: Scope, told: Told, revisions: _Revisions) -> dict[str, Any]:
    """Each key that the container is due: in effect, or what is in its way."""
    if told.observed is None:
        return {"keys": {}}
    place = Place(scope.env, scope.app, told.host)
    due = planner.due(place, told.observed.found, here=revisions.has_taken_up(told))
    states = states_of(due[0], told.observed, planner.planned(due, place, told.observed))
    return {"keys": {key: {"state": one.state, "why": one.why} for key, one in states.items()}}


@dataclass(frozen=True, slots=True)
class _Revisions:
    """When what concerns an app in an env was changed, in order."""

    all: Sequence[int]

    @property
    def published(self) -> int:
        return self.all[-1] if self.all else 0

    def has_taken_up(self, told: Told) -> bool:
        """Whether the container's agent has told of it since the newest change."""
        return int(told.status.get("revision") or 0) >= self.published

    def rendered(self, told: Told) -> int:
        """The newest change that the container's agent has told of."""
        return self._newest(int(told.status.get("revision") or 0))

    def running(self, told: Told) -> int:
        """The newest change at which nothing was left to do in the container."""
        if told.status.get("state") == "in-sync":
            return self.rendered(told)
        return self._newest(int(told.status.get("in_effect") or 0))

    def _newest(self, limit: int) -> int:
        return max((at for at in self.all if at <= limit), default=0)


def _revisions(context: Context, snapshot: Snapshot, scope: Scope) -> _Revisions:
    layers = layers_of(scope.env, scope.app, scope.host)
    found = {written_at(entry) for layer in layers for entry in snapshot.layers.get(layer, {}).values()}
    for layer in layers:
        if layer in snapshot.heads:
            found.add(snapshot.heads[layer].revision)
            with suppress(Unavailable):  # where a container stands is told while the store is away, too
                found |= changes.numbers(context, layer, snapshot.heads[layer]).keys()
    bound = [snapshot.bindings.get((env, scope.app)) for env in (scope.env, Env(DEFAULT))]
    return _Revisions(sorted(found | {one.mod_revision for one in bound if one}))


def _braked(snapshot: Snapshot, told: Told) -> dict[str, Any]:
    """The brakes that are on; they are told of a container that is in sync, too, and of one on a lost host."""
    if told.observed is None:
        return {"brakes": []}
    found = [hold.why for hold in holds_of(snapshot, told.observed.env, told.observed.app, told.host)]
    detail = told.status.get("detail") or (found[0] if found else "")
    return {"brakes": found, "detail": detail}


def _whose_turn(snapshot: Snapshot, scope: Scope, told: Told) -> dict[str, str]:
    """Whom a container that waits for its turn waits for now: agents are not told of each turn."""
    if not str(told.status.get("detail")).startswith(WAITS):
        return {}
    binding, _ = binding_of(snapshot, scope.env, scope.app)
    tickets = snapshot.turns.get((scope.env, scope.app), {})
    turn = turn_of(tickets, told.host, binding.max_parallel)
    return {"detail": WAITS + turn.waits} if turn is not None and turn.waits else {}


def _as_of(containers: Sequence[dict[str, Any]]) -> Any:
    return min((str(one["at"]) for one in containers), default=None)


def _told(snapshot: Snapshot, scope: Scope) -> list[Told]:
    told = told_of(snapshot, [(scope.env, scope.app)])
    return [one for one in told if scope.host in (None, one.host)]


def plan(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """The same pure plan that the agents make, over what they last observed."""
    planner, containers = Planner(context, snapshot), []
    for told in _told(snapshot, scope):
        if told.observed is not None:
            place = Place(scope.env, scope.app, told.host)
            one = planner.plan(place, told.observed)
            rendered, _ = planner.due(place, told.observed.found)
            containers.append(_plan_document(one, told, fields_of(one, rendered, told.observed)))
    as_of = min((str(one.status.get("at")) for one in _told(snapshot, scope)), default=None)
    return {"revision": snapshot.revision, "as_of": as_of, "containers": containers}


def _plan_document(one: ContainerPlan, told: Told, fields: Sequence[FieldChange]) -> dict[str, Any]:
    recreates = any(step.action == "recreate" and step.blocked is None for step in one.steps)
    return {
        "container": one.container,
        "name": one.name,
        "host": told.host,
        "steps": [step_document(step) for step in one.steps],
        "fields": [asdict(field) for field in fields],
        "unchecked": list(UNCHECKED) if recreates else [],
    }


def explain(
    context: Context, snapshot: Snapshot, scope: Scope, key: Key, container: str | None = None
) -> dict[str, Any]:
    """Winner, what it hides, and what a change of the key would cause, in all containers or one by name or id.

    A container that is asked for has the layer of its host. Without a host, `on_hosts` tells which hosts have a
    value of their own. Raises `NotFound` for an unknown key, and for a container that is none of the scope's.
    """
    planner = Planner(context, snapshot)
    effects = [
        _effect_document(planner, key, told.host, told.observed)
        for told in _told(snapshot, scope)
        if told.observed is not None
    ]
    if container is not None:
        effects = [one for one in effects if container in (one["name"], one["container"], one["container"][:12])]
        if not effects:
            known = f"`confctl status {scope.app}` lists them"
            raise NotFound(f"{show(container)} is no container of {scope.app} in {scope.env}; {known}")
        if len(hosts := {one["host"] for one in effects}) == 1:
            scope = replace(scope, host=hosts.pop())
    stack = _stack(context, snapshot, layers_of(scope.env, scope.app, scope.host), key)
    own = [] if scope.host else _stack(context, snapshot, _host_layers(snapshot, scope), key)
    if not stack:
        only = f"; on {', '.join(one['host'] for one in own)} alone (confctl: --host)" if own else ""
        raise NotFound(f"{key} is set in no layer that reaches {scope.app} in {scope.env}{only}")
    rendered, _ = planner.due(scope.place)
    return {
        "revision": snapshot.revision,
        "key": key,
        "removed": stack[0]["removed"],
        "winner": stack[0],
        "hidden": stack[1:],
        "on_hosts": own,
        "variable": next((variable for variable, its in rendered.variable_keys.items() if its == key), None),
        "problems": [problem.detail for problem in rendered.problems if key in problem.keys],
        "effects": effects,
    }


def _effect_document(planner: Planner, key: Key, host: Host, observed: Observed) -> dict[str, Any]:
    effect = planner.effect(key, Place(observed.env, observed.app, host), observed)
    return {
        "container": effect.container,
        "name": effect.name,
        "host": host,
        "action": effect.action,
        "reach": effect.reach.word,
        "blocked": effect.blocked,
    }


def _host_layers(snapshot: Snapshot, scope: Scope) -> Sequence[Layer]:
    """The layers of single hosts, for the scope's app in its env."""
    found = [layer for layer in snapshot.layers if layer.host and (layer.env, layer.app) == (scope.env, scope.app)]
    return sorted(found, key=lambda layer: str(layer.host), reverse=True)


def _stack(context: Context, snapshot: Snapshot, layers: Sequence[Layer], key: Key) -> list[dict[str, Any]]:
    """The key in every one of the layers that has it, the last first."""
    found: list[dict[str, Any]] = []
    for layer in reversed(layers):
        entry = snapshot.layers.get(layer, {}).get(key)
        if entry is None:
            continue
        head = snapshot.heads.get(layer, Head())
        known = changes.numbers(context, layer, head) if head.number else {}
        value: Any
        try:
            text, secret = normal_text(entry.text)
            value = MASK if secret else jsontext.parse(text)
        except ConfdError as error:
            text, secret, value = "", False, f"(invalid: {error.detail})"
        found.append(
            {
                "layer": str(layer),
                "host": layer.host,
                "change": known.get(written_at(entry)),
                "value": value,
                "secret": secret,
                "removed": text == "null",
                "revision": written_at(entry),
            }
        )
    return found


def settings_of(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, str]:
    """The effective settings as JSON texts, for comparisons.

    A secret's is the same for the same secret alone, and still to be masked.
    """
    resolved = resolve(snapshot, scope.env, scope.app, scope.host)
    opened = unsealed(resolved, keyring_of(snapshot.meta, context.keys)).settings
    digest = context.digest_key(snapshot).digest
    return {
        key: jsontext.dump({SECRET: digest("secret", opened[key].text)}) if s.secret and key in opened else s.text
        for key, s in resolved.settings.items()
    }
