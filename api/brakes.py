"""Brakes: freeze and unfreeze."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import switch, takes
from confd.api.web import answer, author, body_of, context, message_of, snapshot, wanted_of
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT, parse_app, parse_env, parse_host
from confd.services import brakes
from confd.services.brakes import Frozen
from confd.services.wanted import Wanted

__all__ = ["routes"]

routes = Blueprint("brakes", __name__)
FREEZE = "/v1/envs/<env>/freeze"


def _frozen(env: str, app: Value, host: Value) -> Frozen:
    for name, given in (("app", app), ("host", host)):
        if given is not None and not isinstance(given, str):
            raise Malformed(f"{name} is to be a string", pointer=f"/{name}")
    if app == DEFAULT:
        raise Malformed("leave app out to freeze every app", pointer="/app")
    return Frozen(
        parse_env(env),
        parse_app(str(app)) if app is not None else None,
        parse_host(str(host)) if host is not None else None,
    )


@routes.get("/v1/freezes")
@takes("min_revision")
def list_brakes() -> Response:
    """All brakes that are on, in whatever env, and the hosts that a freeze file or `--observe` keeps as they are.

    Query: `min_revision`.
    """
    return answer(brakes.read_all(snapshot()))


@routes.get(FREEZE)
@takes("min_revision")
def get_brakes(env: str) -> Response:
    """The brakes that are on in the env, with those of every env.

    Query: `min_revision`.
    """
    return answer(brakes.read(snapshot(), parse_env(env)))


@routes.put(FREEZE)
@takes()
def freeze(env: str) -> Response:
    """Stop all actions in the env (`_default`: in every env), on one app, on one host, or on an app on one host.

    Body: `app`, `host`, `message` (why, not empty), `dry_run`. Each agent stops before its next step.
    """
    members = body_of("app", "host", "message", "dry_run")
    what = _frozen(env, members.get("app"), members.get("host"))
    return answer(brakes.freeze(context(), what, wanted_of(members)))


@routes.delete(FREEZE)
@takes("app", "host", "message", "dry_run", "yes")
def unfreeze(env: str) -> Response:
    """Take off the brake of just that env, app and host; what it held is done then.

    Query: `app`, `host`, `message`, `dry_run`, `yes`.
    """
    what = _frozen(env, request.args.get("app"), request.args.get("host"))
    message = message_of({"message": request.args.get("message", "")})
    wanted = Wanted(author(), message, switch("dry_run"), switch("yes"))
    return answer(brakes.unfreeze(context(), what, wanted))
