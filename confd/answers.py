"""What the API's client makes of paths and of answers: documents, and the errors that they tell of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

from confd.errors import ConfdError, Malformed, Unavailable
from confd.jsontext import parse
from confd.transport import Answer

__all__ = ["Document", "document_of", "error_of", "part_of", "path_of"]

Document: TypeAlias = Mapping[str, Any]
"""A JSON object of the API; numbers are `confd.jsontext.Number`, see `confd.transport.integer`."""


def part_of(text: str) -> str:
    """One path segment; `.` and `..` are escaped too, so that no hop normalises them away."""
    return quote(text, safe="").replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def path_of(key: str) -> str:
    """A key as segments of a path."""
    return "/".join(part_of(segment) for segment in key.split("/"))


def document_of(answer: Answer) -> Document:
    """The JSON object of an answer. Raises `Unavailable` for any other answer."""
    try:
        document = parse(answer.body or b"{}")
    except Malformed as exc:
        raise Unavailable(f"what answers is no confd server: {exc.detail}; check --server") from exc
    if not isinstance(document, Mapping):
        raise Unavailable("what answers is no confd server: not a JSON object; check --server")
    return document


def error_of(answer: Answer) -> ConfdError:
    """What an answer says went wrong."""
    problem: Document = {}
    if "json" in answer.headers.get("content-type", ""):
        try:
            problem = document_of(answer)
        except Unavailable:
            problem = {}
    code, detail = problem.get("code"), problem.get("detail")
    kind = _kind(str(code), answer.status)
    if not isinstance(detail, str):
        detail = f"the server answered {answer.status} without a reason; check that --server is a confd server"
    pointer = problem.get("pointer")
    return kind(detail, pointer=pointer if isinstance(pointer, str) else None)


def _kind(code: str, status: int) -> type[ConfdError]:
    kinds = list(_kinds(ConfdError))
    by_code = [kind for kind in kinds if kind.code == code]
    by_status = [kind for kind in kinds if kind.status == status and status != 500]
    return (by_code or by_status or [Unavailable if status > 500 else ConfdError])[0]


def _kinds(kind: type[ConfdError]) -> Iterator[type[ConfdError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _kinds(child)
