"""Settings: all of a scope, or one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from confd.api.query import READ, switch, takes
from confd.api.web import (
    answer,
    asker,
    body_of,
    context,
    edit_of,
    if_match,
    scope_of,
    snapshot,
    switch_of,
    written_document,
)
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import parse_key
from confd.model import Snapshot
from confd.services import fleet, settings
from confd.services.revealing import revealed
from confd.services.scope import Scope

__all__ = ["routes"]

routes = Blueprint("settings", __name__)
SCOPE = "/v1/apps/<app>/envs/<env>"


def _own() -> bool:
    layer = request.args.get("layer", "effective")
    if layer not in ("own", "effective"):
        raise Malformed("layer is own or effective", pointer="/layer")
    return layer == "own"


def _shown(document: dict[str, Any], scope: Scope, seen: Snapshot) -> Response:
    """The settings of a document, with their secrets where those are asked for."""
    if not switch("reveal"):
        return answer(document)
    found = revealed(context(), seen, scope, document["settings"], asker())
    return answer({**document, "settings": found}, private=True)


@routes.get(f"{SCOPE}/settings")
@takes(*READ, "layer", "keys", "reveal")
def list_settings(app: str, env: str) -> Response:
    """All settings of the app in the env, effective or its own.

    Query: `layer` (`effective` or `own`), `keys` (a glob), `reveal` (secrets in the clear, for a token that
    may, and noted down in the audit), `host`, `min_revision`.
    """
    scope, seen, keys = scope_of(app, env), snapshot(), request.args.get("keys", "**")
    return _shown(settings.read(context(), seen, scope, own=_own(), keys=keys), scope, seen)


@routes.patch(f"{SCOPE}/settings")
@takes("host")
def change_settings(app: str, env: str) -> Response:
    """Set and unset keys in one change.

    Body: `set` (an object), `unset`, `secret`, `plain` (lists of keys), `message`, `dry_run`, `yes`, `force`.
    Query: `host`.
    A dry run stores nothing, and answers the difference and the plan.
    """
    scope = scope_of(app, env)
    members = body_of("set", "unset", "secret", "plain", "message", "dry_run", "yes", "force")
    wanted = edit_of(members, if_match(scope))
    written = settings.edit(context(), scope, wanted)
    document = written_document(written)
    if wanted.dry_run:
        document["plan"] = fleet.plan(context(), written.after, scope)
    return answer(document)


@routes.get(f"{SCOPE}/settings/<key:key>")
@takes(*READ, "layer", "reveal")
def get_setting(app: str, env: str, key: str) -> Response:
    """One setting, effective or the app's own.

    Query: `layer` (`effective` or `own`), `reveal`, `host`, `min_revision`.
    """
    scope, seen, name = scope_of(app, env), snapshot(), parse_key(key)
    document = settings.read_one(context(), seen, scope, name, own=_own())
    if not switch("reveal"):
        return answer(document)
    found = revealed(context(), seen, scope, {name: document}, asker())
    return answer(found[name], private=True)


@routes.put(f"{SCOPE}/settings/<key:key>")
@takes("host")
def put_setting(app: str, env: str, key: str) -> Response:
    """Set one key.

    Body: `value`, `secret`, `plain` (whether what is secret is to be readable again), `message`, `dry_run`, `yes`,
    `force`. Query: `host`.
    """
    scope, name = scope_of(app, env), parse_key(key)
    members = body_of("value", "secret", "plain", "message", "dry_run", "yes", "force")
    if "value" not in members:
        raise Malformed('the body is to have a value: {"value": ...}', pointer="/value")
    secret, plain = switch_of(members, "secret"), switch_of(members, "plain")
    whole: dict[str, Value] = {
        **members,
        "set": {name: members.pop("value")},
        "secret": [str(name)] if secret else [],
        "plain": [str(name)] if plain else [],
    }
    return answer(written_document(settings.edit(context(), scope, edit_of(whole, if_match(scope, name)))))


@routes.delete(f"{SCOPE}/settings/<key:key>")
@takes("host", "message", "dry_run", "yes", "force")
def delete_setting(app: str, env: str, key: str) -> Response:
    """Unset one key.

    Query: `message`, `dry_run`, `yes`, `force`, `host`.
    """
    scope, name = scope_of(app, env), parse_key(key)
    whole: dict[str, Value] = {
        "unset": [str(name)],
        "message": request.args.get("message", ""),
        "dry_run": switch("dry_run"),
        "yes": switch("yes"),
        "force": switch("force"),
    }
    return answer(written_document(settings.edit(context(), scope, edit_of(whole, if_match(scope, name)))))
