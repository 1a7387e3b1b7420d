"""The steps of a plan as calls of the actions: what each needs of the container, the ledger and the settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd.actions import files, recreate, restart, signal, update
from confd.actions.fidelity import Wanted
from confd.agent.inventory import Place
from confd.agent.observe import Labels, locate
from confd.agent.reconcile import Act, Work
from confd.errors import EngineRefused
from confd.keys import Container
from confd.ledger import Ledger, Successor
from confd.model import Applied, Step
from confd.options import overlay
from confd.ports import Clock, Engine, Inspect

__all__ = ["acts_for", "healer_for"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Acts:
    target: Engine
    labels: Labels
    clock: Clock

    def files(self, step: Step, work: Work) -> Container:
        changed = {reason.why.removeprefix("file ") for reason in step.reasons}
        for file in work.rendered.files:
            if file.path not in changed:
                continue
            place, why = locate(work.inspect, file.path)
            if place is None:
                raise EngineRefused(f"{file.path}: {why}")
            files.write(place, file)
        return _id(work.inspect)

    def signal(self, step: Step, work: Work) -> Container:
        signal.apply(self.target, work.inspect, step.parameters.get("signal") or "HUP")
        return _id(work.inspect)

    def update(self, step: Step, work: Work) -> Container:
        update.apply(self.target, work.inspect, step.parameters)
        return _id(work.inspect)

    def restart(self, step: Step, work: Work) -> Container:
        restart.apply(self.target, work.inspect, work.binding.stop_timeout_s)
        return _id(work.inspect)

    def recreate(self, step: Step, work: Work) -> Container:
        swap = recreate.Swap(work.binding.stop_timeout_s, work.binding.monitor_s)

        def journal(note: Mapping[str, Any]) -> None:
            """With what the ledger is to know of the successor, should a heal have to finish it."""
            work.journal({"recreate": {**note["recreate"], "arguments": work.rendered.arguments_digest}})

        # Anew: no event of a container tells of a network that it was connected to meanwhile.
        inspect = self.target.inspect(_id(work.inspect))
        return recreate.apply(self.target, inspect, self._wanted(work), swap, self.clock, journal)

    def _wanted(self, work: Work) -> Wanted:
        inspect, base, rendered = work.inspect, work.entry.base, work.rendered
        shim = bool(self.labels.get(inspect, "shim"))
        labels = {
            "revision": str(rendered.revision),
            "digest": rendered.run_digest if shim else rendered.spec_digest,
            "replaces": _id(inspect),
        }
        return Wanted(
            image=self._image(inspect),
            variables=base.variables if shim else {**base.variables, **rendered.variables},
            options=overlay(base.options, rendered.options),
            arguments=rendered.arguments,
            labels={self.labels.prefix + name: text for name, text in labels.items()},
        )

    def _image(self, inspect: Inspect) -> str:
        """The name it was created from while that still means the same image, else the id: nothing moves."""
        name, image = str(inspect["Config"]["Image"]), str(inspect["Image"])
        return name if self.target.image_id(name) == image else image


def acts_for(target: Engine, labels: Labels, clock: Clock) -> Mapping[str, Act]:
    """Action name to what does it, on this target."""
    acts = _Acts(target, labels, clock)
    return {
        "files": acts.files,
        "signal": acts.signal,
        "update": acts.update,
        "restart": acts.restart,
        "recreate": acts.recreate,
    }


def healer_for(target: Engine, ledger: Ledger, clock: Clock) -> Callable[[Place, Sequence[Inspect]], bool]:
    """What a pass calls first: ends every recreate of the place that a crash or a lost engine left open."""

    def healer(place: Place, inspects: Sequence[Inspect]) -> bool:
        done = False
        for container, entry in ledger.entries().items():
            note = (entry.intent or {}).get("recreate")
            if note is None or (entry.env, entry.app) != place:
                continue
            now = recreate.heal(target, container, note, clock).container
            if now is None:
                ledger.forget(container)
            elif now == container:
                ledger.done(container, entry.applied, arguments=entry.arguments)
            else:  # its label says for which settings it was made, and it started with them
                ledger.done(container, Applied(), arguments=note.get("arguments"), successor=Successor(now))
            log.warning("%s: a recreate that was cut off is %s", entry.name, _word(now, container))
            done = True
        return done

    return healer


def _word(now: Container | None, old: Container) -> str:
    if now is None:
        return "given up: both containers are gone"
    return "taken back" if now == old else "finished"


def _id(inspect: Inspect) -> Container:
    return Container(str(inspect["Id"]))
