"""What a container says while it runs: one that the engine removes at its end has no logs afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator

import requests
import urllib3.exceptions
from docker.types.daemon import CancellableStream

from confd.targets.output import end_of

__all__ = ["heard"]

_CHUNK = 64 * 1024


@contextlib.contextmanager
def heard(response: requests.Response, most: int, wait_s: float) -> Iterator[Callable[[], str]]:
    """Give the end of an attached container's output, at most so many bytes; its own end is waited for so long."""
    chunks = deque[bytes](maxlen=max(most // _CHUNK, 1))
    stream: CancellableStream[bytes] = CancellableStream(response.iter_content(None), response)

    def listen() -> None:
        with contextlib.suppress(
            requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError
        ):
            chunks.extend(stream)

    listener = threading.Thread(target=listen, name="listening", daemon=True)
    listener.start()

    def words() -> str:
        listener.join(wait_s)
        return end_of(list(chunks), most)

    try:
        yield words
    finally:
        with contextlib.suppress(OSError, AttributeError, ValueError):
            stream.close()
        listener.join(wait_s)
        response.close()
