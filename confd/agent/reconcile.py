"""One app in one env on this host: snapshot, resolve, render, observe, heal, plan, apply.

Decides nothing that the plan does not say, and retries nothing: what may succeed later is raised to the queue.
Running it twice does nothing the second time; after a crash at any line the next pass goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from confd.adoption import adoption_of
from confd.agent.apply import Applier, Work
from confd.agent.base import RELEASE, base_of, base_on, completed, image_name
from confd.agent.inventory import Inventory, Place
from confd.agent.observe import Sight, is_looping, name_of, observe
from confd.agent.order import Linked, Mentions, Waiting, unsettled
from confd.agent.pace import Splay
from confd.agent.restated import restated
from confd.agent.scene import Pass, Scene
from confd.agent.secretfolders import SecretFolders
from confd.agent.sightings import Sightings
from confd.agent.status import Report, Reporter
from confd.agent.turns import Turns
from confd.agent.ways import MONITOR_S, watched
from confd.binding import binding_of
from confd.dependencies import come_before
from confd.discovery import Reference, discovered, find, references_in
from confd.entries import LedgerEntry
from confd.errors import ConfdError, ContainerGone
from confd.keys import Container, Host
from confd.ledger import Ledger
from confd.model import Cause, ContainerPlan, Observed, Reach, Snapshot, Step
from confd.plan import make_plan
from confd.ports import Clock, Inspect
from confd.references import effective, stamps
from confd.render import render
from confd.rollout import Ticket
from confd.unsealing import unsealed
from confd.validation import by_schema, judged
from confd.windows import opens_at

__all__ = ["Reconciler"]

log = logging.getLogger(__name__)

LANES = 32
"""More containers at once than these keep an engine no busier."""

_UNTOUCHED = Step(
    "none",
    Reach.NONE,
    (),
    blocked="this agent runs in it and never acts upon itself; replace it by hand, or take its label app away",
    cause=Cause.RULE,
)


@dataclass(frozen=True, slots=True)
class Reconciler:
    """See the module."""

    host: Host
    world: Pass
    inventory: Inventory
    ledger: Ledger
    reporter: Reporter
    clock: Clock
    applier: Applier
    reaches: Mapping[str, Reach]
    turns: Turns
    sightings: Sightings
    splay: Splay
    folders: SecretFolders
    monitor_s: float = MONITOR_S
    waiting: Waiting = field(default_factory=Waiting)
    mentions: Mentions = field(default_factory=Mentions)
    linked: Linked = field(default_factory=Linked)

    def reconcile(self, place: Place) -> float | None:
        """Bring all containers of the place to what they are due. Raises what the queue may try again.

        After how many seconds to look again, where something waits for its time; the places that wait for this
        one are in `waiting`.
        """
        given = self._given(place)
        if given is None:
            return None
        snapshot, sight = given
        scene = self._scene(snapshot, sight, place)
        self.applier.unseen.note(place, scene.rendered.hidden)
        self.waiting.stop(place)
        later: list[ConfdError] = []
        try:
            reports = self._bring_all(self._revived(self._containers(place), scene, later), scene, later)
            self._let_go(place, waiting=not later and any(one.waits for one in reports))
        except ConfdError:
            self._let_go(place, waiting=False)
            raise
        self.reporter.tell([one for one in reports if self.ledger.entry(one.observed.id)])
        self._forget_gone(place)
        self.folders.sweep()
        if later:
            raise later[0]
        if not any(one.waits or one.paused for one in reports):
            self.splay.over(place)
        return self._again_s(scene, reports)

    def _given(self, place: Place) -> tuple[Snapshot, Sight] | None:
        """What to work with, of a time after it was noted what its settings refer to: nothing newer is missed."""
        while (given := self.world.settings(place)) is not None:
            if self.linked.note(place, stamps(given[0], *place, self.host)):
                return given
        return None

    def _scene(self, snapshot: Snapshot, sight: Sight, place: Place) -> Scene:
        stored, problem = binding_of(snapshot, *place)
        resolved = judged(snapshot, effective(snapshot, *place, self.host, lambda one: unsealed(one, sight.ring)))
        binding = by_schema(snapshot, watched(stored, self.monitor_s), resolved)
        references = references_in(resolved)
        self.mentions.note(place, {one.name for one in references.values()})
        found = {word: text for word, one in references.items() if (text := self._find(one)) is not None}
        rendered = render(discovered(resolved, found, here=True), binding, sight.digest_key)
        adoption = adoption_of(snapshot.adoptions.get(place, {}).get(self.host))
        first = come_before(snapshot, *place)
        return Scene(place, rendered, binding, sight, problem, adoption, snapshot, first, found)

    def _find(self, reference: Reference) -> str | None:
        inspect = self.inventory.named(reference.name)
        return find(reference, inspect) if inspect is not None else None

    def _again_s(self, scene: Scene, reports: Sequence[Report]) -> float | None:
        """When what waits for its time can go on: seconds from now."""
        waits = [one.after_s for one in reports if one.after_s is not None]
        if any(step.cause is Cause.WINDOW for one in reports for step in one.steps):
            now = self.clock.utc()
            opens = opens_at(scene.binding.maintenance, now)
            waits += [(opens - datetime.fromisoformat(now)).total_seconds()] if opens else []
        return min(waits, default=None)

    def _let_go(self, place: Place, waiting: bool) -> None:
        """Give the turn back, unless this host waits for it, or a container may be down until it is healed."""
        entries = self.ledger.entries().values()
        cut_off = any("recreate" in (entry.intent or {}) for entry in entries if (entry.env, entry.app) == place)
        if not waiting and not cut_off:
            self.turns.leave(place)

    def _containers(self, place: Place) -> list[Inspect]:
        """The place's containers, after healing, each with its own spec remembered."""
        inspects = self.inventory.of(place)
        brakes = [hold for hold in self.world.holds(place) if hold.cause is not Cause.WINDOW]
        if not any(hold.reach <= Reach.IN_PLACE for hold in brakes) and self.world.heal(place, inspects):
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
            elif known.base.release < RELEASE:
                base = completed(known.base, inspect, self._image(inspect))
                self.ledger.record_base(container, replace(known, base=base))
        return inspects

    def _revived(self, inspects: Sequence[Inspect], scene: Scene, later: list[ConfdError]) -> list[Inspect]:
        """The containers; those run again whose secrets a reboot has taken, whatever brake the store has on.

        What may succeed later is added to `later`.
        """
        if self.world.held(scene.place) or scene.problem is not None:
            return list(inspects)
        found = list[Inspect]()
        for inspect in inspects:
            found.append(inspect)
            try:
                if self.folders.revive(inspect, scene.rendered):
                    container = Container(str(inspect["Id"]))
                    self.inventory.touched(container)
                    found[-1] = self.inventory.now(container)
            except ConfdError as error:
                later.append(error)
        return found

    def _see_first(self, container: Container, inspect: Inspect, place: Place) -> None:
        """Remember its own spec; one that ran before it was known to be ours waits until it is adopted."""
        name = name_of(inspect)
        entries = self.ledger.entries().values()
        self.sightings.saw(inspect, known=any((e.name, e.env, e.app) == (name, *place) for e in entries))
        chosen = self.inventory.is_chosen(inspect)
        newcomer = self.sightings.is_newcomer(inspect, place, chosen=chosen)
        base = base_of(inspect, self._image(inspect))
        self.ledger.record_base(
            container, LedgerEntry(name, place[1], place[0], base, adopted=newcomer, came=newcomer)
        )

    def _image(self, inspect: Inspect) -> Mapping[str, Any]:
        return self.inventory.image_config(str(inspect.get("Image") or ""))

    def _bring_all(self, inspects: Sequence[Inspect], scene: Scene, later: list[ConfdError]) -> list[Report]:
        """One container after the other, or as many at once as the binding and the other hosts leave."""
        lanes = self._lanes(inspects, scene)
        if lanes <= 1:
            return [self._bring(inspect, scene, later) for inspect in inspects]
        with ThreadPoolExecutor(lanes, thread_name_prefix="lane") as pool:
            return list(pool.map(lambda inspect: self._bring(inspect, scene, later), inspects))

    def _lanes(self, inspects: Sequence[Inspect], scene: Scene) -> int:
        """How many containers may be worked on at once. Raises `Unavailable`, and `Conflict` when fenced off."""
        most = min(scene.binding.max_parallel, len(inspects), LANES)
        if most <= 1 or scene.problem is not None or self.world.doubt is not None:
            return 1
        plans = [self._plan(self._observe(inspect, scene), scene) for inspect in inspects]
        due = [(plan, step) for plan in plans if (step := _interrupting(plan)) is not None]
        if len(due) <= 1:
            return 1
        plan, step = due[0]
        ticket = Ticket(plan.name, step.action, min(most, len(due)))
        return self.turns.ask(scene.place, ticket, scene.binding.max_parallel).share

    def _bring(self, inspect: Inspect, scene: Scene, later: list[ConfdError]) -> Report:
        """Bring one container to what it is due. What may succeed later is added to `later`."""
        seen = self._adopt(self._observe(inspect, scene), scene)
        plan = self._plan(seen, scene)
        left = self._left_alone(inspect, plan, scene)
        if left is not None:
            return Report(seen, scene.rendered, left)
        try:
            paused, after_s = self._pause(seen, plan, scene)
            if paused:
                return Report(seen, scene.rendered, plan.steps, paused=paused, after_s=after_s)
            waits = self._ask(plan, scene)
            if waits:
                return Report(seen, scene.rendered, plan.steps, waits=waits)
            report = self._carry_out(inspect, seen, plan, scene)
        except ConfdError as error:
            later.append(error)
            return Report(seen, scene.rendered, plan.steps, again=error.detail)
        if report.failed and self._climbs(plan, report.observed, scene):
            return self._bring(inspect, scene, later)
        return report

    def _carry_out(self, inspect: Inspect, seen: Observed, plan: ContainerPlan, scene: Scene) -> Report:
        """Do what the plan says. Raises what may succeed later."""
        ended = self.applier.apply(seen, plan, self._work(inspect, seen, scene))
        now = self._look(ended.container, scene) if plan.due else self._again(seen)
        if ended.halted:
            return Report(now, scene.rendered, self._plan(now, scene).steps)
        return Report(now, scene.rendered, plan.steps if ended.failed else plan.blocked, ended.failed)

    def _climbs(self, plan: ContainerPlan, now: Observed, scene: Scene) -> bool:
        """Whether the binding has a new container follow a live update that the engine has just refused."""
        due = self._plan(now, scene).due
        return all(step.action != "recreate" for step in plan.due) and any(one.action == "recreate" for one in due)

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

    def _pause(self, seen: Observed, plan: ContainerPlan, scene: Scene) -> tuple[str, float | None]:
        """What comes before the plan, and when to look again where time alone tells; empty: nothing does."""
        if _interrupting(plan) is not None:
            for app in scene.first:
                why = self._unsettled((scene.place[0], app), scene)
                if why:
                    self.waiting.wait(scene.place, (scene.place[0], app))
                    return f"waits for {app}: {why}", None
        disturbs = any(step.action not in ("files", "update") for step in plan.due)
        left_s = 0.0 if seen.newcomer or not disturbs else self.splay.left_s(scene.place, scene.binding.splay_s)
        return (f"waits {left_s:.0f} s for its splay", left_s) if left_s else ("", None)

    def _unsettled(self, place: Place, scene: Scene) -> str:
        """Why the containers of a place that comes first are not yet as they are to be; empty: they are."""
        other = self._scene(scene.snapshot, scene.sight, place)
        for inspect in self.inventory.of(place):
            name = name_of(inspect)
            if self.ledger.entry(Container(str(inspect["Id"]))) is None:
                return f"{name} is new here"
            plan = self._plan(self._observe(inspect, other), other)
            why = unsettled(plan, inspect["State"])
            if why:
                return f"{name} {why}"
        return ""

    def _ask(self, plan: ContainerPlan, scene: Scene) -> str:
        """Whose turn comes before that of this host, where the plan interrupts the container; else empty."""
        step = _interrupting(plan)
        if step is None:
            return ""
        return self.turns.ask(scene.place, Ticket(plan.name, step.action), scene.binding.max_parallel).waits

    def _work(self, inspect: Inspect, seen: Observed, scene: Scene) -> Work:
        def check() -> None:
            self.applier.check(scene.place, Reach.NEW_CONTAINER, seen.name)

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
            newcomer=entry.is_newcomer,
            found=scene.found,
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
        return self._observe(self.inventory.now(container), scene)

    def _again(self, seen: Observed) -> Observed:
        entry = self.ledger.entry(seen.id)
        return replace(seen, applied=entry.applied) if entry is not None else seen

    def _entry(self, seen: Observed) -> LedgerEntry:
        entry = self.ledger.entry(seen.id)
        if entry is None:
            raise ContainerGone("the container is not in the ledger any more; looking again")
        return entry

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


def _interrupting(plan: ContainerPlan) -> Step | None:
    """The first step that is due and ends the container's process."""
    return next((step for step in plan.due if step.reach >= Reach.NEW_PROCESS), None)
