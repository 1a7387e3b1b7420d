"""What agents have told: hosts, where every container stands, and the plan over what they last saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, NotFound
from confd.keys import Host, Key, layers_of, show
from confd.model import ContainerPlan, Head, Observed, Snapshot
from confd.plan import effect_of, make_plan
from confd.published import step_document
from confd.resolve import normal_text, resolve
from confd.secret import MASK
from confd.services import changes
from confd.services.context import Context
from confd.services.places import Place, Told, rendered_at, told_of
from confd.services.settings import Scope

__all__ = ["apps", "explain", "hosts", "plan", "settings_of", "status"]

UNCHECKED = ("whether the engine's create call accepts it",)


def apps(snapshot: Snapshot) -> dict[str, Any]:
    """Apps and the envs in which they have settings, a binding or containers."""
    known = {(layer.app, layer.env) for layer in snapshot.layers} | {(app, env) for env, app in snapshot.bindings}
    known |= {(told.observed.app, told.observed.env) for told in told_of(snapshot) if told.observed}
    found: dict[str, list[str]] = {}
    for app, env in sorted(known):
        found.setdefault(app, []).append(env)
    return {"revision": snapshot.revision, "apps": [{"app": app, "envs": envs} for app, envs in found.items()]}


def hosts(snapshot: Snapshot) -> dict[str, Any]:
    """Every host that ever had an agent, alive or lost."""
    found = []
    for host, state in sorted(snapshot.hosts.items()):
        about = _members(state.about)
        found.append(
            {
                "host": host,
                "alive": state.alive is not None,
                "lost_since": None if state.alive is not None else _last_heard(state.status, about),
                **{
                    name: about.get(name)
                    for name in (
                        "env",
                        "engine_version",
                        "engine_away_since",
                        "api_version",
                        "cpus",
                        "memory_bytes",
                    )
                },
                "containers": len(state.status),
            }
        )
    return {"revision": snapshot.revision, "hosts": found}


def _last_heard(status: Any, about: dict[str, Any]) -> Any:
    """When the host last told anything: all that is known of when it was lost."""
    times = [str(_members(text).get("at", "")) for text in status.values()]
    return max([*times, str(about.get("at", ""))]) or None


def _members(text: str) -> dict[str, Any]:
    try:
        value = jsontext.plain(jsontext.parse(text))
    except ConfdError:
        return {}
    return value if isinstance(value, dict) else {}


def status(snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """Where every container of an app in an env stands."""
    containers = [
        {
            "container": told.container,
            "host": told.host,
            "alive": told.alive,
            **{
                name: told.status.get(name)
                for name in ("name", "app", "env", "state", "revision", "digest", "detail", "steps", "at")
            },
            "ports": dict(told.observed.ports) if told.observed else {},
        }
        for told in _told(snapshot, scope)
    ]
    return {"revision": snapshot.revision, "as_of": _as_of(containers), "containers": containers}


def _as_of(containers: Sequence[dict[str, Any]]) -> Any:
    return min((str(one["at"]) for one in containers), default=None)


def _told(snapshot: Snapshot, scope: Scope) -> list[Told]:
    told = told_of(snapshot, [(scope.env, scope.app)])
    return [one for one in told if scope.host in (None, one.host)]


def plan(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """The same pure plan that the agents make, over what they last observed."""
    containers = []
    for told in _told(snapshot, scope):
        if told.observed is None:
            continue
        rendered, binding = rendered_at(
            snapshot, Place(scope.env, scope.app, told.host), context.digest_key(snapshot)
        )
        one = make_plan(rendered, binding, [told.observed], context.reaches).containers[0]
        containers.append(_plan_document(one, told))
    as_of = min((str(one.status.get("at")) for one in _told(snapshot, scope)), default=None)
    return {"revision": snapshot.revision, "as_of": as_of, "containers": containers}


def _plan_document(one: ContainerPlan, told: Told) -> dict[str, Any]:
    recreates = any(step.action == "recreate" and step.blocked is None for step in one.steps)
    return {
        "container": one.container,
        "name": one.name,
        "host": told.host,
        "steps": [step_document(step) for step in one.steps],
        "unchecked": list(UNCHECKED) if recreates else [],
    }


def explain(
    context: Context, snapshot: Snapshot, scope: Scope, key: Key, container: str | None = None
) -> dict[str, Any]:
    """Winner, what it hides, and what a change of the key would cause, in all containers or one by name or id.

    Raises `NotFound` for an unknown key, and for a container that is none of the scope's.
    """
    stack = _stack(context, snapshot, scope, key)
    if not stack:
        raise NotFound(f"{key} is set in no layer that reaches {scope.app} in {scope.env}")
    effects = [
        _effect_document(context, snapshot, key, told.host, told.observed)
        for told in _told(snapshot, scope)
        if told.observed is not None
    ]
    if container is not None:
        effects = [one for one in effects if container in (one["name"], one["container"], one["container"][:12])]
        if not effects:
            known = f"`confctl status {scope.app}` lists them"
            raise NotFound(f"{show(container)} is no container of {scope.app} in {scope.env}; {known}")
    rendered, _ = rendered_at(snapshot, scope.place, context.digest_key(snapshot))
    return {
        "revision": snapshot.revision,
        "key": key,
        "removed": stack[0]["removed"],
        "winner": stack[0],
        "hidden": stack[1:],
        "variable": next((variable for variable, its in rendered.variable_keys.items() if its == key), None),
        "problems": [problem.detail for problem in rendered.problems if key in problem.keys],
        "effects": effects,
    }


def _effect_document(
    context: Context, snapshot: Snapshot, key: Key, host: Host, observed: Observed
) -> dict[str, Any]:
    place = Place(observed.env, observed.app, host)
    rendered, binding = rendered_at(snapshot, place, context.digest_key(snapshot))
    effect = effect_of(key, rendered, binding, observed, context.reaches)
    return {
        "container": effect.container,
        "name": effect.name,
        "host": host,
        "action": effect.action,
        "reach": effect.reach.word,
        "blocked": effect.blocked,
    }


def _stack(context: Context, snapshot: Snapshot, scope: Scope, key: Key) -> list[dict[str, Any]]:
    """The key in every layer that has it, highest first."""
    found: list[dict[str, Any]] = []
    for layer in reversed(layers_of(scope.env, scope.app, scope.host)):
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
                "change": known.get(entry.mod_revision),
                "value": value,
                "secret": secret,
                "removed": text == "null",
                "revision": entry.mod_revision,
            }
        )
    return found


def settings_of(snapshot: Snapshot, scope: Scope) -> dict[str, str]:
    """The effective settings as JSON texts, secrets masked; for comparisons."""
    resolved = resolve(snapshot, scope.env, scope.app, scope.host)
    return {key: jsontext.dump(MASK) if s.secret else s.text for key, s in resolved.settings.items()}
