"""Resume: somebody has looked at a store that agents doubt, and takes it for the right one."""

from __future__ import annotations

from flask import Blueprint, Response

from confd.api.query import takes
from confd.api.web import answer, body_of, context, switch_of, wanted_of
from confd.services import resume as service

__all__ = ["routes"]

routes = Blueprint("resume", __name__)


@routes.post("/v1/resume")
@takes()
def resume() -> Response:
    """Let agents go on that do nothing, since the store is another, older or emptier than they knew it.

    Body: `message`, `dry_run`, `yes`, `restore` (set again what has gone from an app without a change). A dry run
    answers who doubts what, what has gone, and what would be done; more than that is done only with `yes`.
    """
    members = body_of("message", "dry_run", "yes", "restore")
    return answer(service.resume(context(), wanted_of(members), restore=switch_of(members, "restore")))
