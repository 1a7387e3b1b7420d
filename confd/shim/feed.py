"""Fetches the settings, and follows them in a thread of its own."""

from __future__ import annotations

import _thread
import os
import time

from confd.shim.server import HEAD_LIMIT, Reader, quote
from confd.shim.settings import Settings, parse_settings
from confd.shim.told import CONFIGURATION, REFUSED, FetchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from confd.shim.options import Options

__all__ = ["Feed", "backoff_s", "fetch", "random_part"]

WAIT_S = 55
ANSWER_TIMEOUT_S = 10.0
BACKOFF_S = (1.0, 60.0)
BACKOFF_BEFORE_START_S = 5.0


def read_token(path: str) -> str:
    """The token in the file. Raises FetchError, final with 78."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read(HEAD_LIMIT).strip()
    except (OSError, ValueError) as exc:
        why = os.strerror(exc.errno or 0) if isinstance(exc, OSError) else "not text"
        raise FetchError(f"cannot read the token file {path}: {why}", final_code=CONFIGURATION) from exc
    if not token or not token.isprintable() or " " in token:
        raise FetchError(f"the token file {path} holds no token", final_code=CONFIGURATION)
    return token


def fetch(options: Options, index: int | None) -> Settings | None:
    """One request; with an index it waits for a change. None when there was none. Raises FetchError."""
    query = f"format=json&reveal=true&instance={quote(os.uname().nodename)}"
    query += f"&host={quote(options.host)}" if options.host else ""
    query += f"&index={index}&wait={WAIT_S}s" if index is not None else ""
    path = f"{options.server.prefix}/v1/apps/{quote(options.app)}/envs/{quote(options.env)}/config?{query}"
    lines = [f"GET {path} HTTP/1.1", f"Host: {options.server.authority}", "Accept: application/json"]
    if options.token_file:
        lines.append(f"Authorization: Bearer {read_token(options.token_file)}")
    lines += ["User-Agent: confd-entrypoint", "Connection: close", "", ""]
    deadline = time.monotonic() + ANSWER_TIMEOUT_S + (WAIT_S if index is not None else 0)
    try:
        with options.server.connect(ANSWER_TIMEOUT_S) as connection:
            connection.sendall("\r\n".join(lines).encode("ascii"))
            status, headers, body = Reader(connection, deadline).answer()
    except OSError as exc:
        why = exc.strerror or "no answer in time" if not isinstance(exc, TimeoutError) else "no answer in time"
        raise FetchError(f"the server is out of reach: {why}") from exc
    if status == 200:
        return parse_settings(body)
    if status == 304 and index is not None:
        return None
    raise _refusal(status, headers, body)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> FetchError:
    final = None
    if status in (401, 403):
        final = REFUSED
    elif 300 <= status < 500 and status not in (408, 425, 429):
        final = CONFIGURATION
    after = headers.get("retry-after", "")
    retry_after_s = min(float(after), BACKOFF_S[1]) if after.isdecimal() else 0.0
    detail = f"the server answered {status}"
    if headers.get("content-type", "").startswith("application/problem+json"):
        import json

        try:
            told = json.loads(body).get("detail", "")
        except (ValueError, AttributeError, RecursionError):
            told = ""
        detail += f": {told[:300]}" if isinstance(told, str) and told.isprintable() and told else ""
    return FetchError(detail, final_code=final, retry_after_s=retry_after_s)


def random_part() -> float:
    """A random number from 0 to 1, without the cost of the random module."""
    return int.from_bytes(os.urandom(4), "big") / 0xFFFFFFFF


def backoff_s(failures: int, *, started: bool) -> float:
    """The pause after so many failures in a row, with jitter."""
    least, most = BACKOFF_S
    most = most if started else BACKOFF_BEFORE_START_S
    return max(least, min(most, 2.0 ** min(failures, 10)) * (0.5 + random_part() / 2))


class Feed:
    """A thread that fetches, then follows; what it learns waits in `inbox`, with a zero byte in the pipe."""

    __slots__ = ("_options", "_wake", "inbox")

    def __init__(self, options: Options, wake: int) -> None:
        self._options, self._wake = options, wake
        self.inbox: list[Settings | FetchError] = []

    def start(self) -> None:
        """Begin. The thread ends with the process: it holds nothing that needs an orderly end."""
        _thread.start_new_thread(self._follow, ())

    def _follow(self) -> None:
        known: Settings | None = None
        failures = 0
        while known is None or self._options.follow:
            began = time.monotonic()
            try:
                answer = fetch(self._options, None if known is None else known.revision)
            except Exception as exc:  # noqa: BLE001, RUF100 - the worker loop's edge: it must outlive any one answer
                failures += 1
                error = exc if isinstance(exc, FetchError) else FetchError(f"fault: {type(exc).__name__}")
                self._tell(error)
                time.sleep(max(backoff_s(failures, started=known is not None), error.retry_after_s))
                continue
            failures = 0
            if answer is not None:
                unchanged = known is not None and answer.variables == known.variables
                known = answer
                self._tell(answer)
                if unchanged and time.monotonic() - began < BACKOFF_S[0]:
                    time.sleep(BACKOFF_S[0])  # a server that does not wait is not asked in a tight loop

    def _tell(self, news: Settings | FetchError) -> None:
        self.inbox.append(news)
        try:
            os.write(self._wake, b"\0")
        except BlockingIOError:
            return  # the pipe is full: the reader wakes anyway
