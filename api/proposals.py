"""Promotion from env to env, and the proposals that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response

from confd.api.query import READ, switch, takes
from confd.api.settings import SCOPE
from confd.api.web import (
    answer,
    asked,
    body_of,
    context,
    edit_of,
    if_match,
    scope_of,
    snapshot,
    switch_of,
    words_of,
    written_document,
)
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, parse_app, parse_env
from confd.promotion import Choice
from confd.services import fleet, promoting, proposals, settings
from confd.services.promoting import Course, Promoted
from confd.services.scope import Scope
from confd.services.settings import Edit

__all__ = ["routes"]

routes = Blueprint("proposals", __name__)
PROMOTED = ("from", "only", "except", "prune", "message", "dry_run", "yes", "force")
DECIDED = ("message", "dry_run", "yes", "force")


# --- promotion --------------------------------------------------------------------------------------------


@routes.post(f"{SCOPE}/promote")
@takes()
def promote_app(app: str, env: str) -> Response:
    """Carry the app's own settings over from another env, as one change.

    Body: `from` (an env), `only`, `except` (lists of globs of keys), `prune` (take away what only this env has),
    `message`, `dry_run`, `yes`, `force`. `kept` tells of each key that differs and stays why.
    """
    members, at = body_of(*PROMOTED), scope_of(app, env)
    wanted = edit_of(members, if_match(at))
    (one,) = promoting.promote(context(), _course(members, at.env, at.app), wanted)
    return answer(_promoted(one, at.env, wanted) | {"from": members["from"]})


@routes.post("/v1/envs/<env>/promote")
@takes()
def promote_all(env: str) -> Response:
    """Carry the own settings of every app over from another env: all of them in one transaction, or none.

    Body: as of an app's promotion. `apps` tells of each app what its own promotion would; where the env asks for
    approval, each has a proposal.
    """
    members, target = body_of(*PROMOTED), parse_env(env)
    wanted = edit_of(members, if_match(Scope(target, App(DEFAULT))))
    found = promoting.promote(context(), _course(members, target), wanted)
    apps = [{"app": one.app, **_promoted(one, target, wanted)} for one in found]
    revision = max(one.written.revision for one in found)
    document = {"revision": revision, "from": members["from"], "env": target, "apps": apps}
    answered = answer(document | {"reaches": promoting.total(found)})
    answered.status_code = 202 if any("proposal" in one for one in apps) else 200
    return answered


def _course(members: Mapping[str, Value], target: Env, app: App | None = None) -> Course:
    source = members.get("from")
    if not isinstance(source, str):
        raise Malformed('from is to be an env: {"from": "qa"}', pointer="/from")
    only, left_out = words_of(members, "only"), words_of(members, "except")
    return Course(parse_env(source), target, app, Choice(only, left_out, switch_of(members, "prune")))


def _promoted(one: Promoted, env: Env, wanted: Edit) -> dict[str, Any]:
    document = written_document(one.written) | {"kept": dict(one.kept)}
    if wanted.dry_run:
        document["plan"] = fleet.plan(context(), one.written.after, Scope(env, parse_app(one.app)))
    return document


# --- proposals --------------------------------------------------------------------------------------------


@routes.get(f"{SCOPE}/proposals")
@takes(*READ, "all")
def list_proposals(app: str, env: str) -> Response:
    """What waits for approval, of all layers that reach the app in the env.

    `lacks` is how many more have to agree, `outdated` names keys that were changed since. Query: `all` (also what
    is decided, for 30 days), `host`, `min_revision`.
    """
    return answer(proposals.listed(context(), snapshot(), scope_of(app, env), decided=switch("all")))


@routes.post(f"{SCOPE}/proposals")
@takes("host")
def propose(app: str, env: str) -> Response:
    """Propose a change, checked as if it were made, also where the env does not ask for approval.

    Body: as to change settings. Answers 202 with the `proposal`'s id. Query: `host`.
    """
    scope = scope_of(app, env)
    members = body_of("set", "unset", "secret", "message", "dry_run", "yes", "force")
    wanted = replace(edit_of(members, if_match(scope)), asked=asked(propose=True))
    written = settings.edit(context(), scope, wanted)
    document = written_document(written)
    document["plan"] = fleet.plan(context(), written.after, scope)
    return answer(document)


@routes.get(f"{SCOPE}/proposals/<proposal_id>")
@takes(*READ)
def show_proposal(app: str, env: str, proposal_id: str) -> Response:
    """One proposal: its difference, what it would do now, and what its checks say now.

    The former is in `reaches` and `plan`, the latter in `problem`. Query: `host`, `min_revision`.
    """
    return answer(proposals.shown(context(), snapshot(), scope_of(app, env), proposal_id))


@routes.post(f"{SCOPE}/proposals/<proposal_id>/approve")
@takes("host")
def approve(app: str, env: str, proposal_id: str) -> Response:
    """Agree to a proposal. The last one who has to makes it a change of its proposer, with all checks anew.

    Not with the token that it was proposed with. 409 `outdated` where a key that it touches was changed since.
    Answers 202 while it lacks others. Body: `message`, `dry_run`, `yes`, `force`. Query: `host`.
    """
    scope, wanted = scope_of(app, env), _wanted()
    written, one = proposals.approve(context(), scope, proposal_id, wanted)
    document = written_document(written) | {"approved": one}
    if wanted.dry_run and written.reaches:
        document["plan"] = fleet.plan(context(), written.after, scope)
    return answer(document)


@routes.post(f"{SCOPE}/proposals/<proposal_id>/reject")
@takes("host")
def reject(app: str, env: str, proposal_id: str) -> Response:
    """Turn a proposal down; its proposer takes it back so.

    Body: `message`. Query: `host`.
    """
    wanted = edit_of(body_of("message"), lambda _: None)
    return answer(proposals.reject(context(), scope_of(app, env), proposal_id, wanted))


@routes.post(f"{SCOPE}/proposals/<proposal_id>/rebase")
@takes("host")
def rebase(app: str, env: str, proposal_id: str) -> Response:
    """Put one's own proposal on what is there now; who agreed before has to do so again.

    Body: `message`, `dry_run`, `yes`, `force`. Query: `host`.
    """
    wanted = _wanted()
    written, one = proposals.rebase(context(), scope_of(app, env), proposal_id, wanted)
    return answer(written_document(written) | {"rebased": one})


def _wanted() -> Edit:
    return edit_of(body_of(*DECIDED), lambda _: None)
