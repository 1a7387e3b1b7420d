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
from confd.model import ChangeKind
from confd.services import changes, fleet, history, live, outofband, settings
from confd.services.history import Wanted
from confd.services.scope import Scope

__all__ = ["routes"]

routes = Blueprint("history", __name__)
PAGE = 100


@routes.get(f"{SCOPE}/changes")
@takes(*READ, "limit", "before", "key", "author", "kind")
def list_changes(app: str, env: str) -> Response:
    """The changes of all layers that reach the app in the env, newest first.

    Query: `limit` (at most 1000), `before` (go on from here, as the answer's `before` told), `key` (a pattern),
    `author`, `kind`, `host`, `min_revision`. `pruned` tells of layers that have lost old records from which change
    on all are there, `edits` which keys were put straight into the store and wait to be recorded or adopted.
    """
    seen, scope = snapshot(), scope_of(app, env)
    wanted = Wanted(
        max(min(number(request.args, "limit", PAGE), 1000), 1),
        number(request.args, "before"),
        *(request.args.get(name) or None for name in ("key", "author", "kind")),
    )
    if wanted.kind is not None and wanted.kind not in list(ChangeKind):
        raise Malformed(f"kind is one of {', '.join(ChangeKind)}", pointer="/kind")
    page = history.page(context(), scope.place, wanted)
    return answer(
        {
            "revision": seen.revision,
            "changes": [settings.change_document(one) for one in page.changes],
            "before": page.before,
            "pruned": {str(layer): first for layer, first in page.pruned.items()},
            "edits": outofband.waiting(seen, scope.place),
        }
    )


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
@takes(*READ, "against", "change")
def compare(app: str, env: str) -> Response:
    """What differs from another env, from the state after a change, or between what is set and what runs.

    Query: `against` (`env:NAME`, `change:NUMBER` or `live`), `change` (with `change:NUMBER`: compare it with the
    state after this change, in the place of the present one), `host`, `min_revision`. With `live` the answer has
    `containers`: each that does not run with all that is set, its keys that are not in effect and why, and the
    options that differ.
    """
    scope, seen = scope_of(app, env), snapshot()
    kind, _, what = request.args.get("against", "").partition(":")
    if "change" in request.args and kind != "change":
        raise Malformed("change goes with against=change:NUMBER", pointer="/change")
    if kind == "live" and not what:
        return answer(live.differences(context(), seen, scope))
    if kind == "env" and what:
        before: Any = fleet.settings_of(seen, Scope(parse_env(what), scope.app, scope.host))
        after: Any = fleet.settings_of(seen, scope)
    elif kind == "change" and what.isascii() and what.isdigit():
        before = changes.state_after(context(), seen, scope.layer, int(what))
        after = {key: entry.text for key, entry in seen.layers.get(scope.layer, {}).items()}
        if "change" in request.args:
            after = changes.state_after(context(), seen, scope.layer, number(request.args, "change"))
    else:
        raise Malformed("against is env:NAME, change:NUMBER or live", pointer="/against")
    return answer({"revision": seen.revision, "diff": settings.difference_document(diff(before, after))})


@routes.get(f"{SCOPE}/out-of-band")
@takes(*READ)
def list_edits(app: str, env: str) -> Response:
    """The edits of the app's own layer past the API that nobody has adopted or undone.

    Query: `host`, `min_revision`.
    """
    return answer(outofband.read(context(), snapshot(), scope_of(app, env)))


@routes.post(f"{SCOPE}/out-of-band")
@takes("host")
def settle_edits(app: str, env: str) -> Response:
    """Adopt those edits, checked like any write, or undo them; either is a new change.

    Body: `do` (`adopt` or `undo`), `message`, `dry_run`, `yes`, `force`. Query: `host`.
    """
    scope = scope_of(app, env)
    members = body_of("do", "message", "dry_run", "yes", "force")
    settle = {"adopt": outofband.adopt, "undo": outofband.undo}.get(str(members.pop("do", None)))
    if settle is None:
        raise Malformed("do is adopt or undo", pointer="/do")
    wanted = edit_of(members, if_match(scope))
    written = settle(context(), scope, wanted)
    document = written_document(written)
    if wanted.dry_run:
        document["plan"] = fleet.plan(context(), written.after, scope)
    return answer(document)
