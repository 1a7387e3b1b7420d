"""A store that is out of reach, or full: what each route answers then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from confd.api.asgi import application
from confd.client import Answer, Request
from confd.errors import StoreFull, Unavailable
from confd.services.context import Context
from confd.stores.memory import MemoryStore
from tests.support.asgi import AsgiTransport
from tests.support.contexts import context_on
from tests.support.stores import FailingStore
from tests.support.wait import until

WEB = "/v1/apps/web/envs/dev"
READS = ["/v1/apps", "/v1/hosts"]
READS += [f"{WEB}/{what}" for what in ("settings", "settings/A", "changes", "changes/1", "diff?against=env:qa")]
READS += [f"{WEB}/{what}" for what in ("explain/A", "plan", "status", "binding", "config")]
WRITES = [
    ("PATCH", f"{WEB}/settings", {"set": {"A": "2"}}),
    ("PUT", f"{WEB}/settings/A", {"value": "2"}),
    ("DELETE", f"{WEB}/settings/A", None),
    ("POST", f"{WEB}/rollback", {"to": 0}),
    ("PUT", f"{WEB}/binding", {"on_change": [{"keys": "**", "action": "none"}]}),
    ("DELETE", f"{WEB}/binding", None),
]


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(memory: MemoryStore) -> FailingStore:
    return FailingStore(memory)


@pytest.fixture
def context(store: FailingStore) -> Iterator[Context]:
    with context_on(store) as made:
        yield made


@pytest.fixture
def api(context: Context) -> AsgiTransport:
    made = AsgiTransport(application(context, {"t": "admin"}))
    assert _send(made, "PUT", f"{WEB}/settings/A", {"value": "1"}).status == 200
    assert _send(made, "PUT", f"{WEB}/binding", {}).status == 200
    return made


def _send(api: AsgiTransport, method: str, path: str, body: Any = None) -> Answer:
    content = None if body is None else json.dumps(body).encode()
    return api.send(Request(method, path, {"Authorization": "Bearer t"}, content), 20)


def _problem(answer: Answer) -> tuple[int, str, str]:
    return answer.status, answer.headers["content-type"], json.loads(answer.body)["code"]


UNAVAILABLE = (503, "application/problem+json", "unavailable")
FULL = (507, "application/problem+json", "store-full")


@pytest.mark.parametrize("asked", [*(("GET", path) for path in [*READS, "/readyz"]), *WRITES])
def test_a_store_out_of_reach_is_503_and_says_when_to_try_again(
    api: AsgiTransport, context: Context, memory: MemoryStore, asked: tuple[Any, ...]
) -> None:
    memory.set_reachable(False)
    until(lambda: not context.mirror.current, 5)
    answer = _send(api, *asked)
    assert _problem(answer) == UNAVAILABLE
    assert int(answer.headers["retry-after"]) > 0
    memory.set_reachable(True)
    until(lambda: context.mirror.current, 5)
    assert _send(api, *asked).status == 200


def test_the_process_lives_without_its_store(api: AsgiTransport, memory: MemoryStore) -> None:
    memory.set_reachable(False)
    assert _send(api, "GET", "/livez").status == 200


def test_a_write_into_a_store_that_has_just_gone_is_503_and_stores_nothing(
    api: AsgiTransport, store: FailingStore
) -> None:
    store.write_error = Unavailable("the store is out of reach; try again")
    answer = _send(api, "PUT", f"{WEB}/settings/A", {"value": "2"})
    assert (_problem(answer), answer.headers["retry-after"]) == (UNAVAILABLE, "1")
    store.write_error = None
    document = json.loads(_send(api, "GET", f"{WEB}/settings").body)
    assert (document["settings"]["A"]["value"], document["change"]) == ("1", 2)


@pytest.mark.parametrize(("method", "path", "body"), [*WRITES, ("GET", "/readyz", None)])
def test_a_full_store_is_507_and_stores_nothing(
    api: AsgiTransport, store: FailingStore, method: str, path: str, body: Any
) -> None:
    before = json.loads(_send(api, "GET", f"{WEB}/settings").body)
    store.write_error = StoreFull("etcd is full")
    assert _problem(_send(api, method, path, body)) == FULL
    assert json.loads(_send(api, "GET", f"{WEB}/settings").body) == before
    store.write_error = None
    assert _send(api, method, path, body).status == 200


@pytest.mark.parametrize("path", READS)
def test_a_full_store_still_answers_reads(api: AsgiTransport, store: FailingStore, path: str) -> None:
    store.write_error = StoreFull("etcd is full")
    assert _send(api, "GET", path).status == 200


def test_a_write_whose_answer_was_lost_is_found_stored(api: AsgiTransport, store: FailingStore) -> None:
    store.lose_answer = Unavailable("the connection broke")
    answer = _send(api, "PUT", f"{WEB}/settings/A", {"value": "2"})
    assert (answer.status, json.loads(answer.body)["change"]) == (200, 3)
    assert len(json.loads(_send(api, "GET", f"{WEB}/changes").body)["changes"]) == 3
