"""A container engine in memory that behaves as a Docker Engine (API 1.41) does, as far as confd can see.

For tests and for trying an agent out where there is no engine. What runs in a container is a `Program`: a few
facts in place of a process. No time passes: what an engine waits for has happened when the call comes back, and
its clock counts what was done.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from confd.errors import CommandFailed, ContainerGone, EngineRefused, EngineUnavailable, TargetError
from confd.keys import Container
from confd.model import EMPTY
from confd.ports import Inspect, Replacement, TargetEvent
from confd.targets.document import (
    CPUS,
    OWN_NETWORKS,
    add_short_id,
    connect,
    digest_of,
    document_of,
    update,
    with_image,
)
from confd.targets.life import Life, Program, signal_name

__all__ = ["Image", "MemoryTarget", "Program"]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

LOOK_S = 0.02
"""How soon a stream that waits sees that it is to stop."""

Image: TypeAlias = Callable[[Inspect], Program]
"""The program that a new container of the image runs."""


class MemoryTarget:
    """See `confd.ports.Engine`. Has these images, by name, and these networks beside an engine's own."""

    def __init__(self, images: Mapping[str, Image] = EMPTY, networks: Collection[str] = ()) -> None:
        self._changed = threading.Condition()
        self._images: dict[str, Image] = {}
        self._tags: dict[str, str] = {}
        self._configs: dict[str, Mapping[str, Any]] = {}
        self._networks = OWN_NETWORKS | set(networks)
        self._volumes: set[str] = set()
        self._all: dict[str, Life] = {}
        self._told: list[TargetEvent] = []
        self._count = itertools.count(1)
        self._reachable = True
        for name, image in images.items():
            self.pull(name, image)

    # --- Target -----------------------------------------------------------------------------------------

    def engine(self) -> Mapping[str, Any]:
        with self._changed:
            self._check()
        return {
            "id": "memory",
            "name": "memory",
            "version": "20.10.24",
            "api_version": "1.41",
            "cpus": CPUS,
            "memory_bytes": 8 * 1024**3,
            "swap_limit": True,
            "pids_limit": True,
            "cgroup_version": "2",
            "warnings": [],
        }

    def containers(self, label: str) -> Sequence[Inspect]:
        name, equals, text = label.partition("=")
        with self._changed:
            self._check()
            newest_first = [made.document for made in reversed(self._all.values())]
            found = [one for one in newest_first if not label or name in one["Config"]["Labels"]]
            return copy.deepcopy([one for one in found if not equals or one["Config"]["Labels"][name] == text])

    def ids(self, since: str = "") -> Sequence[str]:
        with self._changed:
            self._check()
            found = [str(made.document["Id"]) for made in self._all.values()]
            return found[found.index(str(self._find(since).document["Id"])) + 1 :] if since else found

    def inspect(self, container: str) -> Inspect:
        with self._changed:
            return copy.deepcopy(self._find(container).document)

    def events(self, stop: threading.Event) -> Iterator[TargetEvent]:
        told, away = -1, False
        while not stop.is_set():
            with self._changed:
                if not self._reachable and not away:
                    told, away = -1, True
                    event = TargetEvent(Container(""), "away")
                elif not self._reachable or told == len(self._told):
                    self._changed.wait(LOOK_S)
                    continue
                else:
                    event = self._told[told] if told >= 0 else TargetEvent(Container(""), "resync")
                    told, away = told + 1 if told >= 0 else len(self._told), False
            yield event

    def close(self) -> None:
        """There is nothing to let go of."""

    # --- Signals, Restarts, Updates ---------------------------------------------------------------------

    def signal(self, container: str, signal: str) -> None:
        name = signal_name(signal)
        with self._changed:
            made = self._find(container)
            made.signal(name)
            self._settle(made)

    def restart(self, container: str, timeout_s: float | None) -> None:
        with self._changed:
            made = self._find(container)
            made.halt()
            self._begin(made)
            self._tell(made, "restart", EMPTY)
            self._settle(made)

    def stop(self, container: str, timeout_s: float | None) -> None:
        with self._changed:
            made = self._find(container)
            made.halt()
            self._settle(made)

    def start(self, container: str) -> None:
        with self._changed:
            made = self._find(container)
            if not made.state["Running"]:
                self._begin(made)
                self._settle(made)

    def update(self, container: str, fields: Mapping[str, Any]) -> Sequence[str]:
        with self._changed:
            made = self._find(container)
            made.document["HostConfig"] = update(made.document["HostConfig"], fields)
            self._tell(made, "update", EMPTY)
            made.take_policy()
        return ()

    # --- Replaces, Execs --------------------------------------------------------------------------------

    def create(self, replacement: Replacement) -> Container:
        with self._changed:
            self._check()
            name, body = replacement.name.removeprefix("/"), replacement.config
            image = self._image(str(body.get("Image") or ""))
            if image is None:
                raise EngineRefused(f"there is no image {body.get('Image')!r}")
            self._free(name)
            container = digest_of(f"container {next(self._count)}")
            document = document_of(container, name, image, with_image(body, self._configs[image]), self._now())
            program = self._images[image](copy.deepcopy(document))
            made = Life(document, program, self._tell, self._now)
            self._all[container] = made
            self._volumes |= {mount["Name"] for mount in document["Mounts"] if mount["Type"] == "volume"}
            self._tell(made, "create", EMPTY)
            try:
                for network, endpoint in replacement.networks.items():
                    connect(document, network, endpoint)
            except EngineRefused:
                self._drop(made)
                raise
            return Container(container)

    def rename(self, container: str, name: str) -> None:
        with self._changed:
            made, new = self._find(container), name.removeprefix("/")
            old = made.document["Name"]
            if old == f"/{new}":
                raise EngineRefused(f"{container} has the name {new} already")
            self._free(new)
            made.document["Name"] = f"/{new}"
            self._tell(made, "rename", {"oldName": old})

    def remove(self, container: str) -> None:
        with self._changed:
            try:
                made = self._find(container)
            except ContainerGone:
                return
            if made.state["Running"]:
                raise EngineRefused(f"{container} is running and cannot be removed; stop it first")
            self._drop(made)

    def logs(self, container: str, lines: int) -> str:
        try:
            with self._changed:
                return "".join(self._find(container).output[-lines:] if lines > 0 else ())
        except TargetError:
            return ""

    @contextlib.contextmanager
    def listening(self, container: str) -> Iterator[Callable[[], str]]:
        with self._changed:
            made = self._find(container)
        yield lambda: "".join(made.output) if made.document["HostConfig"]["AutoRemove"] else ""

    def changes(self, container: str) -> Sequence[str]:
        with self._changed:
            return self._find(container).program.writes

    def image_id(self, image: str) -> str | None:
        with self._changed:
            self._check()
            return self._image(image)

    def image_config(self, image: str) -> Mapping[str, Any]:
        with self._changed:
            self._check()
            return copy.deepcopy(dict(self._configs.get(self._image(image) or "", EMPTY)))

    def execute(self, container: str, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        with self._changed:
            made = self._find(container)
            if not command:
                raise EngineRefused("no command is given")
            if not made.state["Running"] or made.state["Restarting"]:
                raise EngineRefused(f"{container} is not running")
            if command[0] not in made.program.tools:
                return 126, f"{command[0]}: executable file not found in $PATH\n"
            if command[0] == "kill" and len(command) == 4:
                made.send(signal_name(command[2]))
                self._settle(made)
            result = made.program.tools[command[0]]
            if result is None:
                raise CommandFailed(f"{command[0]} took longer than {timeout_s:g} s")
            return result

    def stats(self, container: str) -> Mapping[str, Any]:
        with self._changed:
            made = self._find(container)
            return {"pids_stats": {"current": 1}} if made.state["Running"] else {}

    # --- what only this engine can ----------------------------------------------------------------------

    def pull(self, name: str, image: Image, config: Mapping[str, Any] = EMPTY) -> str:
        """Let the name stand for a new image from now on; its id. The one before is still known by its id.

        `config` is what it gives to its containers: `Env`, `Cmd`, `Entrypoint`, `User` ...
        """
        with self._changed:
            made = f"sha256:{digest_of(f'image {next(self._count)}')}"
            self._images[made], self._tags[name], self._configs[made] = image, made, config
            return made

    def volumes(self) -> frozenset[str]:
        """The names of all volumes; none is ever removed."""
        with self._changed:
            return frozenset(self._volumes)

    def set_reachable(self, reachable: bool) -> None:
        """Let every call fail, or work again; a stream of events begins anew then."""
        with self._changed:
            self._reachable = reachable
            self._changed.notify_all()

    # --- lives ------------------------------------------------------------------------------------------

    def _begin(self, made: Life) -> None:
        networks = made.document["NetworkSettings"]["Networks"]
        for name, endpoint in networks.items():
            if name not in self._networks:
                made.fail(128, f"the network {name} is not there")
            endpoint["NetworkID"] = digest_of(f"network {name}")
            add_short_id(made.document, name)
        made.begin()

    def _settle(self, made: Life) -> None:
        if made.document["HostConfig"]["AutoRemove"] and not made.state["Running"]:
            self._drop(made)

    def _drop(self, made: Life) -> None:
        del self._all[made.id]
        self._tell(made, "destroy", EMPTY)

    # --- names, time and events -------------------------------------------------------------------------

    def _check(self) -> None:
        if not self._reachable:
            raise EngineUnavailable("the container engine does not answer: it was made unreachable")

    def _find(self, container: str) -> Life:
        self._check()
        if container in self._all:
            return self._all[container]
        named = [made for made in self._all.values() if made.name == container.removeprefix("/")]
        found = named or [made for made in self._all.values() if made.id.startswith(container)]
        if len(found) != 1 or not container:
            raise ContainerGone(f"there is no container {container}")
        return found[0]

    def _free(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise EngineRefused(f"{name!r} is no name for a container; use letters, digits and any of _.-")
        if any(made.name == name for made in self._all.values()):
            raise EngineRefused(f"the name {name} is in use by another container")

    def _image(self, image: str) -> str | None:
        return image if image in self._images else self._tags.get(image)

    def _now(self) -> str:
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=next(self._count))
        return now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _tell(self, made: Life, action: str, more: Mapping[str, str]) -> None:
        config = made.document["Config"]
        about = {**config["Labels"], "image": config["Image"], "name": made.name, **more}
        self._told.append(TargetEvent(Container(made.id), action, about))
        self._changed.notify_all()
