"""The containers on this host, inspected once and again only after something happened to them.

Those without our label are known too: one of them may live in the namespaces of one that has it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path

from confd.actions.fidelity import followers_of
from confd.agent.observe import Labels, labels_of
from confd.errors import ConfdError, ContainerGone, Malformed
from confd.keys import DEFAULT, App, Container, Env, parse_app, parse_env
from confd.ports import Inspect, Target, TargetEvent

__all__ = ["Inventory", "Place", "own_container"]

Place = tuple[Env, App]
"""What is reconciled as one: an app in an env."""

_QUIET = ("exec_", "attach", "detach", "resize", "top", "kill", "copy", "export", "health_status")
"""Events that change nothing of what is observed."""


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


class Inventory:
    """See the module. `own` is the container that the agent itself runs in, if it does."""

    def __init__(self, target: Target, env: Env, labels: Labels, own: str | None = None) -> None:
        self._target = target
        self._env = env
        self._labels = labels
        self.own = own
        self._lock = threading.Lock()
        self._inspects: dict[str, Inspect] = {}
        self._stale: set[str] = set()

    def refresh(self) -> None:
        """List and inspect all. Raises `EngineUnavailable`; what was known then stays."""
        listed = self._target.containers("")
        with self._lock:
            self._inspects = {str(one["Id"]): one for one in listed}
            self._stale.clear()

    def saw(self, event: TargetEvent) -> Place | None:
        """Take note of an event; the place it concerns. `resync` is for `refresh`."""
        container = str(event.container)
        if event.action.startswith(_QUIET):
            return None
        with self._lock:
            known = self._inspects.get(container)
            place = self._place(event.labels) or (self.place(known) if known is not None else None)
            if event.action == "destroy":
                self._inspects.pop(container, None)
                self._stale.discard(container)
                return place or self._followed(known)
            self._stale.add(container)
        return place

    def touched(self, container: str) -> None:
        """Something was done to the container: look again before the next plan."""
        with self._lock:
            self._stale.add(container)

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

    def _followed(self, follower: Inspect | None) -> Place | None:
        """The place that a container kept from being recreated, now that it is gone."""
        leaders = self._inspects.values() if follower is not None else ()
        return next((self.place(one) for one in leaders if followers_of(one, [follower or {}])), None)

    def place(self, inspect: Inspect) -> Place | None:
        """Which app in which env a container's labels say it is; None where they are outside the grammar."""
        return self._place(labels_of(inspect))

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
        while True:
            with self._lock:
                if not self._stale:
                    return
                container = self._stale.pop()  # before the look: what happens meanwhile marks it again
            try:
                found: Inspect | None = self._target.inspect(container)
            except ContainerGone:
                found = None
            except ConfdError:
                self.touched(container)
                raise
            with self._lock:
                if found is None:
                    self._inspects.pop(container, None)
                else:
                    self._inspects[container] = found
