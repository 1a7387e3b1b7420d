"""Approval: which writes an env wants a second person for, and the proposals that wait for one. Pure.

The rule is the member `approval` of an env's rules. A person is who the API's token belongs to: never what a client
says of itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from confd.errors import Malformed
from confd.jsontext import pointer
from confd.keys import Env, Layer, parse_app, parse_env, parse_host
from confd.model.mappings import EMPTY
from confd.model.settings import ChangeKind

__all__ = [
    "APPROVED",
    "KEEP",
    "OPEN",
    "REJECTED",
    "Approval",
    "Proposal",
    "Vote",
    "approval_document",
    "dump",
    "is_over",
    "lacking",
    "moved",
    "parse",
    "parse_approval",
]

OPEN, APPROVED, REJECTED = "open", "approved", "rejected"
KEEP = timedelta(days=30)
"""So long a proposal waits, and so long it is kept once it is decided."""

MAX_COUNT = 10
MAX_APPROVERS = 100
_NAME = re.compile(r"[\x21-\x7e]{1,64}")
_MEMBERS = ("required", "approvers", "count")


@dataclass(frozen=True, slots=True)
class Approval:
    """How many others have to agree to a write, and who may: the names of tokens; none: anybody."""

    required: bool = False
    approvers: tuple[str, ...] = ()
    count: int = 1

    def may(self, who: str) -> bool:
        return not self.approvers or who in self.approvers


@dataclass(frozen=True, slots=True)
class Vote:
    """Who agreed: by the token's name, and as the client said it. `at` is RFC 3339 UTC."""

    who: str
    author: str
    at: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change that waits for approval. `before` and `after` are as in a change; `at` is when it was proposed.

    `who` is the name of the token that it was proposed with, `author` what stands in the history. `force`: the
    proposer has confirmed that many keys go. `closed` says who decided it, `why` as they put it, `number` which
    change it has become.
    """

    id: str
    layer: Layer
    kind: ChangeKind
    who: str
    author: str
    at: str
    before: Mapping[str, str | None] = field(default_factory=lambda: EMPTY)
    after: Mapping[str, str | None] = field(default_factory=lambda: EMPTY)
    message: str = ""
    note: str = ""
    force: bool = False
    votes: tuple[Vote, ...] = ()
    state: str = OPEN
    closed: Vote | None = None
    why: str = ""
    number: int = 0


# --- the rule ---------------------------------------------------------------------------------------------


def parse_approval(value: Any) -> Approval:
    """The rule of plain JSON: true, false, or an object. Raises `Malformed`."""
    if isinstance(value, bool):
        return Approval(value)
    if not isinstance(value, dict):
        raise Malformed("approval is true, false or an object", pointer="/approval")
    for name in value:
        if name not in _MEMBERS:
            detail = f"{name!r} is unknown here; known are: {', '.join(_MEMBERS)}"
            raise Malformed(detail, pointer=pointer("approval", name))
    required, count = value.get("required", True), value.get("count", 1)
    if not isinstance(required, bool):
        raise Malformed("required is true or false", pointer="/approval/required")
    if type(count) is not int or not 1 <= count <= MAX_COUNT:
        raise Malformed(f"count is a whole number of 1 to {MAX_COUNT}", pointer="/approval/count")
    approvers = _approvers(value.get("approvers", []))
    if approvers and len(approvers) < count:
        detail = f"{count} have to agree and {len(approvers)} may: name more, or ask for fewer"
        raise Malformed(detail, pointer="/approval/approvers")
    return Approval(required, approvers, count)


def approval_document(rule: Approval) -> dict[str, Any]:
    """The rule as JSON, as `parse_approval` takes it."""
    return {"required": rule.required, "approvers": list(rule.approvers), "count": rule.count}


def _approvers(value: Any) -> tuple[str, ...]:
    named = isinstance(value, list) and all(isinstance(one, str) and _NAME.fullmatch(one) for one in value)
    if not named or len(value) > MAX_APPROVERS:
        detail = f"approvers is a list of at most {MAX_APPROVERS} names of tokens"
        raise Malformed(detail, pointer="/approval/approvers")
    return tuple(dict.fromkeys(value))


def lacking(rules: Mapping[Env, Approval], proposal: Proposal, count: int = 1) -> int:
    """How many more have to agree, for the env that wants most; `count` where no env wants any.

    The proposer's own word never counts, nor one twice.
    """
    agreed = {vote.who for vote in proposal.votes} - {proposal.who}
    wanted = [rule.count - sum(map(rule.may, agreed)) for rule in rules.values()] or [count - len(agreed)]
    return max(0, *wanted)


# --- proposals --------------------------------------------------------------------------------------------


def moved(before: Mapping[str, str | None], now: Mapping[str, str | None]) -> Sequence[str]:
    """The keys that are no longer as they were; keys that a proposal does not touch are none of its."""
    return sorted(key for key, text in before.items() if now.get(key) != text)


def is_over(proposal: Proposal, now: str) -> bool:
    """Whether it has waited, or was kept, for too long. A time that is none counts as too long ago."""
    since = proposal.closed.at if proposal.closed else proposal.at
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(since) > KEEP
    except (ValueError, TypeError):
        return True


def dump(proposal: Proposal) -> str:
    """The text of a proposal in the store."""
    layer, votes = proposal.layer, [asdict(vote) for vote in proposal.votes]
    members = {name: getattr(proposal, name) for name in _TEXTS} | {"kind": proposal.kind, "force": proposal.force}
    members |= {"env": layer.env, "app": layer.app, "host": layer.host, "number": proposal.number}
    members |= {"before": dict(proposal.before), "after": dict(proposal.after), "votes": votes}
    members |= {"closed": asdict(proposal.closed) if proposal.closed else None}
    return json.dumps(members, ensure_ascii=False)


_TEXTS = ("id", "who", "author", "at", "message", "note", "state", "why")


def parse(text: str) -> Proposal | None:
    """The proposal of a text; None where it is none."""
    try:
        found = json.loads(text)
        host = found["host"]
        layer = Layer(
            parse_env(found["env"]), parse_app(found["app"]), parse_host(host) if host is not None else None
        )
        proposal = Proposal(
            *(str(found["id"]), layer, ChangeKind(found["kind"])),
            *(str(found["who"]), str(found["author"]), str(found["at"])),
            before=_both(found["before"]),
            after=_both(found["after"]),
            message=str(found["message"]),
            note=str(found["note"]),
            force=bool(found["force"]),
            votes=_votes(found["votes"]),
            state=str(found["state"]),
            why=str(found["why"]),
            number=int(found["number"]),
        )
        closed = _votes([found["closed"]] if found["closed"] else [])
        return replace(proposal, closed=closed[0] if closed else None)
    except (ValueError, KeyError, TypeError, AttributeError, Malformed):
        return None


def _votes(found: Iterable[Any]) -> tuple[Vote, ...]:
    return tuple(Vote(str(one["who"]), str(one["author"]), str(one["at"])) for one in found)


def _both(found: Any) -> Mapping[str, str | None]:
    return {str(key): None if text is None else str(text) for key, text in found.items()}
