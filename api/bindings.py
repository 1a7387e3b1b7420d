"""The binding of an app in an env."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import switch, takes
from confd.api.settings import SCOPE
from confd.api.web import (
    answer,
    any_body,
    asked,
    author,
    context,
    etag_of,
    if_match,
    scope_of,
    snapshot,
    written_document,
)
from confd.model import Snapshot
from confd.services import bindings
from confd.services.scope import Scope
from confd.services.settings import Edit

__all__ = ["routes"]

routes = Blueprint("bindings", __name__)
EDITED = ("message", "dry_run", "yes")


def _wanted(scope: Scope) -> Edit:
    def tags(seen: Snapshot) -> list[str]:
        own = (scope.env, scope.app) in seen.bindings
        return [etag_of(bindings.get(seen, scope))] if own else []

    message = request.args.get("message", "")
    check = if_match(scope, tags=tags)
    dry_run, yes = switch("dry_run"), switch("yes")
    return Edit(message=message, author=author(), dry_run=dry_run, yes=yes, check=check, asked=asked())


@routes.get(f"{SCOPE}/binding")
@takes("min_revision")
def get_binding(app: str, env: str) -> Response:
    """The binding that serves the app in the env: its own, else that of `_default`, else the default one.

    Query: `min_revision`.
    """
    return answer(bindings.get(snapshot(), scope_of(app, env)))


@routes.put(f"{SCOPE}/binding")
@takes(*EDITED)
def put_binding(app: str, env: str) -> Response:
    """Store the binding of the app in the env.

    Body: the binding. Query: `message`, `dry_run`, `yes`.
    """
    scope = scope_of(app, env)
    return answer(written_document(bindings.put(context(), scope, any_body(), _wanted(scope))))


@routes.post(f"{SCOPE}/binding/check")
@takes()
def check_binding(app: str, env: str) -> Response:
    """The files that a binding would give with the settings there are, beside those by the one that is stored.

    Body: the binding. Nothing is stored; what a write of it would be refused for, this is.
    """
    return answer(bindings.preview(context(), scope_of(app, env), any_body()))


@routes.delete(f"{SCOPE}/binding")
@takes(*EDITED)
def delete_binding(app: str, env: str) -> Response:
    """Take the app's own binding in the env away.

    Query: `message`, `dry_run`, `yes`.
    """
    scope = scope_of(app, env)
    return answer(written_document(bindings.remove(context(), scope, _wanted(scope))))
