"""What an env asks of its changes."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import switch, takes
from confd.api.web import answer, any_body, asked, author, context, etag_of, if_match, message_of, snapshot
from confd.keys import DEFAULT, App, parse_env
from confd.model import Snapshot
from confd.services import envrules
from confd.services.scope import Scope
from confd.services.settings import Edit

__all__ = ["routes"]

routes = Blueprint("envrules", __name__)
RULES = "/v1/envs/<env>/rules"


@routes.get(RULES)
@takes("min_revision")
def get_rules(env: str) -> Response:
    """What holds in the env (`rules`), and what its own document says of it (`own`); the rest is of `_default`.

    Query: `min_revision`.
    """
    return answer(envrules.read(snapshot(), parse_env(env)))


@routes.put(RULES)
@takes("message", "dry_run")
def put_rules(env: str) -> Response:
    """Store the env's own rules in the place of those that it had; `{}`: it has none, and those of `_default` hold.

    Body: `out_of_band` (`apply` or `hold`: what becomes of settings that are put straight into etcd), `records`
    (with `changes` and `days`: how many records of changes a layer keeps, and how long; 0: no such limit),
    `approval` (true, false, or with `required`, `approvers`: names of tokens, none: anybody else, and `count`: how
    many have to agree). Query: `message`, `dry_run`.
    """
    at = parse_env(env)

    def tags(seen: Snapshot) -> list[str]:
        return [etag_of(envrules.read(seen, at))]

    message = message_of({"message": request.args.get("message", "")})
    check = if_match(Scope(at, App(DEFAULT)), tags=tags)
    wanted = Edit(message=message, author=author(), dry_run=switch("dry_run"), check=check, asked=asked())
    return answer(envrules.put(context(), at, any_body(), wanted))
