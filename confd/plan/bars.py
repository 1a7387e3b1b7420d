"""What keeps an action from being done to a container: holds, its owner's label, its host, and an earlier failure.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from confd.keys import is_run_option, option_of
from confd.model import Cause, Hold, Observed, Reach, Reason, Rendered
from confd.options import against_host, changed_by, not_allowed, not_executed, overlay
from confd.policies import brought_in
from confd.secret import Digest
from confd.wording import not_again, not_start_first

__all__ = ["Case", "holds_on", "rejected"]

ADOPT = (
    "it ran before this agent first saw it, so nothing is done to it until somebody agrees; "
    "`confctl adopt` shows what differs and what it will do"
)


@dataclass(frozen=True, slots=True)
class Case:
    """What a container is due, what it is, and what may be done to it."""

    rendered: Rendered
    observed: Observed
    reaches: Mapping[str, Reach]
    holds: Sequence[Hold] = ()
    start_first: bool = False

    @property
    def target(self) -> Digest:
        """Of the spec that the container is due."""
        return self.rendered.target(shim=bool(self.observed.shim))

    def reach(self, action: str) -> Reach:
        return self.reaches.get(action, Reach.IN_PLACE)

    def bar(self, action: str, reasons: Iterable[Reason]) -> Hold | None:
        """What keeps the action from being done for these reasons, or None."""
        reach = self.reach(action)
        held = next((one for one in self.holds if one.reach <= reach), None)
        return held or _obstacle(action, self, reasons)

    def not_written(self, path: str) -> str:
        """Why the file of this path cannot be written to the container; empty where it can."""
        problem = next((one for one in self.rendered.problems if one.file == path), None)
        if problem is not None:
            return f"invalid: {problem.detail}"
        why = self.observed.unreachable_files.get(path, "")
        if not why and any(file.path == path and file.check for file in self.rendered.files):
            why = not_executed(self.observed.facts)
        return why and f"{path}: {why}"


def rejected(rendered: Rendered, observed: Observed) -> tuple[Hold, ...]:
    """A check did not agree to these files: nothing is done until they are others."""
    applied = observed.applied
    if applied.rejected is None or applied.rejected != rendered.files_digest:
        return ()
    return (Hold(Cause.FAILED, not_again(applied.rejected_detail or "a check did not agree to the files")),)


def holds_on(observed: Observed, holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """What keeps this one container from being touched: those of its app there, then its own."""
    adoption = "" if observed.adopted else ADOPT
    own = ((Cause.HELD, observed.held), (Cause.CONTESTED, observed.contested), (Cause.ADOPTION, adoption))
    return (
        *(one for one in holds if observed.name not in one.spares),
        *(Hold(cause, why) for cause, why in own if why),
    )


def _obstacle(action: str, case: Case, reasons: Iterable[Reason]) -> Hold | None:
    """Why this host or container does not let the action be done, or None."""
    rendered, observed = case.rendered, case.observed
    if case.reach(action) > observed.max_reach:
        return Hold(Cause.CEILING, f"the container's label max-reach allows no more than {observed.max_reach.word}")
    if action == "exec":
        return _ruled_out(not_executed(observed.facts))
    if action not in ("update", "recreate"):
        return None
    names = {option_of(reason.key) for reason in reasons if is_run_option(reason.key)}
    refused = _host_refuses(None if action == "recreate" else names, rendered, observed)
    if action == "recreate" and rendered.needs_folder and not refused:
        refused = str(observed.facts.get("no_secrets") or "")
    if refused or action == "update":
        return _ruled_out(refused)
    if observed.applied.failed == case.target:
        why = observed.applied.failed_detail or "the last try failed"
        return Hold(Cause.FAILED, not_again(why))
    return _ruled_out(observed.obstacles[0] if observed.obstacles else _not_beside(case))


def _not_beside(case: Case) -> str:
    """Why its successor cannot start first, as the binding wants it; empty where it can, or does not have to."""
    if case.start_first and case.observed.running and case.observed.alone:
        return not_start_first(case.observed.alone)
    return ""


def _ruled_out(why: str) -> Hold | None:
    return Hold(Cause.RULE, why) if why else None


def _host_refuses(names: Collection[str] | None, rendered: Rendered, observed: Observed) -> str:
    """What would be another then and is not the store's to change here; `names`: of these options alone.

    The base stands in the store too. So all that differs from what the container has is looked at, whether a
    setting, the base or an unset brings it in.
    """
    due = changed_by(overlay(observed.base_options, rendered.options), observed.options)
    due = {name: text for name, text in due.items() if names is None or name in names}
    asked = {name: text for name, text in due.items() if name in rendered.options and text}
    problems = [*not_allowed(due, observed.facts), *against_host(asked, observed.facts)]
    problems += brought_in(rendered.policies, observed.options, due)
    return "; ".join(problem.detail for problem in problems)
