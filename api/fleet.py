"""Apps, hosts, and what agents tell of an app's containers."""

from __future__ import annotations

from flask import Blueprint, Response

from confd.api.settings import SCOPE
from confd.api.web import answer, context, scope_of, snapshot
from confd.keys import parse_key
from confd.services import fleet

__all__ = ["routes"]

routes = Blueprint("fleet", __name__)


@routes.get("/v1/apps")
def list_apps() -> Response:
    return answer(fleet.apps(snapshot()))


@routes.get("/v1/hosts")
def list_hosts() -> Response:
    return answer(fleet.hosts(snapshot()))


@routes.get(f"{SCOPE}/explain/<key:key>")
def explain(app: str, env: str, key: str) -> Response:
    return answer(fleet.explain(context(), snapshot(), scope_of(app, env), parse_key(key)))


@routes.get(f"{SCOPE}/plan")
def plan(app: str, env: str) -> Response:
    return answer(fleet.plan(context(), snapshot(), scope_of(app, env)))


@routes.get(f"{SCOPE}/status")
def status(app: str, env: str) -> Response:
    return answer(fleet.status(snapshot(), scope_of(app, env)))
