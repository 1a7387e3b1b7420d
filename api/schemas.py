"""The schema of an app: what its settings may be."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import READ, number, switch, takes
from confd.api.settings import SCOPE
from confd.api.web import (
    answer,
    any_body,
    asked,
    author,
    body_of,
    context,
    etag_of,
    if_match,
    message_of,
    scope_of,
    snapshot,
    written_document,
)
from confd.errors import NotFound
from confd.keys import DEFAULT, App, Env, parse_app
from confd.model import Snapshot
from confd.services import schemas
from confd.services.schemas import WrittenSchema
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.services.validating import fault_document

__all__ = ["routes"]

routes = Blueprint("schemas", __name__)
SCHEMA = "/v1/apps/<app>/schema"
EDITED = ("message", "dry_run", "yes", "force")


def _wanted(app: App) -> Edit:
    def tags(seen: Snapshot) -> list[str]:
        try:
            return [etag_of(schemas.get(seen, app))]
        except NotFound:
            return []

    return Edit(
        message=message_of({"message": request.args.get("message", "")}),
        author=author(),
        asked=asked(),
        dry_run=switch("dry_run"),
        yes=switch("yes"),
        force=switch("force"),
        check=if_match(Scope(Env(DEFAULT), app), tags=tags),
    )


def _answer(done: WrittenSchema) -> Response:
    return answer(
        {
            **written_document(done.written),
            "version": done.version,
            "failing": [fault_document(one) for one in done.failing],
            "fresh": len(done.fresh),
        }
    )


@routes.get(SCHEMA)
@takes("min_revision", "version")
def get_schema(app: str) -> Response:
    """The schema of the app, the newest version or one by its number, and which versions there are.

    Query: `version`, `min_revision`.
    """
    version = number(request.args, "version") if "version" in request.args else None
    return answer(schemas.get(snapshot(), parse_app(app), version))


@routes.put(SCHEMA)
@takes(*EDITED)
def put_schema(app: str) -> Response:
    """Store the schema of the app as its next version; settings that were right and are against it refuse it.

    Body: the schema. Query: `message`, `dry_run`, `yes`, `force` (store it all the same). The answer's `failing` is
    all in any env that is against it, `fresh` how many of these it brings in.
    """
    name = parse_app(app)
    return _answer(schemas.put(context(), name, any_body(), _wanted(name)))


@routes.delete(SCHEMA)
@takes(*EDITED)
def delete_schema(app: str) -> Response:
    """Take the schema of the app away; its versions stay to be read.

    Query: `message`, `dry_run`, `yes`, `force`.
    """
    name = parse_app(app)
    return _answer(schemas.remove(context(), name, _wanted(name)))


@routes.post(f"{SCOPE}/schema/check")
@takes(*READ)
def check_schema(app: str, env: str) -> Response:
    """What of the app's effective settings in the env is against a schema; nothing is stored.

    Body: `schema`, or nothing for the one that is stored. Query: `host`, `min_revision`.
    """
    members = body_of("schema")
    return answer(schemas.check(context(), snapshot(), scope_of(app, env), members.get("schema")))
