"""The binding of an app in an env."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.settings import SCOPE
from confd.api.web import answer, any_body, author, context, scope_of, snapshot, switch, written_document
from confd.services import bindings
from confd.services.settings import Edit

__all__ = ["routes"]

routes = Blueprint("bindings", __name__)


def _wanted() -> Edit:
    message = request.args.get("message", "")
    return Edit(message=message, author=author(), dry_run=switch("dry_run"), yes=switch("yes"))


@routes.get(f"{SCOPE}/binding")
def get_binding(app: str, env: str) -> Response:
    return answer(bindings.get(snapshot(), scope_of(app, env)))


@routes.put(f"{SCOPE}/binding")
def put_binding(app: str, env: str) -> Response:
    return answer(written_document(bindings.put(context(), scope_of(app, env), any_body(), _wanted())))


@routes.delete(f"{SCOPE}/binding")
def delete_binding(app: str, env: str) -> Response:
    return answer(written_document(bindings.remove(context(), scope_of(app, env), _wanted())))
