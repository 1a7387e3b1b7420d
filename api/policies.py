"""Policies of an env, and what is against them."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import switch, takes
from confd.api.web import answer, any_body, asked, author, context, etag_of, if_match, message_of, snapshot
from confd.errors import NotFound
from confd.keys import DEFAULT, App, Env, parse_env, parse_host, parse_policy_name
from confd.model import Snapshot
from confd.services import policies
from confd.services.policies import At
from confd.services.scope import Scope
from confd.services.settings import Edit

__all__ = ["routes"]

routes = Blueprint("policies", __name__)
POLICIES = "/v1/envs/<env>/policies"
EDITED = ("message", "dry_run")


def _at(env: str, name: str) -> At:
    return At(parse_env(env), parse_policy_name(name))


def _wanted(at: At) -> Edit:
    def tags(seen: Snapshot) -> list[str]:
        try:
            return [etag_of(policies.get(seen, at))]
        except NotFound:
            return []

    message = message_of({"message": request.args.get("message", "")})
    check = if_match(Scope(at.env, App(DEFAULT)), tags=tags)
    return Edit(message=message, author=author(), dry_run=switch("dry_run"), check=check, asked=asked())


@routes.get(POLICIES)
@takes("min_revision")
def list_policies(env: str) -> Response:
    """The policies that hold in the env: its own, and those of `_default`, which hold in every env.

    Query: `min_revision`.
    """
    return answer(policies.read(snapshot(), parse_env(env)))


@routes.get(f"{POLICIES}/<name>")
@takes("min_revision")
def get_policy(env: str, name: str) -> Response:
    """One policy of the env's own.

    Query: `min_revision`.
    """
    return answer(policies.get(snapshot(), _at(env, name)))


@routes.put(f"{POLICIES}/<name>")
@takes(*EDITED)
def put_policy(env: str, name: str) -> Response:
    """Store a policy of the env; the answer tells which containers and settings are against it already.

    Body: the policy. Query: `message`, `dry_run`.
    """
    at = _at(env, name)
    return answer(policies.put(context(), at, any_body(), _wanted(at)))


@routes.delete(f"{POLICIES}/<name>")
@takes(*EDITED)
def delete_policy(env: str, name: str) -> Response:
    """Take a policy of the env's own away.

    Query: `message`, `dry_run`.
    """
    at = _at(env, name)
    return answer(policies.remove(context(), at, _wanted(at)))


@routes.post(f"{POLICIES}/check")
@takes()
def check_policy(env: str) -> Response:
    """Which containers and settings would be against a policy if it held in the env; nothing is stored.

    Body: the policy.
    """
    return answer(policies.check(context(), snapshot(), At(parse_env(env), "checked"), any_body()))


@routes.get("/v1/violations")
@takes("min_revision", "env", "host")
def list_violations() -> Response:
    """The running containers that are against a policy of their env, as their agents told of them last.

    Query: `env`, `host`, `min_revision`.
    """
    env, host = request.args.get("env"), request.args.get("host")
    only: Env | None = None if env is None else parse_env(env)
    return answer(policies.violating(snapshot(), only, None if host is None else parse_host(host)))
