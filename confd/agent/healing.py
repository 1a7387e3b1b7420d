"""What a crash or a lost engine left open of an action, ended before anything new is begun."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from confd.actions.heal import Healed, heal
from confd.actions.swap import Swap
from confd.agent.base import rejoined
from confd.agent.following import Following
from confd.agent.inventory import Place
from confd.agent.logs import KeptLogs, LastWords
from confd.agent.ways import gate_of
from confd.entries import LedgerEntry
from confd.errors import ContainerGone
from confd.keys import Container, Key
from confd.ledger import Ledger, Successor
from confd.model import Applied, KeepLogs, Outcome, Reason, Result
from confd.ports import Clock, Engine, Inspect

__all__ = ["healer_for"]

log = logging.getLogger(__name__)


def healer_for(
    target: Engine,
    ledger: Ledger,
    clock: Clock,
    logs: KeptLogs | None = None,
    following: Following | None = None,
) -> Callable[[Place, Sequence[Inspect]], bool]:
    """What a pass calls first: ends every action of the place that a crash or a lost engine left open."""
    return _Healer(target, ledger, clock, logs or KeptLogs(target, clock), following).heal


@dataclass(frozen=True, slots=True)
class _Healer:
    target: Engine
    ledger: Ledger
    clock: Clock
    logs: KeptLogs
    following: Following | None

    def heal(self, place: Place, inspects: Sequence[Inspect]) -> bool:
        if not self._cut_off(place):
            return False
        with self.following.lock if self.following is not None else nullcontext():
            for container, entry, intent in self._cut_off(place):  # as it is once no other recreate has it follow
                if "recreate" in intent:
                    self._end(container, entry, intent)
                else:
                    self._start(container, entry)
        return True

    def _cut_off(self, place: Place) -> list[tuple[Container, LedgerEntry, Mapping[str, Any]]]:
        """What was begun and not ended."""
        return [
            (container, entry, entry.intent or {})
            for container, entry in self.ledger.entries().items()
            if (entry.env, entry.app) == place and {"recreate", "restart"} & (entry.intent or {}).keys()
        ]

    def _start(self, container: Container, entry: LedgerEntry) -> None:
        """One that was told to end by the binding's signal, and was not started again: the next plan goes on."""
        with suppress(ContainerGone):
            self.target.start(container)
            log.warning("%s: a restart that was cut off is finished", entry.name)
        self.ledger.intent(container, {name: it for name, it in (entry.intent or {}).items() if name != "restart"})

    def _end(self, container: Container, entry: LedgerEntry, intent: Mapping[str, Any]) -> None:
        heard: list[LastWords] = []
        current = dict(intent["recreate"])

        def leaving(one: str) -> None:
            heard.append(self.logs.last_words(one, entry.name, KeepLogs()))

        def journal(note: Mapping[str, Any]) -> None:
            current.update(note["recreate"])
            self.ledger.intent(container, {**intent, "recreate": current})

        swap = Swap(leaving=leaving, journal=journal)
        if self.following is not None:
            group, binding = self.following, self.following.binding((entry.env, entry.app))
            swap = replace(swap, gate=gate_of(binding), follow=group.follow, rejoin=group.rejoin)
        began = self.clock.now()
        healed = heal(self.target, container, intent["recreate"], self.clock, swap)
        outcome = self._outcome(container, healed, intent, began)
        if heard:
            outcome = replace(outcome, log=heard[-1].text, log_file=heard[-1].file)
        now = healed.container
        if now is not None:
            self.ledger.rebase(container, rejoined(entry.base, self.target.inspect(now)))
        if now is None:
            self.ledger.forget(container)
        elif healed.taken_back:
            self.ledger.done(
                container, entry.applied, [outcome], arguments=entry.arguments, successor=Successor(now)
            )
        else:  # its label says for which settings it was made, and it started with them
            arguments = intent["recreate"].get("arguments")
            self.ledger.done(container, Applied(), [outcome], arguments=arguments, successor=Successor(now))
        log.warning("%s: a recreate that was cut off is %s", entry.name, _word(healed, container))

    def _outcome(self, old: Container, healed: Healed, intent: Mapping[str, Any], began: float) -> Outcome:
        """What became of the recreate that an agent before this one, or this one without its engine, began."""
        now = healed.container
        finished = now is not None and not healed.taken_back
        return Outcome(
            "recreate",
            Result.DONE if finished else Result.FAILED,
            f"it was cut off, and is {_word(healed, old)}",
            int(intent.get("revision", 0)),
            self.clock.utc(),
            round(self.clock.now() - began, 4),
            tuple(Reason(Key(one["key"]), one["why"]) for one in intent.get("reasons", ())),
            now,
            old if now not in (None, old) else None,
        )


def _word(healed: Healed, old: Container) -> str:
    if healed.given_up:
        return healed.given_up
    if healed.container is None:
        return "given up: both containers are gone"
    if not healed.taken_back:
        return "finished"
    made = "" if healed.container == old else "; it was made anew, without what it had written outside its volumes"
    return f"taken back{made}"
