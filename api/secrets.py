"""Secrets, beside reading and writing them: changing their keys, and the audit of who saw them."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import number, takes
from confd.api.web import answer, asker, body_of, context, switch_of
from confd.errors import Malformed
from confd.services import audit, rotation

__all__ = ["routes"]

routes = Blueprint("secrets", __name__)
PAGE = 100


@routes.post("/v1/rotate")
@takes()
def rotate() -> Response:
    """Put the data keys under the first master key, or with `reencrypt` every secret under a new data key.

    Body: `reencrypt`, `after`. Sealing anew is done in steps: `next` of each answer is the `after` of the next one,
    and null once all is done and the old keys are dropped. Whoever was cut off begins again without `after`.
    """
    members = body_of("reencrypt", "after")
    after = members.get("after", "")
    if not isinstance(after, str):
        raise Malformed("after is the next of the step before", pointer="/after")
    if switch_of(members, "reencrypt"):
        return answer(rotation.step(context(), after, asker()))
    return answer(rotation.rotate(context(), asker()))


@routes.get("/v1/audit")
@takes("limit", "before")
def list_acts() -> Response:
    """Who was shown which secrets, and who changed their keys, newest first.

    Query: `limit` (at most 1000), `before` (the id of the last act that is known).
    """
    limit = min(number(request.args, "limit", PAGE), 1000)
    return answer(audit.audited(context(), limit, request.args.get("before", "")))
