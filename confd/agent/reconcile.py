"""One app in one env on this host: snapshot, resolve, render, observe, heal, plan, apply.

Decides nothing that the plan does not say, and retries nothing: what may succeed later is raised to the queue.
Running it twice does nothing the second time; after a crash at any line the next pass goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from confd.adoption import Adoption, adoption_of
from confd.agent.account import applied_after, failed_with, intent_of, tried_by, with_words
from confd.agent.base import base_of, base_on, completed, image_name
from confd.agent.inventory import Inventory, Place
from confd.agent.logs import LastWords
from confd.agent.observe import Sight, is_looping, name_of, observe
from confd.agent.restated import restated
from confd.agent.sightings import Sightings
from confd.agent.status import Report, Reporter
from confd.agent.turns import Turns
from confd.binding import binding_of
from confd.errors import ConfdError, ContainerGone, Held
from confd.keys import Container, Host
from confd.ledger import Ledger, LedgerEntry, Successor
from confd.model import (
    Binding,
    Cause,
    ContainerPlan,
    Hold,
    Observed,
    Outcome,
    Problem,
    Reach,
    Rendered,
    Result,
    Step,
)
from confd.plan import make_plan
from confd.ports import Clock, Inspect
from confd.render import render
from confd.resolve import resolve
from confd.wording import not_again

__all__ = ["Act", "Reconciler", "Work"]

log = logging.getLogger(__name__)

_UNTOUCHED = Step(
    "none",
    Reach.NONE,
    (),
    blocked="this agent runs in it and never acts upon itself; replace it by hand, or take its label app away",
    cause=Cause.RULE,
)


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


@dataclass(frozen=True, slots=True)
class Scene:
    """What one pass brings its containers to, and by which rules; `problem`: the binding is none."""

    place: Place
    rendered: Rendered
    binding: Binding
    sight: Sight
    problem: Problem | None
    adoption: Adoption = field(default_factory=Adoption)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a plan: the container that runs now, what failed for good, or that a brake cut it short."""

    container: Container
    failed: str = ""
    halted: bool = False


class Act(Protocol):
    """An action's effect; gives the container that runs afterwards. Raises `ConfdError`."""

    def __call__(self, step: Step, work: Work) -> Container: ...


class Pass(Protocol):
    """What the world around a pass gives it."""

    def settings(self, place: Place) -> tuple[Any, Sight] | None:
        """The snapshot and what to look with; None while nothing may be concluded. Raises `Unavailable`."""

    @property
    def doubt(self) -> object | None:
        """Why the store is in doubt: nothing may be written down then."""

    def held(self, place: Place) -> str:
        """Why this agent does nothing to the place's containers now, whatever the store says; empty: it may."""

    def holds(self, place: Place) -> tuple[Hold, ...]:
        """All that holds the place's containers at this moment."""

    def check(self, place: Place, reach: Reach, name: str) -> None:
        """Raises `Held` where a step that reaches so far may not be done now to the container of this name."""

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
    turns: Turns
    sightings: Sightings

    def reconcile(self, place: Place) -> None:
        """Bring all containers of the place to what they are due. Raises what the queue may try again."""
        given = self.world.settings(place)
        if given is None:
            return
        snapshot, sight = given
        binding, problem = binding_of(snapshot, *place)
        rendered = render(resolve(snapshot, *place, self.host), binding, sight.digest_key)
        adoption = adoption_of(snapshot.adoptions.get(place, {}).get(self.host))
        scene = Scene(place, rendered, binding, sight, problem, adoption)
        later: list[ConfdError] = []
        try:
            reports = [self._bring(inspect, scene, later) for inspect in self._containers(place)]
            self._let_go(place, waiting=not later and any(one.waits for one in reports))
        except ConfdError:
            self._let_go(place, waiting=False)
            raise
        self.reporter.tell([one for one in reports if self.ledger.entry(one.observed.id)])
        self._forget_gone(place)
        if later:
            raise later[0]

    def _let_go(self, place: Place, waiting: bool) -> None:
        """Give the turn back, unless this host waits for it, or a container may be down until it is healed."""
        entries = self.ledger.entries().values()
        cut_off = any("recreate" in (entry.intent or {}) for entry in entries if (entry.env, entry.app) == place)
        if not waiting and not cut_off:
            self.turns.leave(place)

    def _containers(self, place: Place) -> list[Inspect]:
        """The place's containers, after healing, each with its own spec remembered."""
        inspects = self.inventory.of(place)
        if not any(hold.reach <= Reach.IN_PLACE for hold in self.world.holds(place)) and self.world.heal(
            place, inspects
        ):
            self.inventory.refresh()
            inspects = self.inventory.of(place)
        if self.world.doubt is not None:
            return [one for one in inspects if self.ledger.entry(Container(str(one["Id"]))) is not None]
        for inspect in inspects:
            container = Container(str(inspect["Id"]))
            known = self.ledger.entry(container)
            if known is None:
                self._see_first(container, inspect, place)
            elif (known.env, known.app) != place:
                self.ledger.record_base(container, replace(known, env=place[0], app=place[1]))
            elif not known.base.image_id:
                base = completed(known.base, inspect, self._image(inspect))
                self.ledger.record_base(container, replace(known, base=base))
        return inspects

    def _see_first(self, container: Container, inspect: Inspect, place: Place) -> None:
        """Remember its own spec; one that ran before it was known to be ours waits until it is adopted."""
        name = name_of(inspect)
        entries = self.ledger.entries().values()
        self.sightings.saw(inspect, known=any((e.name, e.env, e.app) == (name, *place) for e in entries))
        chosen = self.inventory.is_chosen(inspect)
        newcomer = self.sightings.is_newcomer(inspect, place, chosen=chosen)
        base = base_of(inspect, self._image(inspect))
        self.ledger.record_base(container, LedgerEntry(name, place[1], place[0], base, adopted=newcomer))

    def _image(self, inspect: Inspect) -> Mapping[str, Any]:
        return self.inventory.image_config(str(inspect.get("Image") or ""))

    def _bring(self, inspect: Inspect, scene: Scene, later: list[ConfdError]) -> Report:
        """Bring one container to what it is due. What may succeed later is added to `later`."""
        seen = self._adopt(self._observe(inspect, scene), scene)
        plan = self._plan(seen, scene)
        left = self._left_alone(inspect, plan, scene)
        if left is not None:
            return Report(seen, scene.rendered, left)
        try:
            waits = self._ask(plan, scene)
            if waits:
                return Report(seen, scene.rendered, plan.steps, waits=waits)
            ended = self._apply(seen, plan, self._work(inspect, seen, scene))
            now = self._look(ended.container, scene) if plan.due else self._again(seen)
        except ConfdError as error:
            later.append(error)
            return Report(seen, scene.rendered, plan.steps, again=error.detail)
        if ended.halted:
            return Report(now, scene.rendered, self._plan(now, scene).steps)
        return Report(now, scene.rendered, plan.steps if ended.failed else plan.blocked, ended.failed)

    def _adopt(self, seen: Observed, scene: Scene) -> Observed:
        """Take over a container that somebody has adopted, or that has all that it is due as it is."""
        if seen.adopted or self.world.doubt is not None:
            return seen
        adopted = replace(seen, adopted=True)
        if seen.id not in scene.adoption.containers:
            due = scene.rendered
            (plan,) = make_plan(due, scene.binding, [adopted], self.reaches).containers
            if plan.steps or not (due.variables or due.options or due.files or due.arguments) or scene.problem:
                return seen
        self.ledger.adopt(seen.id)
        log.info("%s: adopted", seen.name)
        return adopted

    def _left_alone(self, inspect: Inspect, plan: ContainerPlan, scene: Scene) -> Sequence[Step] | None:
        """What there is to tell of a container to which this pass may do nothing; None: it may."""
        if scene.problem is not None:
            return (Step("none", Reach.NONE, (), blocked=scene.problem.detail, cause=Cause.RULE),)
        if inspect["Id"] == self.inventory.own:
            return (_UNTOUCHED,) if plan.steps else ()
        return plan.steps if plan.held is not None else None

    def _plan(self, seen: Observed, scene: Scene) -> ContainerPlan:
        holds = self.world.holds(scene.place)
        (plan,) = make_plan(scene.rendered, scene.binding, [seen], self.reaches, holds).containers
        return plan

    def _ask(self, plan: ContainerPlan, scene: Scene) -> str:
        """Whose turn comes before that of this host, where the plan interrupts the container; else empty."""
        step = next((step for step in plan.due if step.reach >= Reach.NEW_PROCESS), None)
        if step is None:
            return ""
        return self.turns.ask(scene.place, plan.name, step.action, scene.binding.max_parallel)

    def _check(self, place: Place, reach: Reach, name: str) -> None:
        """Raises `Held` where a step may not be done now, or not any more, and `Unavailable`."""
        self.world.check(place, reach, name)
        if reach >= Reach.NEW_PROCESS:
            self.turns.check(place)

    def _work(self, inspect: Inspect, seen: Observed, scene: Scene) -> Work:
        def check() -> None:
            self._check(scene.place, Reach.NEW_CONTAINER, seen.name)

        return Work(inspect, self._entry(seen), scene.rendered, scene.binding, check=check)

    def _observe(self, inspect: Inspect, scene: Scene) -> Observed:
        entry = self.ledger.entry(Container(str(inspect["Id"])))
        if entry is None:
            raise ContainerGone("the container is not in the ledger any more; looking again")
        obstacles = self.world.obstacles(inspect, self.inventory.all())
        name = image_name(inspect, scene.sight.labels.get(inspect, "image"))
        entry = self._restate(entry, inspect, scene)
        entry = replace(entry, base=base_on(entry.base, inspect, name, self._image(inspect)))
        seen = observe(inspect, entry, scene.sight, scene.rendered.files, obstacles)
        return replace(
            seen,
            looping=is_looping(inspect, self.clock.utc()),
            held=self.world.held(scene.place),
            adopted=entry.adopted,
            contested=self.sightings.contested(inspect, scene.adoption.at),
            image_moved=self._moved(seen),
        )

    def _restate(self, entry: LedgerEntry, inspect: Inspect, scene: Scene) -> LedgerEntry:
        """The entry in the digests of this release, from now on."""
        target = scene.rendered.target(shim=bool(scene.sight.labels.get(inspect, "shim")))
        now = restated(entry, inspect, scene.rendered, target, scene.sight.digest_key)
        if now is not entry and self.world.doubt is None:
            self.ledger.record_base(Container(str(inspect["Id"])), now)
        return now

    def _moved(self, seen: Observed) -> str:
        """The id that the name of its image means now, where that is another one."""
        meant = self.inventory.meaning(seen.image) if seen.image else None
        return meant if meant and meant != seen.image_id else ""

    def _look(self, container: Container, scene: Scene) -> Observed:
        """The container as it is after it was acted upon."""
        for inspect in self.inventory.of(scene.place):
            if inspect["Id"] == container:
                return self._observe(inspect, scene)
        raise ContainerGone("the container went while it was worked on; looking again")

    def _again(self, seen: Observed) -> Observed:
        entry = self.ledger.entry(seen.id)
        return replace(seen, applied=entry.applied) if entry is not None else seen

    def _entry(self, seen: Observed) -> LedgerEntry:
        entry = self.ledger.entry(seen.id)
        if entry is None:
            raise ContainerGone("the container is not in the ledger any more; looking again")
        return entry

    def _apply(self, seen: Observed, plan: ContainerPlan, work: Work) -> Ended:
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
                self._check(place, step.reach, plan.name)
                outcomes.append(self._perform(step, work))
                if outcomes[-1].result is Result.FAILED:
                    if step.reach >= Reach.NEW_PROCESS:
                        self.turns.failed(place, step, plan.name, outcomes[-1].detail)
                    now, why = outcomes[-1].container or container, outcomes[-1].detail
                    self.inventory.touched(now)
                    failed = Report(replace(seen, id=now), rendered, plan.steps, why)
                    successor = Successor(now, self.reporter.succession(failed, container))
                    tried = tried_by(step, old, after, target)
                    self.ledger.failed(container, tried, outcomes, successor=successor)
                    log.warning("%s of %s failed: %s", step.action, plan.name, why)
                    return Ended(now, not_again(why) if step.action == "recreate" else why)
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
            return failed_with(error, heard, self._outcome(step, Result.FAILED, error.detail, work.rendered, began))
        if step.action not in ("signal", "files"):
            self.inventory.touched(container)
            self.inventory.touched(current)
        outcome = with_words(heard, self._outcome(step, Result.DONE, "", work.rendered, began))
        return replace(outcome, container=current, replaced=container if current != container else None)

    def _outcome(self, step: Step, result: Result, detail: str, rendered: Rendered, began: float) -> Outcome:
        took_s = round(self.clock.now() - began, 4)
        return Outcome(step.action, result, detail, rendered.revision, self.clock.utc(), took_s, step.reasons)

    def _forget_gone(self, place: Place) -> None:
        """Ledger and status end with their container; one with an open intent is the heal's.

        Of one that no binding chooses any more only the status goes: its own spec stays known.
        """
        if self.world.doubt is not None:
            return
        here, ours = self.inventory.ids(), {Container(str(one["Id"])) for one in self.inventory.of(place)}
        for container, entry in self.ledger.entries().items():
            open_recreate = "recreate" in (entry.intent or {}).get("actions", ())
            if (entry.env, entry.app) != place or open_recreate or container in ours:
                continue
            if container not in here:
                self.ledger.forget(container)
                self.reporter.forget(container)
            else:
                self.reporter.withdraw(container)
