"""Manifests: several things at once, as files have them."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response

from confd.api.query import takes
from confd.api.web import answer, body_of, context, edit_of
from confd.errors import Malformed
from confd.jsontext import Value
from confd.services import apply

__all__ = ["routes"]

routes = Blueprint("manifests", __name__)


@routes.post("/v1/apply")
@takes()
def apply_manifests() -> Response:
    """Write manifests, each a change of its own layer; all are checked before the first is written.

    Body: `documents` (a list of manifests), `message`, `dry_run`, `yes`, `force`. A manifest has a `kind`:
    `settings` (`app`, `env`, `host`, `name`, `settings`, `secret`), `schema` (`app`, `schema`), `binding` (its
    members beside `kind`) or `policy` (`env`, `name`, `policy`).

    A manifest of settings owns the keys that it names: one that it names no more is unset, what others have set
    stays (`others`). A key of another manifest is refused, or taken over with `force`.
    """
    members = body_of("documents", "message", "dry_run", "yes", "force")
    documents = members.pop("documents", None)
    if not isinstance(documents, list):
        raise Malformed("documents: it is to be a list of manifests", pointer="/documents")
    wanted = edit_of(members, lambda snapshot: None)
    return answer(apply.apply(context(), cast(list[Value], documents), wanted))
