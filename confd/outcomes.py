"""Outcomes as they stand in the ledger: bounded, and what of them is shown. Pure.

The newest are kept whole; older ones lose their log lines first, then go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confd.model import Outcome, Reason

__all__ = [
    "KEPT_BYTES",
    "KEPT_OUTCOMES",
    "LOG_LINES",
    "document_of",
    "kept",
    "reasons_document",
    "shown",
    "tail_of",
]

KEPT_OUTCOMES = 20
KEPT_BYTES = 32 * 1024
"""What all outcomes of a container take as JSON: a ledger entry is written anew with every step."""

LOG_LINES = 30
LOG_BYTES = 8 * 1024
REASONS_BYTES = 4 * 1024
DETAIL_CHARACTERS = 1000

_TEXTS = ("action", "result", "detail", "at", "log", "log_file")
_NAMES = ("container", "replaced")


def document_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON members; of very many reasons and very long texts only so much."""
    reasons = reasons_document(outcome.reasons)
    return {
        "action": outcome.action,
        "result": outcome.result.value,
        "detail": outcome.detail[:DETAIL_CHARACTERS],
        "revision": outcome.revision,
        "at": outcome.at,
        "took_s": outcome.took_s,
        "reasons": reasons,
        "more": len(outcome.reasons) - len(reasons),
        "container": outcome.container,
        "replaced": outcome.replaced,
        "log": tail_of(outcome.log),
        "log_file": outcome.log_file,
    }


def reasons_document(reasons: Sequence[Reason]) -> list[dict[str, str]]:
    """The reasons as JSON members, the first ones where there are very many."""
    return list(_fitting(reasons))


def _fitting(reasons: Sequence[Reason]) -> Iterator[dict[str, str]]:
    left = REASONS_BYTES
    for reason in reasons:
        document = {"key": str(reason.key), "why": reason.why}
        left -= _size(document)
        if left < 0:
            return
        yield document


def tail_of(text: str, lines: int = LOG_LINES) -> str:
    """The last lines of a log, and of those as much as an outcome holds."""
    last = text.rstrip("\n").split("\n")[-lines:]
    while len(last) > 1 and _size("\n".join(last)) > LOG_BYTES:
        last = last[1:]
    tail = "\n".join(last)
    while _size(tail) > LOG_BYTES:  # one line that is too long
        tail = tail[len(tail) // 8 + 1 :]
    return tail


def kept(old: Sequence[Mapping[str, Any]], new: Sequence[Outcome]) -> tuple[Mapping[str, Any], ...]:
    """The outcomes to keep, oldest first: the newest ones, as far as the room goes."""
    newest_first = [*reversed([*old, *map(document_of, new)])][:KEPT_OUTCOMES]
    left, found = KEPT_BYTES, list[Mapping[str, Any]]()
    for whole in newest_first:
        document = whole if _size(whole) <= left else {**whole, "log": ""}
        left -= _size(document)
        if left < 0:
            break
        found.append(document)
    return tuple(reversed(found))


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a stored outcome that anybody may see, each of its type, whoever wrote it."""
    reasons = [one for one in _list(document.get("reasons")) if isinstance(one, Mapping)]
    return {
        **{name: str(document.get(name) or "") for name in _TEXTS},
        **{name: str(document[name]) if document.get(name) else None for name in _NAMES},
        **{name: _number(document.get(name)) for name in ("revision", "more")},
        "took_s": _number(document.get("took_s")),
        "reasons": [{"key": str(one.get("key", "")), "why": str(one.get("why", ""))} for one in reasons],
    }


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _number(value: Any) -> int | float:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
