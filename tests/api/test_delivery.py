"""The `config` read and its long-poll, driven as an ASGI server does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from confd.api.asgi import application
from confd.keys import App, Env
from confd.ports import Delete, Put
from confd.services import settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit

WEB = Scope(Env("dev"), App("web"))


async def _get(app: Any, query: str = "", token: str = "t", tag: str = "") -> tuple[int, dict[str, str], bytes]:
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"if-none-match", tag.encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/apps/web/envs/dev/config", "headers": headers}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({**scope, "query_string": query.encode()}, receive, send)
    found = {name.decode(): text.decode() for name, text in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


def test_an_app_without_settings_is_due_nothing(context: Context) -> None:
    status, _, body = asyncio.run(_get(application(context, {"t": "admin"})))
    assert (status, json.loads(body)["variables"]) == (200, {})


def test_a_poll_answers_once_the_configuration_differs(context: Context) -> None:
    app = application(context, {"t": "admin"})
    settings.edit(context, WEB, Edit({"A": "1"}))

    async def poll() -> tuple[int, dict[str, str], bytes]:
        first = json.loads((await _get(app))[2])
        waiting = asyncio.ensure_future(_get(app, f"index={first['revision']}&wait=30s"))
        other = Scope(Env("dev"), App("other"))
        await asyncio.to_thread(settings.edit, context, other, Edit({"B": "1"}))
        await asyncio.to_thread(settings.edit, context, WEB, Edit({"A": "2"}))
        return await waiting

    status, _, body = asyncio.run(poll())
    assert (status, json.loads(body)["variables"]) == (200, {"A": "2"})


def test_the_same_configuration_is_304_after_the_wait_and_a_future_index_answers_at_once(context: Context) -> None:
    app = application(context, {"t": "admin"})
    revision = settings.edit(context, WEB, Edit({"A": "1"})).revision
    status, headers, _ = asyncio.run(_get(app, f"index={revision}&wait=10ms"))
    assert status == 304
    assert asyncio.run(_get(app, tag=headers["etag"]))[0] == 304
    assert asyncio.run(_get(app, "index=999999&wait=30s"))[0] == 200


@pytest.mark.parametrize(
    ("query", "token", "status"),
    [("", "x", 401), ("index=x", "t", 400), ("wait=1h", "t", 400), ("wait=soon", "t", 400), ("what=1", "t", 400)],
)
def test_what_is_refused_is_a_problem_document(context: Context, query: str, token: str, status: int) -> None:
    found, headers, _ = asyncio.run(_get(application(context, {"t": "admin"}), query, token))
    assert (found, headers["content-type"]) == (status, "application/problem+json")


def test_the_variables_alone_in_a_format(context: Context) -> None:
    settings.edit(context, WEB, Edit({"A": "x y"}))
    status, headers, body = asyncio.run(_get(application(context, {"t": "admin"}), "format=env"))
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert b"A=" in body


def test_a_deletion_straight_in_the_store_answers_a_poll_whose_index_is_forgotten(context: Context) -> None:
    revision = settings.edit(context, WEB, Edit({"A": "1", "B": "2"})).revision
    context.mirror.wait(revision, 5)
    following = application(context, {"t": "admin"})
    deleted = context.store.commit([Delete(f"{context.keyspace.prefix}/envs/dev/settings/web/B")])
    context.mirror.wait(deleted, 5)
    for app in (following, application(context, {"t": "admin"})):
        status, _, body = asyncio.run(_get(app, f"index={revision}&wait=10ms"))
        assert (status, json.loads(body)["variables"]) == (200, {"A": "1"})


def test_an_unknown_format_is_refused_whatever_the_caller_has(context: Context) -> None:
    app = application(context, {"t": "admin"})
    for query in ("format=bogus", f"format=bogus&index={context.snapshot().revision}"):
        assert asyncio.run(_get(app, query))[0] == 400


def test_every_answer_tells_its_revision(context: Context) -> None:
    app = application(context, {"t": "admin"})
    for token, status in (("t", 200), ("x", 401)):
        found, headers, _ = asyncio.run(_get(app, token=token))
        assert (found, "x-confd-revision" in headers) == (status, True)
    assert asyncio.run(_get(app, tag="*"))[0] == 304


def test_a_poll_answers_once_what_its_app_refers_to_differs(context: Context) -> None:
    app = application(context, {"t": "admin"})
    db, cache = Scope(Env("dev"), App("db")), Scope(Env("dev"), App("cache"))
    settings.edit(context, cache, Edit({"name": "c"}))
    settings.edit(context, db, Edit({"dsn": "h.${cache:name}", "other": "1"}))
    settings.edit(context, WEB, Edit({"URL": "pg://${db:dsn}"}))

    async def poll() -> tuple[tuple[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]:
        first = json.loads((await _get(app))[2])
        settings.edit(context, db, Edit({"other": "2"}))
        same = await _get(app, f"index={first['revision']}&wait=10ms")
        waiting = asyncio.ensure_future(_get(app, f"index={first['revision']}&wait=30s"))
        await asyncio.to_thread(settings.edit, context, db, Edit({"other": "3"}))
        await asyncio.to_thread(settings.edit, context, cache, Edit({"name": "d"}, yes=True))
        return same, await waiting

    (unchanged, _, _), (status, _, body) = asyncio.run(poll())
    assert unchanged == 304
    assert (status, json.loads(body)["variables"]) == (200, {"URL": "pg://h.d"})


def test_a_poll_whose_index_is_forgotten_answers_for_what_its_app_refers_to(context: Context) -> None:
    settings.edit(context, Scope(Env("dev"), App("db")), Edit({"name": "c"}))
    revision = settings.edit(context, WEB, Edit({"URL": "${db:name}"})).revision
    context.mirror.wait(
        settings.edit(context, Scope(Env("dev"), App("db")), Edit({"name": "d"}, yes=True)).revision, 5
    )
    status, _, body = asyncio.run(_get(application(context, {"t": "admin"}), f"index={revision}&wait=10ms"))
    assert (status, json.loads(body)["variables"]) == (200, {"URL": "d"})


def test_a_schema_that_came_past_the_api_wakes_who_waits_for_its_default(context: Context) -> None:
    settings.edit(context, WEB, Edit({"A": "1"}))
    app = application(context, {"t": "admin"})

    async def both() -> tuple[int, dict[str, str], bytes]:
        seen = context.mirror.snapshot.revision
        waiting = asyncio.create_task(_get(app, f"index={seen}&wait=20s"))
        await asyncio.sleep(0)
        text = '{"properties": {"B": {"default": 2}}}'
        await asyncio.to_thread(context.store.commit, [Put(context.keyspace.schema(App("web"), 1), text)])
        return await waiting

    status, _, body = asyncio.run(both())
    assert (status, json.loads(body)["variables"]) == (200, {"A": "1", "B": "2"})
