"""`/metrics` of the API: its requests by route, and how it follows the store. No name of anybody's is a label."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import cast

from flask import Blueprint, Flask, Response, current_app, g, request

from confd.api.query import takes
from confd.following import FOLLOWING, following
from confd.metrics import Kind, Metric, Page, Tally
from confd.services.context import Context

__all__ = ["API_METRICS", "Requests", "install", "requests_of", "routes", "template"]

_REQUESTS = Metric(
    "confd_http_requests_total",
    Kind.COUNTER,
    "requests by method, route as its template, and status; `unmatched` is every path that is no route",
    ("method", "route", "status"),
)
_SECONDS = Metric(
    "confd_http_request_seconds",
    Kind.HISTOGRAM,
    "how long answers took, without those that were held back on purpose",
    ("method", "route"),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
API_METRICS = (_REQUESTS, _SECONDS, *FOLLOWING)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_UNMATCHED = "unmatched"

routes = Blueprint("metrics", __name__)


@dataclass(frozen=True, slots=True)
class Requests:
    """What is counted of the requests of one application, and the page that shows it."""

    tally: Tally
    page: Page

    def count(self, method: str, route: str, status: int, took_s: float | None) -> None:
        """`took_s` is None for an answer that was held back on purpose."""
        word = method if method in _METHODS else "other"
        self.tally.add(_REQUESTS, word, route, str(status))
        if took_s is not None:
            self.tally.observe(_SECONDS, took_s, word, route)


def template(rule: str) -> str:
    """A route as the documentation has it: `/v1/apps/{app}/envs/{env}/settings/{key}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def requests_of(app: Flask) -> Requests:
    return cast(Requests, app.extensions["confd.requests"])


def install(app: Flask, context: Context) -> None:
    """Count every request, refused ones too; before anything else looks at it."""
    tally = Tally()
    counts = Requests(tally, Page(tally, [lambda: following(context.mirror)]))
    app.extensions["confd.requests"] = counts

    def begin() -> None:
        g.began = time.monotonic()

    def end(response: Response) -> Response:
        rule = request.url_rule
        route = _UNMATCHED if rule is None else template(rule.rule)
        counts.count(request.method, route, response.status_code, time.monotonic() - g.began)
        return response

    app.before_request(begin)
    app.after_request(end)


@routes.get("/metrics")
@takes()
def metrics() -> Response:
    """Figures for Prometheus, as OpenMetrics where that is accepted; needs no token, since it tells no names."""
    kind, body = requests_of(current_app).page.text(request.headers.get("Accept", ""))
    return Response(body, content_type=kind)
