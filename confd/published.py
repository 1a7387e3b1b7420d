"""The documents in which an agent tells of a container: to JSON and back. Digests only, never a value.

The agent writes them, the API plans and answers from them. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd.errors import Malformed
from confd.model import REACHES, Applied, Cause, Observed, Step, frozen

__all__ = [
    "STATES",
    "WAITS",
    "Told",
    "block_of",
    "in_effect_of",
    "observed_document",
    "observed_of",
    "state_of",
    "status_text",
    "step_document",
]

STATES = ("in-sync", "pending", "blocked", "failed", "held", "contested")

LOOPING = "crash looping: its process ends shortly after each start; a new setting is tried at once"
STOPPED = "it does not run"
MOVED = "is another one by that name now; a recreate keeps the one it has"
WAITS = "waits for its turn: "
"""How the detail of a container begins whose host waits for others."""


@dataclass(frozen=True, slots=True)
class Told:
    """Of which store revision and when a status tells.

    What failed for good, what will be tried again, what could not be rendered, and what is waited for.
    `in_effect` is the newest revision at which nothing was left to do; 0 where none is known.
    """

    revision: int
    at: str
    failed: str = ""
    again: str = ""
    left_out: str = ""
    waits: str = ""
    in_effect: int = 0


def observed_document(observed: Observed) -> dict[str, Any]:
    """An `Observed` as JSON members."""
    plain: dict[str, Any] = {name: getattr(observed, name) for name in (*_PLAIN, *_SINCE_2)}
    mappings = {name: dict(getattr(observed, name)) for name in _MAPPINGS}
    applied = observed.applied
    return {
        **plain,
        **mappings,
        "max_reach": observed.max_reach.word,
        "obstacles": list(observed.obstacles),
        "found": dict(observed.found),
        "applied": {
            "revision": applied.revision,
            "spec": applied.spec,
            "keys": dict(applied.keys),
            "failed": applied.failed,
            "failed_detail": applied.failed_detail,
            "refused": applied.refused,
            "rejected": applied.rejected,
            "rejected_detail": applied.rejected_detail,
        },
    }


def observed_of(document: Mapping[str, Any]) -> Observed:
    """The `Observed` of such members. Raises `Malformed` for what no agent of this release wrote."""
    try:
        applied = document["applied"]
        plain: dict[str, Any] = {name: document[name] for name in _PLAIN}
        plain |= {name: document[name] for name in _SINCE_2 if name in document}
        mappings: dict[str, Any] = {name: frozen(dict(document[name])) for name in _MAPPINGS}
        return Observed(
            **plain,
            **mappings,
            max_reach=REACHES[document["max_reach"]],
            obstacles=tuple(document["obstacles"]),
            found=frozen(dict(document.get("found", {}))),
            applied=Applied(
                applied["revision"],
                applied["spec"],
                frozen(dict(applied["keys"])),
                applied["failed"],
                applied["failed_detail"],
                applied.get("refused"),
                applied.get("rejected"),
                applied.get("rejected_detail", ""),
            ),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise Malformed("this is no status of a container; is its agent of another release?") from exc


def step_document(step: Step) -> dict[str, Any]:
    """A step as the API and the status show it."""
    return {
        "action": step.action,
        "reach": step.reach.word,
        "reasons": [{"key": reason.key, "why": reason.why} for reason in step.reasons],
        "parameters": dict(step.parameters),
        "blocked": step.blocked,
        "cause": step.cause,
    }


def state_of(steps: Sequence[Step], told: Told) -> tuple[str, str]:
    """The state of a container and the sentence that explains it, from what is left to do and what failed."""
    if told.failed:
        return "failed", told.failed
    if told.again:
        return "pending", f"will be tried again: {told.again}"
    if told.waits:
        return "pending", told.waits
    blocked = next((step for step in steps if step.blocked is not None), None)
    if blocked is not None:
        return block_of(blocked)
    return ("pending", "to do: " + ", ".join(step.action for step in steps)) if steps else ("in-sync", "")


def block_of(step: Step) -> tuple[str, str]:
    """The state that a blocked step puts its container in, and why."""
    cause, why = step.cause or Cause.RULE, step.blocked or ""
    if cause in (Cause.FAILED, Cause.HELD):
        return str(cause), why
    if cause is Cause.CONTESTED:
        return "contested", f"blocked: contested: {why}"
    return "blocked", why if cause in _PLAIN_CAUSES else f"{cause}: {why}"


def status_text(observed: Observed, steps: Sequence[Step], digest: str, told: Told) -> str:
    """The status document of one container at a revision."""
    state, detail = state_of(steps, told)
    detail = (
        detail
        or told.left_out
        or (LOOPING if observed.looping else "")
        or ("" if observed.running else STOPPED)
        or (f"its image {observed.image} {MOVED}" if observed.image_moved else "")
    )
    document = {
        "name": observed.name,
        "app": observed.app,
        "env": observed.env,
        "state": state,
        "revision": told.revision,
        "in_effect": told.in_effect,
        "digest": digest,
        "detail": detail,
        "steps": [step_document(step) for step in steps],
        "observed": observed_document(observed),
        "at": told.at,
    }
    return json.dumps(document, ensure_ascii=False)


def in_effect_of(text: str) -> int:
    """Of a status document: the revision up to which all was in effect; 0 where it does not tell."""
    try:
        return int(json.loads(text)["in_effect"])
    except (ValueError, KeyError, TypeError):
        return 0


_PLAIN_CAUSES = (Cause.CEILING, Cause.RULE, Cause.WINDOW)
"""Whose words need no name before them."""

_PLAIN = (
    "id",
    "name",
    "app",
    "env",
    "running",
    "image_id",
    "started_at",
    "shim",
    "arguments",
    "label_digest",
    "unfinished",
    "looping",
)
_SINCE_2 = ("adopted", "contested", "held", "image", "image_moved", "newcomer", "alone", "secrets")
"""What agents of the release before do not tell; it is then as an `Observed` has it by itself."""

_MAPPINGS = (
    "variables",
    "base_variables",
    "options",
    "base_options",
    "files",
    "unreachable_files",
    "facts",
    "ports",
)
