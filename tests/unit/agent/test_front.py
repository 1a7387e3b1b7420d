"""The agent's own HTTP server."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from confd.agent.front import Front
from confd.listening import listen
from confd.metrics import Page, Tally


class Shows:
    def __init__(self, why: str = "") -> None:
        self.why = why

    def page(self) -> Page:
        return Page(Tally())

    def why_not_ready(self) -> str:
        return self.why


class Served:
    def __init__(self) -> None:
        listener = listen("127.0.0.1:0")
        self.port = listener.getsockname()[1]
        self.front = Front(listener)

    def ask(self, path: str, method: str = "GET") -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        found = answer.status, answer.headers["Content-Type"], answer.read()
        connection.close()
        return found


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.front.close()


def test_a_process_that_waits_for_its_engine_lives_and_is_not_ready(served: Served) -> None:
    assert served.ask("/livez")[0] == 200
    for path in ("/readyz", "/metrics"):
        status, kind, body = served.ask(path)
        assert (status, kind) == (503, "application/problem+json")
        assert "engine" in json.loads(body)["detail"]


def test_it_is_ready_once_it_can_do_its_work(served: Served) -> None:
    shows = Shows("the watch on the store is being opened again")
    served.front.show(shows)
    assert json.loads(served.ask("/readyz")[2])["detail"] == shows.why
    shows.why = ""
    assert served.ask("/readyz")[0] == 200
    status, kind, body = served.ask("/metrics?x=1")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert b"process_open_fds" in body


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/livez", "POST", 501)])
def test_nothing_else_is_there(served: Served, path: str, method: str, status: int) -> None:
    assert served.ask(path, method)[0] == status


def test_a_head_has_no_body(served: Served) -> None:
    assert served.ask("/livez", "HEAD")[::2] == (200, b"")
