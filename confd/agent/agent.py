"""Runs the agent: claims the host, follows store and engine, and has four workers reconcile what they touch.

Changes in the store, engine events and a slow full pass feed one queue; nothing else causes an effect.
"""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from confd.agent.claim import TTL_S, Claim
from confd.agent.inventory import Inventory, Place
from confd.agent.queue import Queue
from confd.agent.reconcile import Reconciler
from confd.agent.world import World
from confd.binding import binding_of
from confd.errors import ConfdError, Conflict
from confd.keys import DEFAULT, Env, Host, Keyspace, layers_of
from confd.mirror import Mirror
from confd.model import Snapshot
from confd.ports import Area, Clock, Expect, Lease, Put, Store, Target, TargetEvent
from confd.references import stamps
from confd.selection import selects_in
from confd.snapshot import Touched, env_area, meta_area, schemas_area

__all__ = ["WORKERS", "Agent"]

log = logging.getLogger(__name__)

WORKERS = 4
AGAIN_S = 1.0
STOP_S = 0.8


@dataclass(slots=True)
class Agent:
    """All parts, made by the composition root. `about` is published beside the time.

    `clear` removes what an agent before this one has left on the engine.
    """

    env: Env
    host: Host
    keyspace: Keyspace
    store: Store
    target: Target
    clock: Clock
    mirror: Mirror
    inventory: Inventory
    world: World
    reconciler: Reconciler
    about: Mapping[str, Any]
    resync_s: float = 300.0
    clear: Callable[[], None] = lambda: None
    queue: Queue[Place] = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _relist: threading.Event = field(default_factory=threading.Event)
    failed: Callable[[Place, str], None] = lambda place, code: None
    """Told of each pass that ended with an error, by its code."""
    engine_away_since: str | None = None
    engine_resyncs: int = 0
    newest_revision: int = 0
    """The store's revision that a read last told."""
    _told: dict[str, Any] = field(default_factory=dict)
    _fenced_off: threading.Event = field(default_factory=threading.Event)
    _looked_s: float = 0.0
    _fence: Expect | None = None
    _envs: set[Env] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(self.clock)

    def run(self, stop: threading.Event) -> None:
        """Serve until stopped. Raises `Configuration` when another engine's agent goes by this host's name."""
        self._stop = stop
        claim = Claim(self.store, self.keyspace, self.host, self.clock)
        lease: Lease | None = None
        try:
            lease = self._claim(claim)
            if lease is None or not self._start():
                return
            while not stop.is_set():
                self._serve(lease)
                if stop.is_set():
                    return
                self.world.active = False
                lease.close()
                lease = None
                lease = self._claim(claim)
                if lease is None:
                    return
        finally:
            self.world.active = False
            self._end()  # first: what the workers still write stands under the claim
            if lease is not None:
                lease.close()

    def areas(self) -> tuple[Area, ...]:
        """What to follow: meta, schemas, what every env shares, and each env that had a container here."""
        envs = sorted({Env(DEFAULT), self.env, *self._envs})
        return (
            meta_area(self.keyspace),
            schemas_area(self.keyspace),
            *(env_area(self.keyspace, env, self.host) for env in envs),
        )

    # --- start and stop ---------------------------------------------------------------------------------

    def _claim(self, claim: Claim) -> Lease | None:
        """Become the active agent, and take over what the one before has written."""
        while not self._stop.is_set():
            taken = claim.take(str(self.about.get("engine_id", "")), self._stop)
            if taken is None:
                return None
            lease, fence = taken
            try:
                self.reconciler.ledger.refence(fence)
                self.reconciler.reporter.refence(fence)
                self.reconciler.turns.claim(lease, fence)
                self.reconciler.sightings.claim(fence)
                self._fence = fence
                self._publish()
                self._fenced_off.clear()
            except ConfdError as error:
                log.warning("the claim on %s was lost again: %s", self.host, error.detail)
                lease.close()
                continue
            self.world.active = True
            return lease
        return None

    def _publish(self) -> None:
        """Tell of this host, since when its engine does not answer, and what waits for `confctl resume`."""
        told = self._news()
        about = {**self.about, **told, "at": self.clock.utc()}
        self.store.commit(
            [Put(self.keyspace.about(self.host), json.dumps(about))], [self._fence] if self._fence else []
        )
        self._told = told

    def _news(self) -> dict[str, Any]:
        """What is told of the host as soon as it changes."""
        conflicts = [
            {"name": name, "env": env, "apps": apps, "why": f"the bindings of {' and '.join(apps)} both choose it"}
            for name, env, apps in self.inventory.conflicts()
        ]
        return {
            "engine_away_since": self.engine_away_since,
            "held": self.world.stands_still(),
            "doubts": self.world.doubts(),
            "conflicts": conflicts,
        }

    def _start(self) -> bool:
        """Everything in order: containers, store, then those who act. False when stopped meanwhile."""
        while not self._refresh():
            if self.clock.wait(self._stop, AGAIN_S):
                return False
        self.mirror.follow(self.areas())
        self.mirror.subscribe(self._changed)
        self.mirror.start()
        while not self.mirror.wait_current(0.2):
            if self._stop.is_set():
                return False
        self._choose(self.mirror.snapshot)
        for number in range(WORKERS):
            self._spawn(f"worker-{number}", self._work)
        self._spawn("events", self._listen)
        return True

    def _spawn(self, name: str, run: Any) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _end(self) -> None:
        """Let all threads go; what is cut off in the middle of an action heals at the next start."""
        self.queue.close()
        deadline = self.clock.now() + STOP_S
        for thread in self._threads:
            thread.join(max(deadline - self.clock.now(), 0.01))
        self.mirror.stop()

    # --- what feeds the queue ---------------------------------------------------------------------------

    def _serve(self, lease: Lease) -> None:
        """Until the claim is lost or we are stopped: a full pass now and then."""
        while self._is_held(lease):
            self._add_all()
            self._sweep()
            due = self.clock.now() + self.resync_s * (0.9 + 0.2 * random.random())  # noqa: S311 - only spreads load
            while self.clock.now() < due and self._is_held(lease) and not self._relist.is_set():
                if self.clock.wait(self._stop, min(AGAIN_S, max(due - self.clock.now(), 0.0))):
                    return
                if self._news() != self._told:
                    self._retell()
                if self.world.freeze_file_changed():
                    self._add_all()
            self._relist.clear()
            if not self._refresh():
                self._relist.set()
                self.clock.wait(self._stop, AGAIN_S)

    def _is_held(self, lease: Lease) -> bool:
        """Whether the claim on this host is still ours. In a store that was emptied a lease lives on without it."""
        if self._stop.is_set() or lease.lost.is_set():
            return False
        due = self.clock.now() >= self._looked_s + TTL_S
        if (due or self._fenced_off.is_set()) and self._fence is not None:
            key, self._looked_s = self._fence.key, self.clock.now()
            try:
                listing = self.store.read([key])
            except ConfdError:
                return True  # the store is away: that is no news of the claim
            self.newest_revision, entry = listing.revision, listing.entries.get(key)
            if entry is None or entry.mod_revision != self._fence.mod_revision:
                log.warning("the claim on %s is gone from the store; claiming it again", self.host)
                self._fenced_off.set()  # until it is claimed again
                return False
            self._fenced_off.clear()
        return True

    def _sweep(self) -> None:
        """Tell no more of containers that are not here, as a restored backup does, and clear up."""
        try:
            self.clear()
            self.reconciler.reporter.sweep(self.inventory.has)
        except ConfdError as error:
            self._note_conflict(error)
            log.debug("what is old stays for now: %s", error.detail)

    def _retell(self) -> None:
        try:
            self._publish()
        except ConfdError as error:
            self._note_conflict(error)
            log.debug("the host's state is not told yet: %s", error.detail)

    def _note_conflict(self, error: ConfdError) -> None:
        if isinstance(error, Conflict):
            self._fenced_off.set()

    def _refresh(self) -> bool:
        try:
            self.inventory.refresh()
        except ConfdError as error:
            log.warning("cannot list containers: %s", error.detail)
            return False
        self._follow({env for env, _ in self.inventory.places()})
        return True

    def _follow(self, envs: set[Env]) -> None:
        """Follow these envs too; an env stays followed until the agent ends."""
        if not envs <= self._envs:
            self._envs = self._envs | envs
            self.mirror.follow(self.areas())

    def _listen(self) -> None:
        for event in self.target.events(self._stop):
            if event.action == "away":
                self.engine_away_since = self.engine_away_since or self.clock.utc()
                continue
            if event.action == "resync":
                self.engine_away_since = None
                self.engine_resyncs += 1
                if self._refresh():
                    self._add_all()
                else:
                    self._relist.set()
                continue
            self._saw(event)

    def _saw(self, event: TargetEvent) -> None:
        """The place of a container to which something happened, and those whose settings refer to it."""
        try:
            place = self.inventory.saw(event)
        except ConfdError as error:
            log.debug("%s is looked at with the next listing: %s", event.container[:12], error.detail)
            self._relist.set()
            return
        mentioning = self.reconciler.mentions.of(event.labels.get("name", ""))
        for one in [*mentioning, *([place] if place is not None else [])]:
            self.queue.add(one)

    def _add_all(self) -> None:
        known = {(entry.env, entry.app) for entry in self.reconciler.ledger.entries().values()}
        for place in self.inventory.places() | known:
            self.queue.add(place)

    def _choose(self, snapshot: Snapshot) -> set[Place]:
        """Take over which containers the bindings choose; the places that lose or get one."""
        before = self.inventory.places()
        selects = {env: selects_in(snapshot, env) for env in {self.env, *self._envs} - {Env(DEFAULT)}}
        try:
            self.reconciler.sightings.choose(
                {(env, app): select for env, chosen in selects.items() for app, select in chosen.items()}
            )
        except ConfdError as error:
            self._note_conflict(error)
            log.warning("which containers bindings choose is not noted yet: %s", error.detail)
            self._relist.set()
        self.inventory.choose(selects)
        return before ^ self.inventory.places()

    def _changed(self, snapshot: Snapshot, touched: Touched | None) -> None:
        """The mirror's news: which places they reach. None: anything may have changed."""
        if touched is None or touched.bindings:
            for place in self._choose(snapshot):
                self.queue.add(place, fresh=True)
        for place in self.inventory.places():
            if touched is None or touched.meta:
                self.queue.add(place, fresh=True)
            elif self._concerns(snapshot, place, touched):
                self.queue.add(place)
            elif self._reaches(place, touched) or self._refers(snapshot, place, touched):
                binding, _ = binding_of(snapshot, *place)
                self.queue.add(place, min_s=binding.wait_min_s, max_s=binding.wait_max_s, fresh=True)

    def _concerns(self, snapshot: Snapshot, place: Place, touched: Touched) -> bool:
        """Whether it is about what may be done to it now: a brake, a policy, an adoption, its turn or a stop."""
        if place in touched.turns:
            binding, _ = binding_of(snapshot, *place)
            if self.reconciler.turns.is_next(snapshot, place, binding.max_parallel):
                return True
        return place in touched.apps or not (touched.freezes | touched.policies).isdisjoint(
            (place[0], Env(DEFAULT))
        )

    def _reaches(self, place: Place, touched: Touched) -> bool:
        env, app = place
        if app in touched.schemas or not touched.layers.isdisjoint(layers_of(env, app, self.host)):
            return True
        return (env, app) in touched.bindings or (Env(DEFAULT), app) in touched.bindings

    def _refers(self, snapshot: Snapshot, place: Place, touched: Touched) -> bool:
        """Whether its settings refer to something of another app that was changed."""
        apps = {layer.app for layer in touched.layers if layer.env in (DEFAULT, place[0])}
        return self.reconciler.linked.moved(place, apps, lambda: stamps(snapshot, *place, self.host))

    # --- the workers ------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take a place, reconcile it; the queue knows when it comes again."""
        while True:
            place = self.queue.wait_take()
            if place is None:
                return
            name = f"{place[1]}@{place[0]}"
            try:
                self._reconcile(place)
            except ConfdError as error:
                self._failed(place, name, error)
            except Exception:  # the edge: one app's fault ends neither the agent nor the work on others
                log.exception("%s: this is a fault of the agent; it is tried again", name)
                self.failed(place, "fault")
                self.queue.retry(place)
            for one in self.reconciler.waiting.whom(place):
                self.queue.add(one)

    def _reconcile(self, place: Place) -> None:
        if place[0] not in self._envs:
            self._follow({place[0]})
            self.mirror.wait_current(AGAIN_S)
        again_s = self.reconciler.reconcile(place)
        self.queue.done(place)
        if again_s is not None:
            self.queue.later(place, again_s)

    def _failed(self, place: Place, name: str, error: ConfdError) -> None:
        self._note_conflict(error)
        self.failed(place, error.code)
        if not error.retryable:
            log.error("%s: %s", name, error.detail)
            self.queue.done(place)
            return
        first = self.queue.failures(place) == 0
        pause_s = self.queue.retry(place)
        log.log(logging.WARNING if first else logging.DEBUG, "%s: %s; again in %.1f s", name, error.detail, pause_s)
