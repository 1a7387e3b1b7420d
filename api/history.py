"""Changes: the history of all layers that reach a scope, one of them, rollback, and differences."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from confd import jsontext
from confd.api.query import READ, number, takes
from confd.api.settings import SCOPE
from confd.api.web import answer, body_of, context, edit_of, if_match, scope_of, snapshot, written_document
from confd.diff import diff
from confd.errors import Malformed
from confd.keys import parse_env
from confd.services import changes, fleet, settings
from confd.services.scope import Scope

__all__ = ["routes"]

routes = Blueprint("history", __name__)
PAGE = 100


@routes.get(f"{SCOPE}/changes")
@takes(*READ, "limit", "before")
def list_changes(app: str, env: str) -> Response:
    """The changes of all layers that reach the app in the env, newest first.

    Query: `limit` (at most 1000), `before` (the revision to go on from), `host`, `min_revision`.
    """
    seen = snapshot()
    limit = min(number(request.args, "limit", PAGE), 1000)
    found = changes.history(context(), scope_of(app, env).place, limit, number(request.args, "before"))
    return answer({"revision": seen.revision, "changes": [settings.change_document(one) for one in found]})


@routes.get(f"{SCOPE}/changes/<int:number>")
@takes(*READ)
def show_change(app: str, env: str, number: int) -> Response:
    """One change of the app's own layer: who, when, why, and every key before and after.

    Query: `host`, `min_revision`.
    """
    seen = snapshot()
    change = changes.record(context(), scope_of(app, env).layer, number)
    return answer({**settings.change_document(change), "revision": seen.revision, "at_revision": change.revision})


@routes.post(f"{SCOPE}/rollback")
@takes("host")
def roll_back(app: str, env: str) -> Response:
    """Bring back the state after a change, or the previous good one, as a new change.

    Body: `to` (the number of a change), `message`, `dry_run`, `yes`, `force`. Query: `host`.
    """
    scope = scope_of(app, env)
    members = body_of("to", "message", "dry_run", "yes", "force")
    to = jsontext.plain(members.pop("to", None))
    if to is not None and (not isinstance(to, int) or isinstance(to, bool) or to < 0):
        raise Malformed("to is the number of a change of this layer", pointer="/to")
    wanted = edit_of(members, if_match(scope))
    written = settings.rollback(context(), scope, to, wanted)
    document = written_document(written)
    if wanted.dry_run:
        document["plan"] = fleet.plan(context(), written.after, scope)
    return answer(document)


@routes.get(f"{SCOPE}/diff")
@takes(*READ, "against")
def compare(app: str, env: str) -> Response:
    """What differs from another env, or from the state after a change.

    Query: `against` (`env:NAME` or `change:NUMBER`), `host`, `min_revision`.
    """
    scope, seen = scope_of(app, env), snapshot()
    kind, _, what = request.args.get("against", "").partition(":")
    if kind == "env" and what:
        before: Any = fleet.settings_of(context(), seen, Scope(parse_env(what), scope.app, scope.host))
        after: Any = fleet.settings_of(context(), seen, scope)
    elif kind == "change" and what.isascii() and what.isdigit():
        before = changes.state_after(context(), seen, scope.layer, int(what))
        after = {key: entry.text for key, entry in seen.layers.get(scope.layer, {}).items()}
    else:
        raise Malformed("against is env:NAME or change:NUMBER", pointer="/against")
    return answer({"revision": seen.revision, "diff": settings.difference_document(diff(before, after))})
