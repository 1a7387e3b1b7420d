"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from flask import Blueprint, Response

from confd.api.query import takes
from confd.api.web import answer, context
from confd.errors import Unavailable
from confd.ports import Put

__all__ = ["routes"]

routes = Blueprint("health", __name__)


@routes.get("/livez")
@takes()
def livez() -> Response:
    """200 while the process serves; needs no token."""
    return answer({"status": "alive"})


@routes.get("/readyz")
@takes()
def readyz() -> Response:
    """200 only when a write, a linearizable read and the watch on the store work; needs no token.

    The probe's key is read by nobody.
    """
    here = context()
    revision = here.store.commit([Put(f"{here.keyspace.meta}-probe", here.clock.utc())])
    if not here.mirror.current:
        raise Unavailable("the watch on the store is being opened again")
    here.fresh()
    return answer({"status": "ready", "revision": revision, "store": here.store.version()})
