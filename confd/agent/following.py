"""Those that live in a container's namespaces, use its volumes or have a link to it, made anew after it.

Each is a recreate of its own, with its own journal in its own entry of the ledger. Two that belong together are
never worked on at once.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from confd.actions import recreate
from confd.actions.fidelity import as_it_is
from confd.actions.followers import Succession, followers_of, following, named_by, shares_namespace
from confd.actions.swap import Swap, look
from confd.agent.base import rejoined
from confd.agent.inventory import Place
from confd.agent.logs import KeptLogs, LastWords
from confd.agent.observe import Labels, name_of
from confd.agent.ways import gate_of, stop_of
from confd.entries import LedgerEntry
from confd.errors import ContainerGone, EngineRefused, NotReady, StartFailed
from confd.keys import Container, Key
from confd.ledger import Ledger
from confd.model import Binding, Outcome, Reach, Reason, Result
from confd.ports import Clock, Engine, Inspect

__all__ = ["Following"]

log = logging.getLogger(__name__)

EVENTS_S = 10.0
"""So long an engine takes to make a container, and to tell of it."""


@dataclass(frozen=True, slots=True)
class Following:
    """`others` gives the containers that are known, `place` whose one is, `binding` what holds there.

    `check` raises `Held`.
    """

    target: Engine
    labels: Labels
    ledger: Ledger
    clock: Clock
    logs: KeptLogs
    others: Callable[[], Sequence[Inspect]]
    place: Callable[[Inspect], Place | None]
    binding: Callable[[Place], Binding]
    check: Callable[[Place, Reach, str], None]
    own: str | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    alone: set[str] = field(default_factory=set)

    def why_not(self, follower: Inspect) -> str:
        """What keeps a follower from being made anew; empty: nothing."""
        place, entry = self.place(follower), self.ledger.entry(Container(str(follower["Id"])))
        if place is None:
            return "it is none of confd's"
        if follower["Id"] == self.own:
            return "this agent runs in it"
        if entry is not None and not entry.adopted:
            return f"it waits for `confctl adopt {place[1]}`"
        reach = self.labels.get(follower, "max-reach")
        if reach and reach != Reach.NEW_CONTAINER.word:
            return f"its label max-reach allows no more than {reach}"
        return ""

    @contextmanager
    def group(self, inspect: Inspect) -> Iterator[list[Inspect]]:
        """Those that follow a container, while nobody else works on it or on one of them."""
        if not followers_of(inspect, self.others()) and not named_by(inspect):
            yield []
            return
        with self.lock:
            yield followers_of(inspect, self.others())

    def check_all(self, followers: Sequence[Inspect]) -> None:
        """Raises `Held` where one may not be touched now, `EngineRefused` or `NotReady` where it cannot be."""
        for follower in followers:
            place, why = self.place(follower), self.why_not(follower)
            if why or place is None:
                raise EngineRefused(f"{name_of(follower)} cannot be recreated after it: {why}")
            if self.ledger.entry(Container(str(follower["Id"]))) is None:
                raise NotReady(f"{name_of(follower)}, which follows it, is not known yet; looking again")
            self.check(place, Reach.NEW_CONTAINER, name_of(follower))

    def made(self, container: str, config: Mapping[str, Any]) -> None:
        """One that is just made: while it starts, the engine would have whoever looks at it wait."""
        if not named_by(config):
            self.alone.add(container)

    def follow(self, gone: Succession, known: Sequence[Inspect] = ()) -> None:
        """Make all of them anew. `known`: as they were before, with links that end with what they lead to."""
        leader = self.target.inspect(gone.after)
        before = {str(one["Id"]): one for one in known}
        listed = self._followers(gone.before, leader)
        for follower in {**before, **{str(one["Id"]): before.get(str(one["Id"]), one) for one in listed}}.values():
            entry = self.ledger.entry(Container(str(follower["Id"])))
            done = _created(follower) > _created(leader) and not shares_namespace(follower, gone.before)
            if entry is None or done or self.why_not(follower) or look(self.target, str(follower["Id"])) is None:
                continue
            self._make_anew(follower, entry, gone)

    def rejoin(self, leader: Inspect) -> None:
        """Those in its namespaces take part in those that its new process has."""
        for follower in self._followers(leader, leader):
            alone = not shares_namespace(follower, leader) or not follower["State"].get("Running")
            if alone or self.why_not(follower):
                continue
            try:
                self.target.restart(str(follower["Id"]), None)
            except EngineRefused as error:
                log.warning("%s did not start again after %s: %s", name_of(follower), name_of(leader), error.detail)

    def _followers(self, leader: Inspect, now: Inspect) -> list[Inspect]:
        """As they are now. Who names nobody does so for its life, and is not looked at again."""
        known = self.others()
        naming = {str(one["Id"]) for one in known if named_by(one)}
        found: list[Inspect] = []
        for container in naming | (self._untold(known, now) - self.alone):
            with suppress(ContainerGone):
                found.append(self.target.inspect(container))
                if not named_by(found[-1]):
                    self.alone.add(container)
        return followers_of(leader, found)

    def _untold(self, known: Sequence[Inspect], now: Inspect) -> set[str]:
        """Those that no event has told of yet: made since what is well older than a container that is there now."""
        begun = _made(now) - timedelta(seconds=EVENTS_S)
        newest = max((one for one in known if _made(one) < begun), key=_created, default=None)
        try:
            listed = self.target.ids(str(newest["Id"]) if newest is not None else "")
        except ContainerGone:
            listed = self.target.ids()
        self.alone.intersection_update(listed)  # what another thread adds meanwhile is looked at again
        return set(listed) - {str(one["Id"]) for one in known}

    def _make_anew(self, follower: Inspect, entry: LedgerEntry, gone: Succession) -> None:
        old, began = Container(str(follower["Id"])), self.clock.now()
        heard: list[LastWords] = []
        place = (entry.env, entry.app)
        binding, reason = self.binding(place), Reason(Key("run/network"), f"{gone.name} was made anew")
        revision = entry.applied.revision
        intent = {
            "actions": ["recreate"],
            "revision": revision,
            "reasons": [{"key": reason.key, "why": reason.why}],
        }

        def journal(note: Mapping[str, Any]) -> None:
            noted = {**note["recreate"], "arguments": entry.arguments}
            self.ledger.intent(old, {**intent, "recreate": noted})

        def leaving(container: str) -> None:
            heard.append(self.logs.last_words(container, entry.name, binding.keep_logs))

        with self.group(follower) as followers:
            swap = Swap(
                stop_of(binding),
                gate_of(binding),
                keep_failed=shares_namespace(follower, gone.before),  # the old one could not run any more
                leaving=leaving,
                journal=journal,
                made=self.made,
                follow=lambda next_gone: self.follow(next_gone, followers),
                rejoin=self.rejoin,
            )
            result, detail = Result.DONE, ""
            try:
                new = self._recreate(following(follower, gone), swap)
            except EngineRefused as error:
                result, detail = Result.FAILED, self.logs.mask(error.detail)
                new = Container(error.successor if isinstance(error, StartFailed) else "") or old
                log.warning("%s, which follows %s, failed: %s", entry.name, gone.name, detail)
        took_s = round(self.clock.now() - began, 4)
        outcome = Outcome("recreate", result, detail, revision, self.clock.utc(), took_s, (reason,))
        outcome = replace(outcome, container=new, replaced=old if new != old else None)
        if heard:
            outcome = replace(outcome, log=heard[-1].text, log_file=heard[-1].file)
        self.ledger.rebase(old, rejoined(entry.base, self.target.inspect(new)))
        successor = self.ledger.as_before(old, new)
        self.ledger.done(old, entry.applied, [outcome], arguments=entry.arguments, successor=successor)

    def _recreate(self, inspect: Inspect, swap: Swap) -> Container:
        name = str(inspect["Config"]["Image"])
        image = name if self.target.image_id(name) == inspect["Image"] else str(inspect["Image"])
        labels = {self.labels.prefix + "replaces": str(inspect["Id"])}
        return recreate.apply(self.target, inspect, as_it_is(inspect, image, labels), swap, self.clock)


def _created(inspect: Inspect) -> str:
    return str(inspect.get("Created") or "").rstrip("Z")


def _made(inspect: Inspect) -> datetime:
    return datetime.fromisoformat(_created(inspect)[:19])
