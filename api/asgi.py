"""The ASGI application: the hot `config` read with its long-poll natively, all else by Flask in threads."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl

from a2wsgi import WSGIMiddleware

from confd import jsontext
from confd.api.app import create_app
from confd.api.auth import name_of
from confd.api.errors import MEDIA_TYPE, problem_text
from confd.api.metrics import requests_of, template
from confd.api.query import READ, check, is_on, number
from confd.api.web import etag_of
from confd.binding import seconds
from confd.errors import ConfdError, Invalid, Malformed
from confd.formats import FORMATS
from confd.keyring import written_at
from confd.keys import DEFAULT, App, Env, Layer, parse_app, parse_env, parse_host
from confd.model import Snapshot
from confd.references import linked_layers
from confd.services import delivery
from confd.services.context import Context
from confd.services.revealing import Asker
from confd.services.scope import Scope
from confd.snapshot import Touched

__all__ = ["NATIVE", "TAKEN", "application"]

log = logging.getLogger(__name__)

MAX_WAIT_S = 600.0
REMEMBERED = 4096
WORKERS = 16
CONFIG = "/v1/apps/<app>/envs/<env>/config"
_CONFIG = re.compile(re.sub(r"<\w+>", "([^/]+)", CONFIG))
TAKEN = (*READ, "format", "instance", "index", "wait", "reveal")
"""The query parameters of the `config` route."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request for a configuration."""

    scope: Scope
    format: str
    index: int | None
    wait_s: float
    known: frozenset[str]
    min_revision: int
    reveal: bool
    instance: str
    asker: Asker = field(default_factory=lambda: Asker(""))


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    due: tuple[Layer, ...] = ()
    """The layers that may change it."""


@dataclass(slots=True)
class _Pulse:
    """Wakes all who wait, from the mirror's thread, once something changed; knows what changed when.

    A deletion straight in etcd leaves no trace in a snapshot, so what was touched is kept here. What happened
    before `since` is not known.
    """

    loop: asyncio.AbstractEventLoop | None = None
    event: asyncio.Event = field(default_factory=asyncio.Event)
    since: int = 0
    touched: dict[Layer | tuple[Env, App], int] = field(default_factory=dict)

    def beat(self, snapshot: Snapshot, touched: Touched | None) -> None:
        if touched is None or touched.meta:
            self.since = max(self.since, snapshot.revision)
        else:
            schemas = ((parse_env(DEFAULT), app) for app in touched.schemas)  # they reach what such a binding does
            self.touched |= dict.fromkeys((*touched.layers, *touched.bindings, *schemas), snapshot.revision)
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._swap)

    def _swap(self) -> None:
        old, self.event = self.event, asyncio.Event()
        old.set()


class _Application:
    def __init__(self, context: Context, tokens: Mapping[str, str], revealers: Collection[str]) -> None:
        self._context = context
        self._tokens, self._revealers = tokens, revealers
        rest = create_app(context, tokens, revealers)
        self._requests = requests_of(rest)
        self._rest = WSGIMiddleware(_whole(rest), workers=WORKERS)
        self._pulse = _Pulse()
        self._digests: OrderedDict[tuple[Scope, int], str] = OrderedDict()
        context.mirror.subscribe(self._pulse.beat)
        self._pulse.since = max(self._pulse.since, context.mirror.snapshot.revision)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        found = _CONFIG.fullmatch(scope.get("path", "")) if scope["type"] == "http" else None
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif found is None or scope["method"] != "GET":
            await self._rest(scope, receive, send)
        else:
            await self.config(found, scope, receive, send)

    async def config(self, path: re.Match[str], scope: Message, receive: Receive, send: Send) -> None:
        """What an instance is due: variables, files, digest; held back until it differs, where that is asked for.

        Query: `format` (`json` for all of it, or a format for the variables alone), `host`, `instance`, `index`
        (a revision that is known), `wait` (how long to hold the answer back while nothing differs, at most
        10m), `reveal` (with the secrets, if you may), `min_revision`.
        304 when the digest is that of `index` or of `If-None-Match`.
        """
        headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in scope["headers"]}
        began, held_back = time.monotonic(), b"wait=" in scope["query_string"]
        try:
            who = name_of(self._tokens, headers.get("authorization", ""))
            asked = _asked(path, scope["query_string"].decode("latin-1"), headers)
            asked = replace(asked, asker=Asker(who, may_reveal=who in self._revealers))
            answer = await self._wait(asked, receive)
        except ConfdError as error:
            answer = self._problem(error.status, error.code, error.detail, error.pointer)
        except Exception:
            log.exception("an error of our own on GET %s", scope["path"])
            answer = self._problem(500, "internal", "an error of the server's own; its log says more")
        if answer is not None:
            took_s = None if held_back else time.monotonic() - began
            self._requests.count("GET", template(CONFIG), answer.status, took_s)
            await _send(send, answer)

    async def _wait(self, asked: _Asked, receive: Receive) -> _Answer | None:
        """The answer once it differs, 304 after the wait, None when the caller has gone."""
        loop = self._pulse.loop = asyncio.get_running_loop()
        deadline, seen, due = loop.time() + asked.wait_s, -1, ()  # type: float, int, tuple[Layer, ...]
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while True:
                beat, left = self._pulse.event, deadline - loop.time()
                if left <= 0 or self._moved_on(asked.scope, due, seen):
                    answer = await asyncio.to_thread(self._answer, asked)
                    if answer.status != 304 or left <= 0:
                        return answer
                    seen, due = int(answer.headers["x-confd-revision"]), answer.due
                waiting = asyncio.ensure_future(beat.wait())
                await asyncio.wait({waiting, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if gone.done():
                    return None
        finally:
            gone.cancel()

    def _moved_on(self, scope: Scope, due: Sequence[Layer], seen: int) -> bool:
        """Whether anything that the scope is due, by these layers, may have changed since a revision."""
        return max(self._pulse.since, self._last_touched(scope, due)) > seen

    def _answer(self, asked: _Asked) -> _Answer:
        snapshot = self._context.snapshot(asked.min_revision)
        document = delivery.config(self._context, snapshot, asked.scope, reveal=asked.reveal)
        digest, revision = str(document["digest"]), int(document["revision"])
        self._remember(asked.scope, revision, digest)
        due = linked_layers(snapshot, asked.scope.env, asked.scope.app, asked.scope.host)
        tag = etag_of({"digest": digest, "problems": document["problems"], "reveal": asked.reveal}, asked.format)
        headers = {"etag": tag, "x-confd-revision": str(revision), "cache-control": "no-cache, no-transform"}
        if tag in asked.known or "*" in asked.known or self._same(asked, snapshot, due, digest):
            return _Answer(304, headers, due=due)
        if asked.reveal:
            delivery.check_reveal(self._context, asked.scope, document["secret"], asked.asker, asked.instance)
        if asked.format == delivery.WHOLE:
            return _Answer(200, {**headers, "content-type": "application/json"}, _json(document))
        text = delivery.text_in(document, asked.format)
        return _Answer(200, {**headers, "content-type": "text/plain; charset=utf-8"}, text.encode())

    def _remember(self, scope: Scope, revision: int, digest: str) -> None:
        self._digests[scope, revision] = digest
        while len(self._digests) > REMEMBERED:
            self._digests.popitem(last=False)

    def _same(self, asked: _Asked, snapshot: Snapshot, due: Sequence[Layer], digest: str) -> bool:
        """Whether the configuration at `index` was this one; a forgotten one is as good as different."""
        if asked.index is None or asked.index > snapshot.revision:
            return False
        known = self._digests.get((asked.scope, asked.index))
        if known is not None:
            return known == digest
        touched, edited = self._last_touched(asked.scope, due), _last_edit(snapshot, asked.scope, due)
        return asked.index >= max(self._pulse.since, touched, edited)

    def _last_touched(self, scope: Scope, due: Sequence[Layer]) -> int:
        touched = self._pulse.touched
        bindings = (touched.get((env, scope.app), 0) for env in (scope.env, parse_env(DEFAULT)))
        return max([*bindings, *(touched.get(one, 0) for one in due)])

    def _problem(self, status: int, code: str, detail: str, pointer: str | None = None) -> _Answer:
        headers = {"content-type": MEDIA_TYPE, "x-confd-revision": str(self._context.mirror.snapshot.revision)}
        headers |= {503: {"retry-after": "1"}, 401: {"www-authenticate": 'Bearer realm="confd"'}}.get(status, {})
        return _Answer(status, headers, problem_text(status, code, detail, pointer).encode())


NATIVE: Mapping[tuple[str, str], Callable[..., Any]] = {("GET", CONFIG): _Application.config}
"""The routes that Flask does not see."""


def application(context: Context, tokens: Mapping[str, str], revealers: Collection[str] = ()) -> Any:
    """The whole API. `tokens`: token -> name; `revealers`: the names that may see secrets. Made after any fork."""
    return _Application(context, tokens, revealers)


def _last_edit(snapshot: Snapshot, scope: Scope, due: Sequence[Layer]) -> int:
    """The newest revision that touched what the scope is due."""
    revisions = [0]
    for layer in due:
        head = snapshot.heads.get(layer)
        revisions += [head.revision] if head else []
        revisions += [written_at(entry) for entry in snapshot.layers.get(layer, {}).values()]
    revisions += [entry.mod_revision for entry in snapshot.schemas.get(scope.app, {}).values()]
    found = (snapshot.bindings.get((env, scope.app)) for env in (scope.env, parse_env(DEFAULT)))
    return max([*revisions, *(entry.mod_revision for entry in found if entry is not None)])


def _asked(path: re.Match[str], query: str, headers: Mapping[str, str]) -> _Asked:
    pairs = parse_qsl(query, keep_blank_values=True)
    check([name for name, _ in pairs], TAKEN)
    given = dict(pairs)
    host = given.get("host")
    scope = Scope(parse_env(path[2]), parse_app(path[1]), None if host is None else parse_host(host))
    form = given.get("format", delivery.WHOLE)
    if form not in FORMATS and form != delivery.WHOLE:
        raise Malformed(f"format {form!r} is unknown; known are: {', '.join(sorted(FORMATS))}", pointer="/format")
    wait_s = _seconds(given["wait"]) if "wait" in given else 0.0
    tags = frozenset(one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(","))
    index = number(given, "index") if "index" in given else None
    return _Asked(
        scope,
        form,
        index,
        wait_s,
        tags - {""},
        number(given, "min_revision"),
        is_on(given, "reveal"),
        given.get("instance", ""),
    )


def _seconds(text: str) -> float:
    try:
        wait_s = seconds(text)
    except Invalid as error:
        raise Malformed(f"wait: {error.detail}", pointer="/wait") from error
    if wait_s > MAX_WAIT_S:
        raise Malformed(f"wait is at most {MAX_WAIT_S:g} s", pointer="/wait")
    return wait_s


def _json(document: Mapping[str, Any]) -> bytes:
    return (jsontext.dump(dict(document)) + "\n").encode()


async def _send(send: Send, answer: _Answer) -> None:
    headers = [(name.encode(), text.encode("latin-1")) for name, text in answer.headers.items()]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _whole(app: Any) -> Any:
    """A body without a Content-Length, as a client that streams sends it, is read to its end too."""

    def terminated(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input_terminated"] = True
        return app(environ, start_response)

    return terminated


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
