"""The wire to a Docker Engine: one call out, its answer or one of the port's errors back.

API 1.41 to 1.44, whatever of these the engine speaks. Bodies go out as they are: the SDK's own calls know
neither `NanoCpus` nor `PidsLimit` of an update.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
import requests
import urllib3.exceptions

from confd.errors import ContainerGone, EngineRefused, EngineUnavailable, TargetError
from confd.ports import Heard

__all__ = ["ENDLESS", "Call", "Wire", "named"]

NEWEST_API = "1.44"
"""A newer engine is spoken to in this version: its documents are the ones we know."""

ENDLESS = -1.0

AT_ONCE = 40
"""So many connections are kept: one for each worker, the events, and all that asks for figures at once."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the engine's API. `wait_s` 0 stands for the wire's own timeout, `ENDLESS` for none."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    wait_s: float = 0.0
    stream: bool = False


def named(path: str, name: str) -> str:
    """The path with a container's, network's or image's name in it."""
    return path.format(quote(name, safe="/:@"))


class Wire:
    """Connects at the first call; safe for several threads. `heard` is told of each call."""

    def __init__(self, docker_host: str | None, timeout_s: float, heard: Heard) -> None:
        self._docker_host = docker_host or None
        self._timeout_s = timeout_s
        self._heard = heard
        self._lock = threading.Lock()
        self._client: docker.APIClient | None = None

    def send(self, call: Call) -> requests.Response:
        """Raises `EngineUnavailable`, `EngineRefused`, `ContainerGone`."""
        about = call.path.split("/")[1]
        try:
            response = self._send(call)
        except TargetError as error:
            self._heard(about, error.code)
            raise
        self._heard(about, "ok")
        return response

    def _send(self, call: Call) -> requests.Response:
        wait_s = None if call.wait_s == ENDLESS else call.wait_s or self._timeout_s
        try:
            client = self._connect()
            response = client.request(
                call.method,
                f"{client.base_url}/v{client.api_version}{call.path}",
                params=dict(call.query),
                json=None if call.body is None else dict(call.body),
                timeout=(self._timeout_s, wait_s),
                stream=call.stream,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.DockerException) as exc:
            raise EngineUnavailable(f"the container engine does not answer: {_innermost(exc)}") from exc
        if response.status_code >= 400:
            raise _refusal(response)
        return response

    def json(self, call: Call) -> Any:
        """The answer's document."""
        return self.send(call).json()

    def close(self) -> None:
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connect(self) -> docker.APIClient:
        with self._lock:
            if self._client is None:
                client = self._open("auto")
                if _number(client.api_version) > _number(NEWEST_API):
                    client.close()
                    client = self._open(NEWEST_API)
                self._client = client
            return self._client

    def _open(self, version: str) -> docker.APIClient:
        client = docker.APIClient(
            base_url=self._docker_host,
            version=version,
            timeout=round(self._timeout_s) or 1,
            max_pool_size=AT_ONCE,
        )
        if client.base_url.startswith("http+docker:"):  # a socket: no proxy or netrc to be looked up for each call
            client.trust_env = False
        return client


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _innermost(exc: Exception) -> str:
    """The innermost reason, without the nesting of libraries."""
    inner: BaseException = exc
    while inner.__cause__ is not None or inner.__context__ is not None:
        inner = inner.__cause__ or inner.__context__ or inner
    return str(inner) or type(inner).__name__


def _refusal(response: requests.Response) -> TargetError:
    """The engine's text, as the error that says what a caller can do about it."""
    try:
        text = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        text = response.text or f"HTTP {response.status_code}"
    text = " ".join(text.split())
    if response.status_code == 404 and "No such container" in text:
        return ContainerGone(text)
    if "marked for removal" in text:
        return ContainerGone(text)
    if response.status_code == 409 and "is not running" in text and "/kill" in str(response.url):
        return ContainerGone(text)
    if response.status_code in (502, 503, 504):
        return EngineUnavailable(text)
    return EngineRefused(text)
