"""What an agent shows of itself and its containers: counts as things happen, all else when somebody looks.

Nothing here waits for the work of the agent, nor that for it: figures are copied under short locks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from confd.agent import figures
from confd.agent.agent import Agent
from confd.agent.figures import CONTAINER_USE
from confd.agent.inventory import Place
from confd.agent.observe import name_of
from confd.agent.usage import Meter
from confd.entries import LedgerEntry
from confd.following import following
from confd.keys import Host, Layer, layers_of
from confd.metrics import Metric, Page, Samples, Tally
from confd.model import Applied, Head, Outcome, Result
from confd.ports import Clock, Heard, Inspect

__all__ = ["Effects", "Readings", "count_calls", "count_errors"]


def count_calls(tally: Tally) -> Heard:
    """Counts the calls of an engine."""
    return lambda about, result: tally.add(figures.ENGINE_CALLS, about, result)


def count_errors(tally: Tally) -> Callable[[Place, str], None]:
    """Counts the passes over a place that ended with an error."""
    return lambda place, code: tally.add(figures.APP_ERRORS, place[1], place[0], code)


@dataclass(frozen=True, slots=True)
class Effects:
    """Counts actions, and how long after it was written each change came into effect; called by the ledger."""

    tally: Tally
    host: Host
    clock: Clock
    heads: Callable[[], Mapping[Layer, Head]]

    def __call__(self, entry: LedgerEntry, applied: Applied, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.tally.add(figures.APP_ACTIONS, entry.app, entry.env, outcome.action, str(outcome.result))
        since = entry.applied.revision
        if not since or not any(outcome.result is Result.DONE for outcome in outcomes):
            return  # what a container is started with was written at any time before
        heads = self.heads()
        for layer in layers_of(entry.env, entry.app, self.host):
            head = heads.get(layer, Head())
            if since < head.revision <= applied.revision and head.at:
                wait_s = _seconds_between(head.at, self.clock.utc())
                self.tally.observe(figures.APP_EFFECT, wait_s, entry.app, entry.env)


def _seconds_between(before: str, now: str) -> float:
    """Never below 0, whatever the two clocks say."""
    try:
        return max((datetime.fromisoformat(now) - datetime.fromisoformat(before)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return 0.0


@dataclass(frozen=True, slots=True)
class Readings:
    """All that is read when somebody looks, and whether the agent can do its work."""

    agent: Agent
    meter: Meter
    tally: Tally

    def page(self) -> Page:
        return Page(self.tally, (self._containers, self._apps, self._agent))

    def why_not_ready(self) -> str:
        """Empty when the store is followed, the engine answers and the claim is held."""
        agent = self.agent
        if not agent.mirror.current:
            return "the watch on the store is being opened again"
        if not agent.world.active:
            return "this agent does not have the claim on its host"
        if agent.engine_away_since is not None:
            return f"the container engine has not answered since {agent.engine_away_since}"
        return ""

    def _containers(self) -> Samples:
        inventory = self.agent.inventory
        placed = [(inventory.place(one), one) for one in inventory.all()]
        ours = {str(one["Id"]): one for place, one in placed if place is not None}
        used = self.meter.look(list(ours.values()))
        found: dict[Metric, dict[tuple[str, ...], float]] = {metric: {} for metric in CONTAINER_USE.values()}
        running, restarts = dict[tuple[str, ...], float](), dict[tuple[str, ...], float]()
        for place, inspect in placed:
            if place is None:
                continue
            labels = (place[1], place[0], name_of(inspect))
            running[labels] = _runs(inspect)
            restarts[labels] = inspect.get("RestartCount") or 0
            usage = used.get(str(inspect["Id"]))
            for member, metric in CONTAINER_USE.items():
                number = getattr(usage, member, None)
                if number is not None:
                    found[metric][labels] = number
        return {
            **found,
            figures.CONTAINER_RUNNING: running,
            figures.CONTAINER_RESTARTS: restarts,
            figures.SCRAPE_LATE: {(): self.meter.late},
        }

    def _apps(self) -> Samples:
        agent = self.agent
        places = sorted(agent.inventory.places())
        self.tally.keep(lambda metric, labels: "app" not in metric.labels or (labels[1], labels[0]) in places)
        heads = agent.mirror.snapshot.heads
        published, newest = dict[tuple[str, ...], float](), dict[tuple[str, ...], float]()
        for env, app in places:
            reaching = [heads[one] for one in layers_of(env, app, agent.host) if one in heads]
            published[app, env] = sum(head.number for head in reaching)
            newest[app, env] = max((head.revision for head in reaching), default=0)
        waiting = {(app, env): one for (env, app), one in agent.queue.waiting().items()}
        return {
            **self._standings(),
            figures.APP_PUBLISHED: published,
            figures.APP_PUBLISHED_REVISION: newest,
            figures.APP_WAITING: {labels: one.age_s for labels, one in waiting.items()},
            figures.APP_RETRIES: {labels: one.failures for labels, one in waiting.items()},
            figures.QUEUE_DEPTH: {(): len(waiting)},
            figures.QUEUE_OLDEST: {(): max((one.age_s for one in waiting.values()), default=0.0)},
        }

    def _standings(self) -> Samples:
        here = self.agent.inventory.ids()
        states, causes = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
        in_effect: dict[tuple[str, ...], float] = {}
        for container, standing in self.agent.reconciler.reporter.stands().items():
            if container in here:
                states[standing.app, standing.env, standing.state] += 1
                causes.update((standing.app, standing.env, cause) for cause in standing.causes)
                app = (standing.app, standing.env)
                in_effect[app] = min(in_effect.get(app, standing.in_effect), standing.in_effect)
        return {figures.APP_CONTAINERS: states, figures.APP_BLOCKED: causes, figures.APP_IN_EFFECT: in_effect}

    def _agent(self) -> Samples:
        agent = self.agent
        return {
            **following(agent.mirror),
            figures.ACTIVE: {(): agent.world.active},
            figures.WATCH_LAG: {(): max(agent.newest_revision - agent.mirror.reached, 0)},
            figures.STORE_REVISION: {(): agent.newest_revision},
            figures.ENGINE_AWAY: {(): agent.engine_away_since is not None},
            figures.ENGINE_RESYNCS: {(): agent.engine_resyncs},
        }


def _runs(inspect: Inspect) -> bool:
    return bool((inspect.get("State") or {}).get("Running"))
