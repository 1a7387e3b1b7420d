"""One app in one env on this host: snapshot, resolve, render, observe, heal, plan, apply.

Decides nothing that the plan does not say, and retries nothing: what may succeed later is raised to the queue.
Running it twice does nothing the second time; after a crash at any line the next pass goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from confd.agent.inventory import Inventory, Place
from confd.agent.observe import Sight, base_of, is_looping, name_of, observe
from confd.agent.status import Report, Reporter
from confd.binding import binding_of
from confd.errors import ConfdError, ContainerGone
from confd.keys import Container, Host
from confd.ledger import Ledger, LedgerEntry, Successor
from confd.model import Applied, Binding, ContainerPlan, Observed, Outcome, Reach, Rendered, Result, Step, frozen
from confd.plan import make_plan
from confd.ports import Clock, Inspect
from confd.render import render
from confd.resolve import resolve
from confd.secret import Digest

__all__ = ["Act", "Reconciler", "Work", "applied_after"]

log = logging.getLogger(__name__)

_UNTOUCHED = Step(
    "none",
    Reach.NONE,
    (),
    blocked="this agent runs in it and never acts upon itself; replace it by hand, or take its label app away",
)


@dataclass(frozen=True, slots=True)
class Work:
    """What an action works on. `journal` notes how far it came, for the heal after a crash."""

    inspect: Inspect
    entry: LedgerEntry
    rendered: Rendered
    binding: Binding
    journal: Callable[[Mapping[str, Any]], None] = lambda more: None


class Act(Protocol):
    """An action's effect; gives the container that runs afterwards. Raises `ConfdError`."""

    def __call__(self, step: Step, work: Work) -> Container: ...


class Pass(Protocol):
    """What the world around a pass gives it."""

    def settings(self, place: Place) -> tuple[Any, Sight] | None:
        """The snapshot and what to look with; None while nothing may be concluded. Raises `Unavailable`."""

    @property
    def acting(self) -> bool:
        """False while the agent only looks: `--observe`, or a freeze."""

    def heal(self, place: Place, inspects: Sequence[Inspect]) -> bool:
        """Finish or take back what a crash left behind; True when something was done."""

    def obstacles(self, inspect: Inspect, others: Sequence[Inspect]) -> tuple[str, ...]:
        """Why the container cannot be recreated without loss."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """See the module."""

    host: Host
    world: Pass
    inventory: Inventory
    ledger: Ledger
    reporter: Reporter
    clock: Clock
    acts: Mapping[str, Act]
    reaches: Mapping[str, Reach]

    def reconcile(self, place: Place) -> None:
        """Bring all containers of the place to what they are due. Raises what the queue may try again."""
        given = self.world.settings(place)
        if given is None:
            return
        snapshot, sight = given
        inspects = self._containers(place)
        binding, problem = binding_of(snapshot, *place)
        rendered = render(resolve(snapshot, *place, self.host), binding, sight.digest_key)
        observed = [self._observe(inspect, sight, rendered) for inspect in inspects]
        plan = make_plan(rendered, binding, observed, self.reaches)
        acting = self.world.acting and problem is None
        reports: list[Report] = []
        later: list[ConfdError] = []
        for inspect, seen, due in zip(inspects, observed, plan.containers, strict=True):
            failed, again, steps, now = "", "", due.steps, seen
            if problem is not None:
                steps = (Step("none", Reach.NONE, (), blocked=problem.detail),)
            elif inspect["Id"] == self.inventory.own:
                steps = (_UNTOUCHED,) if due.steps else ()
            elif acting:
                try:
                    failed, current = self._apply(seen, due, Work(inspect, self._entry(seen), rendered, binding))
                    steps = due.steps if failed else due.blocked
                    now = self._look(current, sight, rendered) if due.due else self._again(seen)
                except ConfdError as error:
                    later.append(error)
                    again = error.detail
            reports.append(Report(now, rendered, steps, failed, again))
        self.reporter.tell(rendered.revision, [one for one in reports if self.ledger.entry(one.observed.id)])
        self._forget_gone(place)
        if later:
            raise later[0]

    def _containers(self, place: Place) -> list[Inspect]:
        """The place's containers, after healing, each with its own spec remembered."""
        inspects = self.inventory.of(place)
        if self.world.acting and self.world.heal(place, inspects):
            self.inventory.refresh()
            inspects = self.inventory.of(place)
        for inspect in inspects:
            container = Container(str(inspect["Id"]))
            if self.ledger.entry(container) is None:
                entry = LedgerEntry(name_of(inspect), place[1], place[0], base_of(inspect))
                self.ledger.record_base(container, entry)
        return inspects

    def _observe(self, inspect: Inspect, sight: Sight, rendered: Rendered) -> Observed:
        entry = self.ledger.entry(Container(str(inspect["Id"])))
        if entry is None:
            raise ContainerGone("the container is not in the ledger any more; looking again")
        obstacles = self.world.obstacles(inspect, self.inventory.all())
        seen = observe(inspect, entry, sight, rendered.files, obstacles)
        return replace(seen, looping=is_looping(inspect, self.clock.utc()))

    def _look(self, container: Container, sight: Sight, rendered: Rendered) -> Observed:
        """The container as it is after it was acted upon."""
        for inspect in self.inventory.of((rendered.env, rendered.app)):
            if inspect["Id"] == container:
                return self._observe(inspect, sight, rendered)
        raise ContainerGone("the container went while it was worked on; looking again")

    def _again(self, seen: Observed) -> Observed:
        entry = self.ledger.entry(seen.id)
        return replace(seen, applied=entry.applied) if entry is not None else seen

    def _entry(self, seen: Observed) -> LedgerEntry:
        entry = self.ledger.entry(seen.id)
        if entry is None:
            raise ContainerGone("the container is not in the ledger any more; looking again")
        return entry

    def _apply(self, seen: Observed, plan: ContainerPlan, work: Work) -> tuple[str, Container]:
        """Do what is due, step by step. What failed for good, and the container that runs now."""
        container, rendered, old = plan.container, work.rendered, work.entry.applied
        target = _target(rendered, seen)
        after = applied_after(old, plan, rendered, target)
        arguments = work.entry.arguments
        if not plan.due:
            if replace(after, revision=old.revision) != old or old.revision == 0:
                self.ledger.done(container, after, arguments=arguments)
            return "", container
        intent = {"actions": [step.action for step in plan.due], "revision": rendered.revision, "spec": target}
        self.ledger.intent(container, intent)
        work = replace(work, journal=lambda more: self.ledger.intent(container, {**intent, **more}))
        current, outcomes = container, list[Outcome]()
        for step in plan.due:
            outcome = self._perform(step, work)
            if outcome.result is Result.FAILED:
                self.ledger.failed(container, target if step.action == "recreate" else None, outcome)
                log.warning("%s of %s failed: %s", step.action, plan.name, outcome.detail)
                return outcome.detail, container
            outcomes.append(outcome)
            current = outcome.container or current
            if step.action == "recreate":
                arguments = rendered.arguments_digest
        passing = Report(replace(seen, id=current), rendered, plan.due)
        successor = Successor(current, self.reporter.text(rendered.revision, passing))
        self.ledger.done(container, after, outcomes, arguments=arguments, successor=successor)
        log.info("%s: %s", plan.name, ", ".join(step.action for step in plan.due))
        return "", current

    def _perform(self, step: Step, work: Work) -> Outcome:
        """One step. What failed for good is an outcome; what may succeed later is raised."""
        began, container = self.clock.now(), Container(str(work.inspect["Id"]))
        try:
            current = self.acts[step.action](step, work)
        except ConfdError as error:
            self.inventory.touched(container)
            if error.retryable:
                raise
            return self._outcome(step, Result.FAILED, error.detail, work.rendered, began)
        if step.action not in ("signal", "files"):
            self.inventory.touched(container)
            self.inventory.touched(current)
        return replace(self._outcome(step, Result.DONE, "", work.rendered, began), container=current)

    def _outcome(self, step: Step, result: Result, detail: str, rendered: Rendered, began: float) -> Outcome:
        keys = tuple(dict.fromkeys(reason.key for reason in step.reasons))
        took_s = round(self.clock.now() - began, 4)
        return Outcome(step.action, result, detail, rendered.revision, self.clock.utc(), took_s, keys)

    def _forget_gone(self, place: Place) -> None:
        """Ledger and status end with their container; one with an open intent is the heal's."""
        here = self.inventory.ids()
        for container, entry in self.ledger.entries().items():
            open_recreate = "recreate" in (entry.intent or {}).get("actions", ())
            if (entry.env, entry.app) == place and container not in here and not open_recreate:
                self.ledger.forget(container)
                self.reporter.forget(container)


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


def _target(rendered: Rendered, observed: Observed) -> Digest:
    return rendered.run_digest if observed.shim else rendered.spec_digest
