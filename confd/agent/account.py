"""What is written down of a plan: what is begun, what is in effect afterwards, and each step's outcome. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from confd.agent.logs import LastWords
from confd.errors import CheckFailed, ConfdError, StartFailed
from confd.keys import Container
from confd.model import Applied, ContainerPlan, Outcome, Rendered, frozen
from confd.outcomes import reasons_document
from confd.secret import Digest

__all__ = ["applied_after", "failed_with", "intent_of", "tried_by", "with_words"]


def applied_after(old: Applied, plan: ContainerPlan, rendered: Rendered, target: Digest) -> Applied:
    """What is in effect once all due steps are done: what is left behind stays as it was."""
    kept = {key: digest for key, digest in old.keys.items() if key in rendered.key_digests}
    still = old.failed == target
    return Applied(
        revision=rendered.revision,
        spec=plan.spec,
        keys=frozen({**kept, **plan.settles}),
        failed=old.failed if still and plan.spec is None else None,
        failed_detail=old.failed_detail if still and plan.spec is None else "",
    )


def intent_of(plan: ContainerPlan, rendered: Rendered, target: Digest) -> Mapping[str, Any]:
    """What is begun, and why, so that a heal can tell."""
    reasons = reasons_document([reason for step in plan.due for reason in step.reasons])
    actions = [step.action for step in plan.due]
    return {"actions": actions, "revision": rendered.revision, "spec": target, "reasons": reasons}


def with_words(heard: Sequence[LastWords], outcome: Outcome) -> Outcome:
    """The outcome with what the container said last, where that was heard."""
    return replace(outcome, log=heard[-1].text, log_file=heard[-1].file) if heard else outcome


def failed_with(error: ConfdError, heard: Sequence[LastWords], outcome: Outcome) -> Outcome:
    """The outcome of a step that failed, with the container that it left in the other's place, where it did."""
    told = with_words(heard, replace(outcome, code=error.code))
    if not isinstance(error, StartFailed):
        return told
    return replace(told, log=told.log or error.log, container=Container(error.successor) or None)


def tried_by(outcome: Outcome, old: Applied, after: Applied, rendered: Rendered, target: Digest) -> Applied:
    """What is in effect after a step that failed, and what is not tried again until something else is due.

    A restart that is not good has brought in what it was to bring; `after` is what is in effect then.
    """
    if outcome.action in ("recreate", "restart"):
        base = after if outcome.action == "restart" else old
        return replace(base, failed=target, failed_detail=outcome.detail)
    if outcome.action == "update":
        return replace(old, refused=target)
    if outcome.code == CheckFailed.code:
        return replace(old, rejected=rendered.files_digest, rejected_detail=outcome.detail)
    return old
