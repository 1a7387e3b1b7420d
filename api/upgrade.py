"""Upgrade: the store's format."""

from __future__ import annotations

from flask import Blueprint, Response

from confd.api.query import takes
from confd.api.web import answer, body_of, context, switch_of
from confd.services import upgrade as service

__all__ = ["routes"]

routes = Blueprint("upgrade", __name__)


@routes.post("/v1/upgrade")
@takes()
def upgrade() -> Response:
    """Raise the store's format to the newest that this release serves, once every agent knows it.

    Body: `dry_run`, `yes`. A dry run answers the format, the newest, and whose agents are behind.
    """
    members = body_of("dry_run", "yes")
    return answer(service.upgrade(context(), dry_run=switch_of(members, "dry_run"), yes=switch_of(members, "yes")))
