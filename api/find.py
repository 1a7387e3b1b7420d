"""Find: settings of all apps and envs, by key or value."""

from __future__ import annotations

from flask import Blueprint, Response, request

from confd.api.query import number, switch, takes
from confd.api.web import answer, context, snapshot
from confd.errors import Malformed
from confd.keys import parse_app, parse_env, parse_host
from confd.services import find as service

__all__ = ["routes"]

routes = Blueprint("find", __name__)


@routes.get("/v1/find")
@takes("key", "value", "env", "app", "host", "effective", "limit", "after", "min_revision")
def find() -> Response:
    """The settings whose key or value matches, over all apps and envs, with the layer where each stands.

    Query: `key` or `value` (a word that is found anywhere, or with `*` and `?` a pattern for the whole; in keys
    `**` goes across segments), `env`, `app`, `host`, `effective` (what apps are due, not each layer), `limit` (100,
    at most 1000), `after` (`next` of the page before), `min_revision`. A secret is found by its key alone.
    """
    given = [name for name in ("key", "value") if name in request.args]
    if len(given) != 1:
        raise Malformed("say what to look for: key or value, and only one of them", pointer="/key")
    env, app, host = (request.args.get(name) for name in ("env", "app", "host"))
    wanted = service.Wanted(
        request.args[given[0]],
        given[0] == "value",
        switch("effective"),
        None if env is None else parse_env(env),
        None if app is None else parse_app(app),
        None if host is None else parse_host(host),
        max(1, min(number(request.args, "limit", 100), service.MAX_LIMIT)),
        request.args.get("after", ""),
    )
    return answer(service.find(context(), snapshot(), wanted))
