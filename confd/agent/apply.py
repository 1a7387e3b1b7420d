"""The steps of one container's plan, one after the other, and the account of them in the ledger.

Decides nothing: it obeys the plan, and stops where a brake comes on or a step fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from confd.agent.account import applied_after, failed_with, intent_of, tried_by, with_words
from confd.agent.inventory import Inventory, Place
from confd.agent.logs import LastWords
from confd.agent.status import Report, Reporter
from confd.agent.turns import Turns
from confd.agent.unseen import Unseen
from confd.entries import LedgerEntry
from confd.errors import CheckFailed, ConfdError, Held
from confd.keys import Container
from confd.ledger import Ledger, Successor
from confd.model import Applied, Binding, ContainerPlan, Observed, Outcome, Reach, Rendered, Result, Step
from confd.ports import Clock, Inspect
from confd.wording import not_again

__all__ = ["Act", "Applier", "Ended", "Work"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What an action works on. `journal` notes how far it came, for the heal after a crash.

    `check` raises `Held` where a brake came on meanwhile: for an action that can still be taken back. `hear` takes
    what a container said last that goes, or that failed.
    """

    inspect: Inspect
    entry: LedgerEntry
    rendered: Rendered
    binding: Binding
    journal: Callable[[Mapping[str, Any]], None] = lambda more: None
    check: Callable[[], None] = lambda: None
    hear: Callable[[LastWords], None] = lambda words: None


class Act(Protocol):
    """An action's effect; gives the container that runs afterwards. Raises `ConfdError`."""

    def __call__(self, step: Step, work: Work) -> Container: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a plan: the container that runs now, what failed for good, or that a brake cut it short."""

    container: Container
    failed: str = ""
    halted: bool = False


@dataclass(frozen=True, slots=True)
class Applier:
    """See the module. `brakes` raises `Held` where a step may not be done now: place, reach, container's name."""

    inventory: Inventory
    ledger: Ledger
    reporter: Reporter
    turns: Turns
    clock: Clock
    acts: Mapping[str, Act]
    brakes: Callable[[Place, Reach, str], None]
    unseen: Unseen = field(default_factory=Unseen)

    def check(self, place: Place, reach: Reach, name: str) -> None:
        """Raises `Held` where a step may not be done now, or not any more, and `Unavailable`."""
        self.brakes(place, reach, name)
        if reach >= Reach.NEW_PROCESS:
            self.turns.check(place, name)

    def apply(self, seen: Observed, plan: ContainerPlan, work: Work) -> Ended:
        """Do what is due, step by step, and write down what became of it."""
        container, rendered, old = plan.container, work.rendered, work.entry.applied
        place = (rendered.env, rendered.app)
        target = rendered.target(shim=bool(seen.shim))
        after = applied_after(old, plan, rendered, target)
        if not plan.due:
            if replace(after, revision=old.revision) != old or old.revision == 0:
                self.ledger.done(container, after, arguments=work.entry.arguments)
            return Ended(container)
        intent = intent_of(plan, rendered, target)
        self.ledger.intent(container, intent)
        work = replace(work, journal=lambda more: self.ledger.intent(container, {**intent, **more}))
        outcomes = list[Outcome]()
        try:
            for step in plan.due:
                self.check(place, step.reach, plan.name)
                outcomes.append(self._perform(step, work))
                if outcomes[-1].result is Result.FAILED:
                    if step.reach >= Reach.NEW_PROCESS:
                        self.turns.failed(place, step, plan.name, outcomes[-1].detail)
                    tried = tried_by(outcomes[-1], old, after, rendered, target)
                    return self._failed(seen, plan, rendered, outcomes, tried)
        except Held as held:
            self.ledger.halted(container, outcomes)
            log.info("%s: stopped before its next step: %s", plan.name, held.detail)
            return Ended(container, halted=True)
        current = outcomes[-1].container or container
        recreated = any(step.action == "recreate" for step in plan.due)
        arguments = rendered.arguments_digest if recreated else work.entry.arguments
        passing = Report(replace(seen, id=current), rendered, plan.due)
        successor = Successor(current, self.reporter.succession(passing, container))
        self.ledger.done(container, after, outcomes, arguments=arguments, successor=successor)
        if any(step.reach >= Reach.NEW_PROCESS for step in plan.due):
            self.turns.succeeded(place)
        log.info("%s: %s", plan.name, ", ".join(step.action for step in plan.due))
        return Ended(current)

    def _failed(
        self, seen: Observed, plan: ContainerPlan, rendered: Rendered, outcomes: Sequence[Outcome], tried: Applied
    ) -> Ended:
        """Write down that the last step failed, and which container has the place now."""
        last = outcomes[-1]
        now, why = last.container or plan.container, last.detail
        self.inventory.touched(now)
        told = Report(replace(seen, id=now), rendered, plan.steps, why)
        successor = Successor(now, self.reporter.succession(told, plan.container))
        self.ledger.failed(plan.container, tried, outcomes, successor)
        log.warning("%s of %s failed: %s", last.action, plan.name, why)
        final = last.action == "recreate" or last.code == CheckFailed.code
        return Ended(now, not_again(why) if final else why)

    def _perform(self, step: Step, work: Work) -> Outcome:
        """One step. What failed for good is an outcome; what may succeed later is raised."""
        began, container = self.clock.now(), Container(str(work.inspect["Id"]))
        heard: list[LastWords] = []
        try:
            current = self.acts[step.action](step, replace(work, hear=heard.append))
        except ConfdError as error:
            self.inventory.touched(container)
            if error.retryable:
                raise
            failed = self._outcome(step, Result.FAILED, error.detail, work.rendered, began)
            return self.unseen.outcome(failed_with(error, heard, failed))
        if step.action not in ("signal", "exec", "files"):
            self.inventory.touched(container)
            self.inventory.touched(current)
        outcome = self.unseen.outcome(with_words(heard, self._outcome(step, Result.DONE, "", work.rendered, began)))
        return replace(outcome, container=current, replaced=container if current != container else None)

    def _outcome(self, step: Step, result: Result, detail: str, rendered: Rendered, began: float) -> Outcome:
        took_s = round(self.clock.now() - began, 4)
        return Outcome(step.action, result, detail, rendered.revision, self.clock.utc(), took_s, step.reasons)
