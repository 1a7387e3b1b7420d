"""What a container has written, as the engine sends it: frames around two streams, or bare from a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

__all__ = ["end_of", "text_of"]

_HEADER = 8


def text_of(raw: bytes) -> str:
    """The text of a whole output."""
    return end_of([raw], len(raw))


def end_of(chunks: Iterable[bytes], most: int) -> str:
    """The text of an output that comes in chunks; of a longer one than `most` bytes its end."""
    kept, size = deque[bytes](), 0
    for payload in _payloads(chunks):
        kept.append(payload)
        size += len(payload)
        while len(kept) > 1 and size - len(kept[0]) >= most:
            size -= len(kept.popleft())
    return b"".join(kept)[-most:].decode("utf-8", "replace") if most else ""


def _payloads(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The parts without the frames that the engine puts around the streams of a container without a terminal."""
    rest = b""
    for chunk in chunks:
        rest, at = rest + chunk, 0
        while _framed(rest, at):
            end = at + _HEADER + int.from_bytes(rest[at + 4 : at + _HEADER], "big")
            if len(rest) < end:
                break
            yield rest[at + _HEADER : end]
            at = end
        rest = rest[at:]
        if len(rest) >= _HEADER and not _framed(rest, 0):
            yield rest
            rest = b""
    if rest:
        yield rest[_HEADER:] if _framed(rest, 0) else rest


def _framed(rest: bytes, at: int) -> bool:
    return len(rest) >= at + _HEADER and rest[at] in (0, 1, 2) and rest[at + 1 : at + 4] == b"\0\0\0"
