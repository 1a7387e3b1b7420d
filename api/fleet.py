"""Apps, hosts, and what agents tell of an app's containers."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import READ, switch, takes
from confd.api.settings import SCOPE
from confd.api.web import answer, context, scope_of, snapshot
from confd.keys import parse_env, parse_host, parse_key
from confd.services import evidence, fleet, hosts
from confd.services.evidence import Asked

__all__ = ["routes"]

routes = Blueprint("fleet", __name__)


@routes.get("/v1/apps")
@takes("min_revision")
def list_apps() -> Response:
    """The apps, each with its envs.

    Query: `min_revision`.
    """
    return answer(fleet.apps(snapshot()))


@routes.get("/v1/hosts")
@takes("min_revision")
def list_hosts() -> Response:
    """The hosts that ever had an agent, alive or lost, and what keeps all of one as it is.

    `held`: its freeze file, or that its agent only looks; `brakes`: those in the store that hold everything on it.
    Query: `min_revision`.
    """
    return answer(hosts.hosts(snapshot()))


@routes.delete("/v1/hosts/<host>")
@takes("dry_run", "yes")
def forget_host(host: str) -> Response:
    """Forget a lost host, its containers and what they had of their own.

    Query: `dry_run`, `yes`. Refused while its agent is alive; what is set for the host stays.
    """
    return answer(hosts.forget(context(), parse_host(host), dry_run=switch("dry_run"), yes=switch("yes")))


@routes.get("/v1/why/<container>")
@takes("host", "env", "min_revision")
def why(container: str) -> Response:
    """What was done to a container, when, for which changes, and what it said last.

    A name, the beginning of an id, or that of one that was replaced. Query: `host`, `env`, `min_revision`.
    """
    host, env = request.args.get("host"), request.args.get("env")
    asked = Asked(container, parse_host(host) if host else None, parse_env(env) if env else None)
    return answer(evidence.why(context(), snapshot(), asked))


@routes.get(f"{SCOPE}/explain/<key:key>")
@takes(*READ, "container")
def explain(app: str, env: str, key: str) -> Response:
    """Which layer a key comes from, what that hides, and what a change of the key would do.

    Query: `container` (by name, id or short id: with the layer of its host), `host`, `min_revision`. Without a host
    `on_hosts` names those that have a value of their own.
    """
    name = parse_key(key)
    container = request.args.get("container")
    return answer(fleet.explain(context(), snapshot(), scope_of(app, env), name, container))


@routes.get(f"{SCOPE}/plan")
@takes(*READ)
def plan(app: str, env: str) -> Response:
    """What would be done to the app's containers, from what the agents saw last.

    Query: `host`, `min_revision`.
    """
    return answer(fleet.plan(context(), snapshot(), scope_of(app, env)))


@routes.get(f"{SCOPE}/status")
@takes(*READ, "keys")
def status(app: str, env: str) -> Response:
    """Where every container of the app stands.

    Query: `host`, `min_revision`, `keys` (`true`: where each key stands in each container, too).
    """
    return answer(fleet.status(context(), snapshot(), scope_of(app, env), keys=switch("keys")))
