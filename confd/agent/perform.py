"""The steps of a plan as calls of the actions: what each needs of the container, the ledger and the settings."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from confd.actions import exec as execute
from confd.actions import files, recreate, restart, signal, update
from confd.actions.fidelity import Wanted
from confd.actions.followers import Succession, followers_of
from confd.actions.swap import Swap
from confd.agent.apply import Act, Work
from confd.agent.base import base_on, image_name, own_of
from confd.agent.checks import Checks
from confd.agent.following import Following
from confd.agent.locate import locate
from confd.agent.logs import KeptLogs, LastWords
from confd.agent.observe import Labels, labels_of, name_of
from confd.agent.secretfolders import SecretFolders, place_of
from confd.agent.unseen import Unseen
from confd.agent.ways import gate_of, stop_of
from confd.entries import Base
from confd.errors import CommandFailed, EngineRefused
from confd.keys import Container
from confd.model import EMPTY, RenderedFile, Step
from confd.options import limits_told, load, overlay
from confd.ports import Clock, Engine, Inspect
from confd.secretfiles import HOST_FOLDER, is_secret_path

__all__ = ["Aides", "acts_for"]

log = logging.getLogger(__name__)


NOT_WRITTEN_DOWN = (
    "it was started with --rm and has a secret in its variables, which would have to be written down, should it "
    "have to come back; start it without --rm, or with secrets: file in the binding"
)


@dataclass(frozen=True, slots=True)
class _Acts:
    target: Engine
    labels: Labels
    clock: Clock
    logs: KeptLogs
    checks: Checks
    folders: SecretFolders
    unseen: Unseen
    following: Following | None = None

    def files(self, step: Step, work: Work) -> Container:
        """All are staged and checked before the first one takes its place."""
        changed = {reason.why.removeprefix("file ") for reason in step.reasons}
        if any(map(is_secret_path, changed)):
            self.folders.prepare()
        due = [(self._place(work, file), file) for file in work.rendered.files if file.path in changed]
        with files.staged(due) as staged:
            for one in staged:
                if one.file.check is not None:
                    with self._words_kept(work):
                        self.checks.run(work.inspect, one, one.file.check)
            files.replace_all(staged)
        return _id(work.inspect)

    def _place(self, work: Work, file: RenderedFile) -> Path:
        if is_secret_path(file.path):
            place, why = place_of(work.inspect, file.path, self.folders.root)
        else:
            place, why = locate(work.inspect, file.path)
        if place is None:
            raise EngineRefused(f"{file.path}: {why}")
        return place

    @contextmanager
    def _words_kept(self, work: Work) -> Iterator[None]:
        """What a command said that failed stands with the outcome."""
        try:
            yield
        except CommandFailed as error:
            work.hear(LastWords(error.log))
            raise

    def signal(self, step: Step, work: Work) -> Container:
        with self._heard_where_it_fails(work):
            signal.apply(self.target, work.inspect, step.parameters.get("signal") or "HUP")
        return _id(work.inspect)

    def execute(self, step: Step, work: Work) -> Container:
        """What the command says is kept with the outcome."""
        command: list[str] = json.loads(step.parameters["command"])
        with self._words_kept(work):
            said = execute.apply(self.target, work.inspect, command, float(step.parameters["timeout_s"]))
        work.hear(LastWords(said))
        return _id(work.inspect)

    def update(self, step: Step, work: Work) -> Container:
        update.apply(self.target, work.inspect, step.parameters)
        return _id(work.inspect)

    def restart(self, step: Step, work: Work) -> Container:
        inspect, how = work.inspect, stop_of(work.binding)
        if how.signal:
            work.journal({"restart": {"running": True}})
        with self._heard_where_it_fails(work), self._group(inspect) as followers:
            restart.apply(self.target, inspect, how, gate_of(work.binding), self.clock)
            if followers and self.following is not None:
                self.following.rejoin(inspect)
        return _id(inspect)

    def recreate(self, step: Step, work: Work) -> Container:
        # Anew: no event of a container tells of a network that it was connected to meanwhile.
        inspect = self.target.inspect(_id(work.inspect))
        with self._group(inspect) as followers, self.folders.filled(work.rendered.files) as secrets:
            wanted = replace(self._wanted(work), secrets=secrets)
            return recreate.apply(self.target, inspect, wanted, self._swap(work, followers), self.clock)

    def _swap(self, work: Work, followers: Sequence[Inspect]) -> Swap:
        binding, group = work.binding, self.following

        def journal(note: Mapping[str, Any]) -> None:
            """With what the ledger is to know of the successor, should a heal have to finish it."""
            if self.unseen.stands_in(note["recreate"].get("rebuild")):
                raise EngineRefused(NOT_WRITTEN_DOWN)
            work.journal({"recreate": {**note["recreate"], "arguments": work.rendered.arguments_digest}})

        def check() -> None:
            work.check()
            if group is not None:
                group.check_all(followers)
            elif followers:
                raise EngineRefused(f"{name_of(followers[0])} shares its namespaces and would lose them")

        def follow(gone: Succession) -> None:
            if group is not None:
                group.follow(gone, followers)

        return Swap(
            stop_of(binding),
            gate_of(binding),
            start_first=binding.start_first,
            keep_failed=binding.keep_failed,
            keep_writable=binding.keep_writable,
            check=check,
            leaving=lambda container: self._hear(work, container),
            journal=journal,
            made=group.made if group is not None else lambda container, config: None,
            follow=follow,
            rejoin=group.rejoin if group is not None else lambda leader: None,
        )

    def _group(self, inspect: Inspect) -> AbstractContextManager[list[Inspect]]:
        if self.following is not None:
            return self.following.group(inspect)
        return nullcontext(followers_of(inspect, self.target.containers("")))

    @contextmanager
    def _heard_where_it_fails(self, work: Work) -> Iterator[None]:
        try:
            yield
        except EngineRefused:
            self._hear(work, _id(work.inspect))
            raise

    def _hear(self, work: Work, container: str) -> None:
        work.hear(self.logs.last_words(container, work.entry.name, work.binding.keep_logs))

    def _wanted(self, work: Work) -> Wanted:
        inspect, rendered = work.inspect, work.rendered
        shim = bool(self.labels.get(inspect, "shim"))
        chosen = self._choose(work)
        base = chosen.base
        labels = {
            "revision": str(rendered.revision),
            "digest": rendered.target(shim=shim),
            "replaces": _id(inspect),
            "image": chosen.name,
        }
        told = {} if shim else _told(work, base)
        labels |= {"limits": ",".join(told)} if told else {}
        ours = {name: text for name, text in labels_of(inspect).items() if name.startswith(self.labels.prefix)}
        ours.pop(f"{self.labels.prefix}limits", None)
        return Wanted(
            image=chosen.name if self.target.image_id(chosen.name) == chosen.id else chosen.id,
            variables=base.variables if shim else {**base.variables, **rendered.variables, **told},
            options=overlay(base.options, rendered.options),
            arguments=rendered.arguments,
            labels={**ours, **{self.labels.prefix + name: text for name, text in labels.items()}},
            leaves=chosen.leaves,
        )

    def _choose(self, work: Work) -> _Chosen:
        """The image that the container has, which is kept when its name means another by now, or that it is due.

        Raises `EngineRefused` where the image is not there: nothing is pulled.
        """
        inspect, base = work.inspect, work.entry.base
        name, now = image_name(inspect, self.labels.get(inspect, "image")), str(inspect["Image"])
        config = self.target.image_config(now)
        present = base_on(base, inspect, name, config)
        due = load(overlay(present.options, work.rendered.options)["image"])
        found = now if due == name else base.image_id
        if due != name and "image" in work.rendered.options:
            found = self.target.image_id(due) or ""
        if not found or (found != now and self.target.image_id(found) is None):
            raise EngineRefused(
                f"run/image: there is no image {due} on this host, and none is pulled; pull it there"
            )
        if found == now:
            return _Chosen(due, now, present)
        return _Chosen(due, found, base if found == base.image_id else own_of(base), config)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """An image: its name, its id, the container's own spec with it, and the Config of the one that is left."""

    name: str
    id: str
    base: Base
    leaves: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Aides:
    """What actions work with beside the engine. Without `following` one that others follow is not recreated."""

    logs: KeptLogs | None = None
    checks: Checks | None = None
    following: Following | None = None
    folders: SecretFolders | None = None
    unseen: Unseen = field(default_factory=Unseen)


def acts_for(target: Engine, labels: Labels, clock: Clock, aides: Aides | None = None) -> Mapping[str, Act]:
    """Action name to what does it, on this target."""
    given = aides or Aides()
    logs, checks = given.logs or KeptLogs(target, clock), given.checks or Checks(target, labels, clock)
    folders = given.folders or SecretFolders(Path(HOST_FOLDER), target)
    acts = _Acts(target, labels, clock, logs, checks, folders, given.unseen, given.following)
    return {
        "files": acts.files,
        "signal": acts.signal,
        "exec": acts.execute,
        "update": acts.update,
        "restart": acts.restart,
        "recreate": acts.recreate,
    }


def _told(work: Work, base: Base) -> Mapping[str, str]:
    """The limits that the new container's program is told of: all in force, once a setting is one of them.

    One that no setting limits stays as it was started; a variable of its own, or of a setting, stays what it is.
    """
    rendered = work.rendered
    if not work.binding.variables.limits or not limits_told(rendered.options):
        return {}
    told = limits_told(overlay(base.options, rendered.options))
    return {name: text for name, text in told.items() if name not in {*base.variables, *rendered.variables}}


def _id(inspect: Inspect) -> Container:
    return Container(str(inspect["Id"]))
