"""Adoption of containers that ran before anybody watched them."""

from __future__ import annotations

from flask import Blueprint, Response

from confd.api.query import takes
from confd.api.web import answer, body_of, context, scope_of, wanted_of
from confd.errors import Malformed
from confd.services import adoption

__all__ = ["routes"]

routes = Blueprint("adoption", __name__)


@routes.post("/v1/apps/<app>/envs/<env>/adopt")
@takes("host")
def adopt(app: str, env: str) -> Response:
    """Adopt the app's containers that ran before their host was watched, or that something else makes anew.

    Query: `host`. Body: `message`, `dry_run`, `yes`, `container` (a name or the beginning of an id: one alone).
    What differs is brought in then; that needs `yes`.
    """
    members = body_of("message", "dry_run", "yes", "container")
    container = members.get("container")
    if container is not None and not isinstance(container, str):
        raise Malformed("container is to be a string", pointer="/container")
    return answer(adoption.adopt(context(), scope_of(app, env), wanted_of(members), container))
