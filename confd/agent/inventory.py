"""The containers on this host, inspected once and again only after something happened to them.

Those without our label are known too: one of them may live in the namespaces of one that has it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from confd.actions.followers import followers_of
from confd.agent.base import image_name
from confd.agent.looks import Looks
from confd.agent.observe import Labels, labels_of, name_of
from confd.errors import ConfdError, ContainerGone, Malformed
from confd.keys import DEFAULT, App, Container, Env, parse_app, parse_env
from confd.model import Select
from confd.ports import Inspect, Replaces, Target, TargetEvent
from confd.selection import Candidate, apps_of

__all__ = ["Inventory", "Place", "own_container"]

Place = tuple[Env, App]
"""What is reconciled as one: an app in an env."""

_QUIET = ("exec_", "attach", "detach", "resize", "top", "kill", "copy", "export")
"""Events that change nothing of what is observed."""

_REMEMBERED = 256
"""So many containers that are gone are known until the engine tells of it."""


def own_container(mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The id of the container that this process runs in, or None."""
    try:
        lines = mountinfo.read_text("utf-8").splitlines()
    except OSError:
        return None
    for fields in (line.split() for line in lines):
        found = re.search(r"/containers/([0-9a-f]{64})/hostname$", fields[3]) if len(fields) > 4 else None
        if found and fields[4] == "/etc/hostname":
            return found[1]
    return None


class _Able(Target, Replaces, Protocol):
    pass


class Inventory:
    """See the module. Each image is asked for once, and what its name means once in each listing of all.

    `own` is the container that the agent itself runs in, if it does.
    """

    def __init__(self, target: _Able, env: Env, labels: Labels, own: str | None = None) -> None:
        self._target = target
        self._env = env
        self._labels = labels
        self.own = own
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._inspects: dict[str, Inspect] = {}
        self._gone: dict[str, Inspect] = {}
        self._looks = Looks()
        self._means: dict[str, str | None] = {}
        self._selects: Mapping[Env, Mapping[App, Select]] = {}

    def refresh(self) -> None:
        """List and inspect all. Raises `EngineUnavailable`; what was known then stays."""
        with self._lock:
            began = self._looks.begin()
        listed = {str(one["Id"]): one for one in self._target.containers("")}
        with self._lock:
            for container, inspect in listed.items():
                if self._looks.take(container, began):
                    self._inspects[container] = inspect
            for container in (self._inspects.keys() | self._looks.stale()) - listed.keys():
                if self._looks.take(container, began):
                    self._drop(container)
            self._looks.forget(self._inspects, began)
            self._means.clear()

    def choose(self, selects: Mapping[Env, Mapping[App, Select]]) -> None:
        """Let bindings choose those of the containers that do not say themselves whose they are."""
        with self._lock:
            self._selects = selects

    def is_chosen(self, inspect: Inspect) -> bool:
        """Whether a binding chooses the container, and not its own label."""
        return not labels_of(inspect).get(self._labels.prefix + "app")

    def conflicts(self) -> list[tuple[str, Env, list[App]]]:
        """Containers that the bindings of several apps choose, which belong to none of them therefore."""
        with self._lock:
            found = [(name_of(one), *self._chosen(one)) for one in self._inspects.values() if self.is_chosen(one)]
        return sorted((name, env, apps) for name, env, apps in found if env is not None and len(apps) > 1)

    def saw(self, event: TargetEvent) -> Place | None:
        """Take note of an event; the place it concerns. `resync` is for `refresh`.

        Raises what the engine says where a container that no label tells of has to be looked at.
        """
        container = str(event.container)
        if event.action.startswith(_QUIET):
            return None
        with self._lock:
            known = self._inspects.get(container) or self._gone.get(container)
            place = self._place(event.labels) or (self.place(known) if known is not None else None)
            if event.action == "destroy":
                self._inspects.pop(container, None)
                self._gone.pop(container, None)
                self._looks.end(container)
                return place or self._followed(known)
            self._looks.change(container)
            chosen = bool(self._selects)
        if place is None and chosen:
            self._look_again()
            with self._lock:
                place = self.place(self._inspects[container]) if container in self._inspects else None
        return place

    def named(self, name: str) -> Inspect | None:
        """The container of this name as it is now; None where there is none."""
        self._look_again()
        with self._lock:
            return next((one for one in self._inspects.values() if name_of(one) == name), None)

    def touched(self, container: str) -> None:
        """Something was done to the container: look again before the next plan, and at what names mean by now."""
        with self._lock:
            self._looks.change(container)
            self._means.clear()

    def of(self, place: Place) -> list[Inspect]:
        """The containers of an app in an env, as they are now; in order of their names.

        One that was created and is about to be started is not among them yet: its start tells of it again.
        """
        self._look_again()
        with self._lock:
            found = [
                one for one in self._inspects.values() if self.place(one) == place and not self._is_starting(one)
            ]
        return sorted(found, key=lambda one: (str(one["Name"]), str(one["Id"])))

    def now(self, container: Container) -> Inspect:
        """One container as it is now. Raises `ContainerGone`."""
        with self._lock:
            known = self._inspects.get(container)
            if known is not None and not self._looks.is_stale(container):
                return known
            began = self._looks.begin()
        try:
            found = self._target.inspect(container)
        except ConfdError:
            self.touched(container)
            raise
        with self._lock:
            if self._looks.take(container, began):
                self._inspects[container] = found
        return found

    def image_config(self, image: str) -> Mapping[str, Any]:
        """What an image gives to its containers, by its id, which means the same for ever."""
        return self._target.image_config(image)

    def meaning(self, name: str) -> str | None:
        """The id of the image that the name meant at the last listing or action, or None."""
        with self._lock:
            if name in self._means:
                return self._means[name]
        found = self._target.image_id(name)
        with self._lock:
            self._means[name] = found
        return found

    def all(self) -> list[Inspect]:
        """Every container of the host."""
        with self._lock:
            return list(self._inspects.values())

    def places(self) -> set[Place]:
        """Every app in an env that has a container here."""
        with self._lock:
            found = {self.place(one) for one in self._inspects.values()}
        return {place for place in found if place is not None}

    def ids(self) -> set[Container]:
        with self._lock:
            return {Container(one) for one in self._inspects}

    def has(self, container: Container) -> bool:
        """Whether the container is here; of one that may have been made just now, the engine is asked."""
        if container in self.ids():
            return True
        try:
            self._target.inspect(container)
        except ContainerGone:
            return False
        return True

    def _followed(self, follower: Inspect | None) -> Place | None:
        """The place that a container kept from being recreated, now that it is gone."""
        leaders = self._inspects.values() if follower is not None else ()
        return next((self.place(one) for one in leaders if followers_of(one, [follower or {}])), None)

    def place(self, inspect: Inspect) -> Place | None:
        """Which app in which env a container is: what its labels say, else what one binding alone chooses.

        None where it is nobody's, and where the labels are outside the grammar.
        """
        if not self.is_chosen(inspect) or not self._selects:
            return self._place(labels_of(inspect))
        env, apps = self._chosen(inspect)
        return (env, apps[0]) if env is not None and len(apps) == 1 else None

    def _chosen(self, inspect: Inspect) -> tuple[Env | None, list[App]]:
        """The env of a container, and the apps whose bindings there choose it."""
        labels = labels_of(inspect)
        if self._labels.get(inspect, "check"):  # it is gone in a moment
            return None, []
        try:
            env = parse_env(labels.get(self._labels.prefix + "env") or self._env)
        except Malformed:
            return None, []
        image = image_name(inspect, self._labels.get(inspect, "image"))
        return env, apps_of(self._selects.get(env, {}), Candidate(name_of(inspect), image, labels))

    def _is_starting(self, inspect: Inspect) -> bool:
        """Between somebody's create and start calls; a successor that we made of a stopped one is complete."""
        created = (inspect.get("State") or {}).get("Status") == "created"
        return created and not self._labels.get(inspect, "replaces")

    def _place(self, labels: Mapping[str, str]) -> Place | None:
        try:
            app = parse_app(labels.get(self._labels.prefix + "app") or "")
            env = parse_env(labels.get(self._labels.prefix + "env") or self._env)
        except Malformed:
            return None
        return None if DEFAULT in (env, app) else (env, app)

    def _look_again(self) -> None:
        """Look at all that has changed. Whoever comes while another looks waits: it would see what was before."""
        with self._looking:
            while (look := self._next_look()) is not None:
                container, began = look
                try:
                    found: Inspect | None = self._target.inspect(container)
                except ContainerGone:
                    found = None
                with self._lock:
                    if not self._looks.take(container, began):
                        continue
                    if found is None:
                        self._drop(container)
                    else:
                        self._inspects[container] = found

    def _next_look(self) -> tuple[str, int] | None:
        """A container that has changed, and its look; what happens to it during that is for another."""
        with self._lock:
            container = min(self._looks.stale(), default=None)
            return (container, self._looks.begin()) if container is not None else None

    def _drop(self, container: str) -> None:
        """It is gone or being removed, and its destroy event is still to come: that tells whom it kept waiting."""
        known = self._inspects.pop(container, None)
        if known is not None:
            self._gone[container] = known
            if len(self._gone) > _REMEMBERED:
                del self._gone[next(iter(self._gone))]
