"""Has a command agree to a file that is staged and not in its place yet: in the container, or in one of its image.

The latter is thrown away in any case: at the end of the check, or where an agent died in the middle of it before
the next one, or by `sweep`. It has the file's folder, read-only, no network, and nothing else of the container's.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from confd.actions.files import Staged
from confd.agent.locate import mount_of
from confd.agent.observe import Labels, name_of
from confd.errors import CheckFailed, CommandFailed, ContainerGone, EngineRefused
from confd.model import FileCheck
from confd.ports import Clock, Engine, Inspect, Replacement
from confd.secret import masked

__all__ = ["Checks"]

NAME = "confd-check-"
LABEL = "check"
LOOK_S = 0.05
LINES = 100
PIDS = 512
"""Processes of a check at most."""


class Checks:
    """See the module. Safe for several threads."""

    def __init__(self, target: Engine, labels: Labels, clock: Clock) -> None:
        self._target = target
        self._labels = labels
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._never = threading.Event()

    def run(self, inspect: Inspect, staged: Staged, check: FileCheck) -> None:
        """Raises `CheckFailed` with what the command said, without the secrets in the file."""
        command = [word.replace("{file}", staged.inside) for word in check.command]
        in_image = check.in_image or not (inspect.get("State") or {}).get("Running")
        try:
            if in_image:
                code, output = self._in_image(inspect, staged.file.path, command, check.timeout_s)
            else:
                code, output = self._target.execute(str(inspect["Id"]), command, check.timeout_s)
        except CommandFailed as error:
            raise _failed(staged, error.detail, error.log) from error
        if code != 0:
            raise _failed(staged, f"{check.command[0]} ended with {code}", output)

    def sweep(self) -> None:
        """Remove what an agent that died has left of its checks. Raises what the engine says."""
        for one in self._target.containers(self._labels.prefix + LABEL):
            with self._lock:
                running = name_of(one) in self._running
            if name_of(one).startswith(NAME) and not running:
                self._remove(str(one["Id"]))

    def _in_image(self, inspect: Inspect, path: str, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        name = NAME + str(inspect["Id"])[:12]
        with self._lock:
            self._running.add(name)
        try:
            self._remove(name)
            container = self._target.create(Replacement(name, self._body(inspect, path, command), {}))
            try:
                return self._outcome(container, command[0], timeout_s)
            finally:
                self._remove(container)
        finally:
            with self._lock:
                self._running.discard(name)

    def _outcome(self, container: str, word: str, timeout_s: float) -> tuple[int, str]:
        try:
            self._target.start(container)
        except EngineRefused as error:
            raise CommandFailed(f"{word} cannot be run: {error.detail}") from error
        until = self._clock.now() + timeout_s
        while True:
            state = self._target.inspect(container)["State"]
            if not state.get("Running"):
                return int(state.get("ExitCode") or 0), self._target.logs(container, LINES)
            if self._clock.now() >= until:
                detail = f"{word} took longer than {timeout_s:g} s"
                raise CommandFailed(detail, log=self._target.logs(container, LINES))
            self._clock.wait(self._never, LOOK_S)

    def _body(self, inspect: Inspect, path: str, command: Sequence[str]) -> Mapping[str, Any]:
        config, host = inspect["Config"], inspect["HostConfig"]
        mount = mount_of(inspect, path) or {}
        folder = str(mount.get("Destination"))
        source = mount.get("Name") if mount.get("Type") == "volume" else mount.get("Source")
        volumes = self._target.image_config(str(inspect["Image"])).get("Volumes") or {}
        return {
            "Image": inspect["Image"],
            "Entrypoint": list(command),
            "Cmd": [],
            "Env": list(config.get("Env") or ()),
            "User": config.get("User") or "",
            "WorkingDir": config.get("WorkingDir") or "",
            "Healthcheck": {"Test": ["NONE"]},
            # The image's own labels are none of it: it is nobody's app.
            "Labels": {self._labels.prefix + LABEL: str(inspect["Id"]), self._labels.prefix + "app": ""},
            "HostConfig": {
                "NetworkMode": "none",
                "Mounts": [{"Type": mount.get("Type"), "Source": source, "Target": folder, "ReadOnly": True}],
                "Tmpfs": {volume: "" for volume in volumes if volume != folder},
                "Memory": host.get("Memory") or 0,
                "PidsLimit": PIDS,
                "SecurityOpt": ["no-new-privileges"],
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
                "RestartPolicy": {"Name": "no"},
            },
        }

    def _remove(self, container: str) -> None:
        """Gone when this returns, whether it ran or not."""
        with suppress(ContainerGone):
            with suppress(EngineRefused):
                self._target.stop(container, 0)
            self._target.remove(container)


def _failed(staged: Staged, why: str, output: str) -> CheckFailed:
    said = masked(output.strip(), staged.file.secrets)
    last = said.rpartition("\n")[2][:200]
    words = f", its last words: {last}" if last else ""
    return CheckFailed(f"{staged.file.path} was not replaced: its check {why}{words}", log=said)
