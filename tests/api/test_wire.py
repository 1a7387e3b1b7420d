"""Requests as bytes on the wire, to the server that the product runs: what it makes of the path before any view."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from confd.api.asgi import application
from confd.services.context import Context
from tests.support.live import served

WEB = "/v1/apps/web/envs/dev"
VERBS = ("GET", "PUT", "DELETE")


class Wire:
    """Sends a request line as it is given: no client between that tidies a path up."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc

    def send(self, method: str, path: str) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            body = b'{"value": 1}' if method == "PUT" else None
            connection.request(method, path, body, {"Authorization": "Bearer t"})
            answer = connection.getresponse()
            text = answer.read()
            problem = answer.getheader("Content-Type") == "application/problem+json"
            assert problem is (answer.status >= 300), (answer.status, text)
            return answer.status, json.loads(text)
        finally:
            connection.close()

    def keys(self) -> list[str]:
        settings = self.send("GET", f"{WEB}/settings")[1]["settings"]
        assert isinstance(settings, dict)
        return sorted(settings)


@pytest.fixture
def wire(context: Context) -> Iterator[Wire]:
    with served(application(context, {"t": "admin"})) as url:
        yield Wire(url)


@pytest.mark.parametrize("stored", ["a%2Fb", "a/b", "a%2fb"])
def test_an_encoded_slash_is_the_same_key_in_every_verb_b138(wire: Wire, stored: str) -> None:
    for path in ("a%2Fb", "a/b"):
        assert wire.send("PUT", f"{WEB}/settings/{stored}")[0] == 200
        assert wire.keys() == ["a/b"]
        assert wire.send("GET", f"{WEB}/settings/{path}")[1]["key"] == "a/b"
        assert wire.send("DELETE", f"{WEB}/settings/{path}")[0] == 200
        assert wire.keys() == []


@pytest.mark.parametrize("method", VERBS)
@pytest.mark.parametrize("path", ["a%252Fb", "a%25b", "%2Fa", "/a", "a//b", "a%2F%2Fb", "a/", "a%2F", "//", "%2F"])
def test_a_key_that_is_none_is_400_in_every_verb_and_never_another_one_b138_b139(
    wire: Wire, method: str, path: str
) -> None:
    wire.send("PUT", f"{WEB}/settings/a")
    status, problem = wire.send(method, f"{WEB}/settings/{path}")
    assert (status, problem["code"]) == (400, "malformed")
    assert wire.keys() == ["a"]


@pytest.mark.parametrize("method", VERBS)
@pytest.mark.parametrize("byte", ["%FF", "%FE", "%00", "%0A", "%0D", "%7F", "%C3", "%ED%A0%80", "%C0%AF"])
def test_what_is_no_text_is_400_wherever_it_stands_in_the_path_b141(wire: Wire, method: str, byte: str) -> None:
    for path in (f"{WEB}/settings/bad{byte}", f"{WEB}/settings/{byte}/b", f"/v1/apps/w{byte}/envs/dev/settings/a"):
        assert wire.send(method, path)[0] == 400, path
    assert wire.keys() == []


@pytest.mark.parametrize("byte", ["%FF", "%00", "%0A"])
@pytest.mark.parametrize("route", ["config?", "config?format=env&", "settings?", "changes?", "plan?", "status?"])
def test_what_is_no_text_is_400_in_the_query_and_before_every_route_b141(wire: Wire, route: str, byte: str) -> None:
    assert wire.send("GET", f"{WEB}/{route}host=h{byte}")[0] == 400
    assert wire.send("GET", f"/v1/apps/web/envs/d{byte}/{route.rstrip('?&')}")[0] == 400
