"""The whole API without a socket: requests go into the ASGI application as a server would bring them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from confd.client import Answer, Request
from confd.transport import Opened

__all__ = ["AsgiTransport"]


@dataclass(frozen=True, slots=True)
class AsgiTransport:
    """The client's transport to an application in this process."""

    application: Any
    chunked: bool = False
    """The body without a Content-Length, in several parts."""

    def send(self, request: Request, timeout_s: float) -> Answer:
        return asyncio.run(asyncio.wait_for(self._send(request), timeout_s))

    @contextmanager
    def opened(self, request: Request, timeout_s: float) -> Iterator[Opened]:
        answer = self.send(request, timeout_s)
        yield Opened(answer.status, answer.headers, io.BytesIO(answer.body))

    async def _send(self, request: Request) -> Answer:
        path, _, query = request.target.partition("?")
        headers = [(name.lower().encode(), text.encode()) for name, text in request.headers.items()]
        body = request.body or b""
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote_to_bytes(path).decode(),
            "query_string": query.encode(),
            "headers": headers if self.chunked else [*headers, (b"content-length", str(len(body)).encode())],
            "scheme": "http",
            "server": ("test", 80),
            "http_version": "1.1",
        }
        step = len(body) // 4 + 1
        parts = [body[at : at + step] for at in range(0, len(body), step)] if self.chunked else [body]
        incoming = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        incoming += [{"type": "http.request", "body": b"", "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if incoming:
                return incoming.pop(0)
            await asyncio.Event().wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        answered = {name.decode().lower(): text.decode() for name, text in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(one.get("body", b"") for one in sent[1:]))
