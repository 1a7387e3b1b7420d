"""What an env asks of its changes: what becomes of edits past the API, and how long records are kept. Pure.

The document stands at `/confd/envs/<env>/approval`. What an env's own leaves open, that of `_default` says, else
the default. One that cannot be read counts as the most careful: it was meant to say something.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confd.approvals import Approval, parse_approval
from confd.errors import Malformed
from confd.jsontext import Value, dump, plain, pointer
from confd.keys import DEFAULT, Env, Layer
from confd.model import Snapshot

__all__ = [
    "APPLY",
    "HOLD",
    "KEEP_CHANGES",
    "KEEP_DAYS",
    "EnvRules",
    "holds_edits_of",
    "parse_rules",
    "rules_of",
    "rules_text",
]

APPLY, HOLD = "apply", "hold"
KEEP_CHANGES, KEEP_DAYS = 1000, 90
MAX_NUMBER = 1_000_000
_MEMBERS = ("approval", "out_of_band", "records")
_RECORDS = ("changes", "days")


@dataclass(frozen=True, slots=True)
class EnvRules:
    """`out_of_band`: `apply` or `hold`. `keep_changes` of a layer, for `keep_days`; 0: no such limit."""

    approval: Approval = field(default_factory=Approval)
    out_of_band: str = APPLY
    keep_changes: int = KEEP_CHANGES
    keep_days: int = KEEP_DAYS

    @property
    def holds(self) -> bool:
        """Whether edits past the API wait until somebody has adopted them."""
        return self.out_of_band == HOLD


def parse_rules(value: Value) -> dict[str, Any]:
    """The members of a rules document. Raises `Malformed` with a pointer."""
    document = _object(plain(value), "", _MEMBERS)
    parse_approval(document.get("approval", False))
    if document.get("out_of_band", APPLY) not in (APPLY, HOLD):
        raise Malformed(f"out_of_band is {APPLY} or {HOLD}", pointer="/out_of_band")
    for name, number in _object(document.get("records", {}), "records", _RECORDS).items():
        if type(number) is not int or not 0 <= number <= MAX_NUMBER:
            detail = f"{name} is a whole number, at most {MAX_NUMBER}; 0: no such limit"
            raise Malformed(detail, pointer=pointer("records", name))
    return document


def _object(value: Any, at: str, known: tuple[str, ...]) -> dict[str, Any]:
    where = pointer(at) if at else ""
    if not isinstance(value, dict):
        raise Malformed(f"{at or 'the rules of an env'} is to be a JSON object", pointer=where)
    for name in value:
        if name not in known:
            detail = f"{name!r} is unknown here; known are: {', '.join(known)}"
            raise Malformed(detail, pointer=pointer(*filter(None, [at]), name))
    return value


def rules_text(document: Mapping[str, Any]) -> str:
    """The text of a rules document in the store."""
    return dump(dict(document))


def rules_of(snapshot: Snapshot, env: Env) -> EnvRules:
    """What holds in an env."""
    found: dict[str, Any] = {}
    for of in dict.fromkeys((Env(DEFAULT), env)):
        entry = snapshot.rules.get(of)
        if entry is not None:
            document = _read(entry.text)
            found |= {**document, "records": {**found.get("records", {}), **document.get("records", {})}}
    approval, records = parse_approval(found.get("approval", False)), found.get("records", {})
    return EnvRules(
        approval,
        found.get("out_of_band", HOLD if approval.required else APPLY),
        records.get("changes", KEEP_CHANGES),
        records.get("days", KEEP_DAYS),
    )


@functools.lru_cache(maxsize=256)
def _read(text: str) -> Mapping[str, Any]:
    try:
        return parse_rules(json.loads(text))
    except (ValueError, Malformed):
        return {"approval": True, "out_of_band": HOLD, "records": {"changes": 0, "days": 0}}


def holds_edits_of(snapshot: Snapshot, layer: Layer) -> bool:
    """Whether an env that the layer reaches holds edits past the API."""
    envs = {layer.env} if layer.env != DEFAULT else {Env(DEFAULT), *snapshot.rules}
    return any(rules_of(snapshot, env).holds for env in envs)
