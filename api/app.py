"""The Flask application: every route but the long-poll of `config`, which is native (`confd.api.asgi`)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flask import Flask, Response
from werkzeug.routing import BaseConverter

from confd.api import (
    adoption,
    auth,
    backup,
    bindings,
    brakes,
    envrules,
    errors,
    find,
    fleet,
    health,
    history,
    manifests,
    metrics,
    policies,
    proposals,
    resume,
    schemas,
    secrets,
    settings,
    upgrade,
    web,
)
from confd.services.context import Context

__all__ = ["create_app"]


class KeyConverter(BaseConverter):
    """All the rest of the path, as it is: the key's grammar decides, whatever slashes or line ends are in it."""

    regex = r"[\s\S]+"
    part_isolating = False


def create_app(context: Context, tokens: Mapping[str, str], revealers: Collection[str] = ()) -> Flask:
    """`tokens`: token -> the name that its changes carry as author; `revealers`: the names that may see secrets."""
    app = Flask("confd.api", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["key"] = KeyConverter
    app.config["MAX_CONTENT_LENGTH"] = web.MAX_BODY_BYTES
    app.extensions["confd"] = context
    errors.install(app)
    metrics.install(app, context)
    auth.install(app, tokens, revealers)
    for module in (
        settings,
        history,
        bindings,
        policies,
        proposals,
        envrules,
        manifests,
        schemas,
        brakes,
        adoption,
        resume,
        upgrade,
        backup,
        find,
        secrets,
        fleet,
        health,
        metrics,
    ):
        app.register_blueprint(module.routes)

    def revision(response: Response) -> Response:
        response.headers.setdefault("X-Confd-Revision", str(context.mirror.snapshot.revision))
        return response

    app.after_request(revision)
    return app
