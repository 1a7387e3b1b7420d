"""The figures of the API: one series a route, never one a path."""

from __future__ import annotations

import pytest

from confd.api.app import create_app
from confd.api.asgi import application
from confd.client import Request
from confd.services.context import Context
from tests.support.asgi import AsgiTransport
from tests.support.scraped import OPENMETRICS, Page, read

TOKEN = {"Authorization": "Bearer secret-token"}
WEB = "/v1/apps/web/envs/dev"


def _page(transport: AsgiTransport, accept: str = "") -> Page:
    answer = transport.send(Request("GET", "/metrics", {"Accept": accept}), 10)
    assert answer.status == 200
    return read(answer.headers["content-type"], answer.body.decode())


def _ask(transport: AsgiTransport, path: str, method: str = "GET", token: bool = True) -> int:
    return transport.send(Request(method, path, TOKEN if token else {}), 10).status


@pytest.fixture
def transport(context: Context) -> AsgiTransport:
    return AsgiTransport(application(context, {"secret-token": "admin"}))


def test_5000_different_keys_and_unknown_paths_add_no_series_b161(context: Context) -> None:
    app = create_app(context, {"secret-token": "admin"})
    client = app.test_client()

    def series() -> Page:
        answer = client.get("/metrics")
        return read(answer.headers["Content-Type"], answer.text)

    client.get(f"{WEB}/settings/first", headers=TOKEN)
    client.get("/first")
    client.get("/metrics")
    before = series()
    for number in range(5000):
        client.get(f"{WEB}/settings/deep/key-{number}", headers=TOKEN)
        client.get(f"/no/such/path-{number}", headers={"X-Confd-Author": f"user-{number}"})
    after = series()
    assert after.series.keys() == before.series.keys()
    route = "/v1/apps/{app}/envs/{env}/settings/{key}"
    assert after.number("confd_http_requests_total", method="GET", route=route, status="404") == 5001
    assert after.number("confd_http_requests_total", method="GET", route="unmatched", status="401") == 5001
    assert not any(part in word for word in after.words for part in ("key-", "path-", "user-"))


def test_refused_unmatched_and_strange_requests_are_counted(transport: AsgiTransport) -> None:
    assert _ask(transport, f"{WEB}/settings", token=False) == 401
    assert _ask(transport, "/no/such/path") == 404
    assert _ask(transport, "/livez", method="DELETE") == 405
    assert _ask(transport, "/livez", method="BREW") == 405
    page = _page(transport)
    own = "/v1/apps/{app}/envs/{env}/settings"
    assert page.number("confd_http_requests_total", method="GET", route=own, status="401") == 1
    assert page.number("confd_http_requests_total", method="GET", route="unmatched", status="404") == 1
    assert page.number("confd_http_requests_total", method="DELETE", route="unmatched", status="405") == 1
    assert page.number("confd_http_requests_total", method="other", route="unmatched", status="405") == 1
    assert page.number("confd_http_request_seconds_count", method="GET", route=own) == 1


def test_the_hot_read_is_counted_and_timed_only_where_nothing_held_it_back(transport: AsgiTransport) -> None:
    route = "/v1/apps/{app}/envs/{env}/config"
    assert _ask(transport, f"{WEB}/config?wait=10ms") == 200
    page = _page(transport)
    assert page.number("confd_http_requests_total", method="GET", route=route, status="200") == 1
    assert page.value("confd_http_request_seconds_count", method="GET", route=route) is None
    assert _ask(transport, f"{WEB}/config") == 200
    assert _page(transport).number("confd_http_request_seconds_count", method="GET", route=route) == 1


def test_the_page_comes_without_a_token_in_the_form_that_is_asked_for(transport: AsgiTransport) -> None:
    page = _page(transport, OPENMETRICS)
    assert page.number("confd_watch_current") == 1
    assert page.number("confd_watch_revision") >= 0
    plain = transport.send(Request("GET", "/metrics", {}), 10)
    asked = transport.send(Request("GET", "/metrics", {"Accept": OPENMETRICS}), 10)
    assert plain.headers["content-type"].startswith("text/plain")
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.body.endswith(b"# EOF\n")
