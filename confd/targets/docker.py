"""A Docker Engine as a target: sends what it is told and translates what comes back; decides nothing."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import docker.errors
import requests
import urllib3.exceptions
from docker.types.daemon import CancellableStream

from confd.errors import CommandFailed, ContainerGone, EngineRefused, EngineUnavailable, TargetError
from confd.hostprocess import end_tree
from confd.keys import Container
from confd.ports import Heard, Inspect, Replacement, TargetEvent
from confd.targets.listening import heard
from confd.targets.output import end_of
from confd.targets.wire import ENDLESS, Call, Wire, named

__all__ = ["DockerTarget"]

GRACE_S = 10.0
"""What the engine itself grants a container to stop that says nothing else."""

SLOW_S = 60.0
"""For calls in which the engine works: create, start, stop, remove."""

LOGS_S = 3.0
LOGS_BYTES = 8 * 1024 * 1024
"""Reading logs takes no longer and gives no more: they are read between two steps of an action."""

OUTPUT_BYTES = 64 * 1024
"""What is kept of a command's output."""

STATS_S = 5.0
"""An engine answers with its next sample, once a second."""

PAUSE_S = 1.0

_CONTAINER_EVENTS = {"filters": json.dumps({"type": ["container"]})}
_TOLD = (
    "create",
    "start",
    "die",
    "stop",
    "destroy",
    "rename",
    "update",
    "pause",
    "unpause",
    "oom",
    "restart",
    "health_status",
)
"""Events that are told: the others change nothing that an inspect shows."""

CONFIGS = 256
"""Of so many images what they give is remembered."""


class DockerTarget:
    """The containers of one Docker Engine, through its API 1.41 or later.

    See `confd.ports.Engine`. Connects at the first call; safe for several threads.
    """

    def __init__(
        self, docker_host: str | None = None, timeout_s: float = 10.0, heard: Heard = lambda about, result: None
    ) -> None:
        self._wire = Wire(docker_host, timeout_s, heard)
        self._configs: dict[str, Mapping[str, Any]] = {}

    # --- Target -----------------------------------------------------------------------------------------

    def engine(self) -> Mapping[str, Any]:
        info, version = self._get("/info"), self._get("/version")
        return {
            "id": str(info.get("ID") or ""),
            "name": str(info.get("Name") or ""),
            "version": str(version.get("Version") or ""),
            "api_version": str(version.get("ApiVersion") or ""),
            "cpus": int(info.get("NCPU") or 0),
            "memory_bytes": int(info.get("MemTotal") or 0),
            "swap_limit": bool(info.get("SwapLimit")),
            "pids_limit": bool(info.get("PidsLimit")),
            "cgroup_version": str(info.get("CgroupVersion") or "1"),
            "warnings": list(info.get("Warnings") or ()),
        }

    def containers(self, label: str) -> Sequence[Inspect]:
        query = {"all": "1"}
        if label:
            query["filters"] = json.dumps({"label": [label]})
        found: list[Inspect] = []
        for summary in self._get("/containers/json", query):
            with contextlib.suppress(ContainerGone):
                found.append(self.inspect(str(summary["Id"])))
        return found

    def ids(self, since: str = "") -> Sequence[str]:
        query = {"all": "1"}
        if since:
            query["filters"] = json.dumps({"since": [since]})
        try:
            return [str(summary["Id"]) for summary in self._get("/containers/json", query)]
        except EngineRefused as error:
            raise ContainerGone(error.detail) if since else error from None

    def inspect(self, container: str) -> Inspect:
        inspect: Inspect = self._get(named("/containers/{}/json", container))
        if inspect["State"].get("Status") == "removing":  # its processes are killed first: it did not end by itself
            raise ContainerGone(f"{container} is being removed")
        return inspect

    def events(self, stop: threading.Event) -> Iterator[TargetEvent]:
        """The stream is open before `resync` is told, so that nothing falls between it and a listing."""
        while not stop.is_set():
            try:
                response = self._wire.send(Call("GET", "/events", _CONTAINER_EVENTS, wait_s=ENDLESS, stream=True))
            except TargetError:
                yield TargetEvent(Container(""), "away")
                stop.wait(PAUSE_S)
                continue
            yield TargetEvent(Container(""), "resync")
            yield from _told(response, stop)
            stop.wait(PAUSE_S / 10)

    def close(self) -> None:
        self._wire.close()

    # --- Signals, Restarts, Updates ---------------------------------------------------------------------

    def signal(self, container: str, signal: str) -> None:
        self._wire.send(Call("POST", named("/containers/{}/kill", container), {"signal": signal}))

    def restart(self, container: str, timeout_s: float | None) -> None:
        self._stopping("/containers/{}/restart", container, timeout_s)

    def stop(self, container: str, timeout_s: float | None) -> None:
        self._stopping("/containers/{}/stop", container, timeout_s)

    def start(self, container: str) -> None:
        self._wire.send(Call("POST", named("/containers/{}/start", container), wait_s=SLOW_S))

    def update(self, container: str, fields: Mapping[str, Any]) -> Sequence[str]:
        answer = self._wire.json(Call("POST", named("/containers/{}/update", container), body=fields))
        return tuple(str(warning) for warning in answer.get("Warnings") or ())

    # --- Replaces, Execs --------------------------------------------------------------------------------

    def create(self, replacement: Replacement) -> Container:
        query = {"name": replacement.name}
        call = Call("POST", "/containers/create", query, replacement.config, wait_s=SLOW_S)
        with self._name_free(replacement.name):
            container = Container(str(self._wire.json(call)["Id"]))
        try:
            for network, endpoint in replacement.networks.items():
                body = {"Container": container, "EndpointConfig": dict(endpoint)}
                self._wire.send(Call("POST", named("/networks/{}/connect", network), body=body))
        except TargetError:
            self.remove(container)
            raise
        return container

    def rename(self, container: str, name: str) -> None:
        with self._name_free(name):
            self._wire.send(Call("POST", named("/containers/{}/rename", container), {"name": name}))

    def remove(self, container: str) -> None:
        """Gone when this returns, and its name free, also where somebody else is removing it."""
        with contextlib.suppress(ContainerGone):
            try:
                self._wire.send(Call("DELETE", named("/containers/{}", container), {"v": "0"}, wait_s=SLOW_S))
                return
            except EngineRefused as error:
                if (
                    "unable to remove filesystem" in error.detail
                ):  # it was being written meanwhile: dead, not yet gone
                    raise EngineUnavailable(error.detail) from error
                if "already in progress" not in error.detail:
                    raise
        with contextlib.suppress(ContainerGone):
            path = named("/containers/{}/wait", container)
            self._wire.send(Call("POST", path, {"condition": "removed"}, wait_s=SLOW_S))

    @contextlib.contextmanager
    def _name_free(self, name: str) -> Iterator[None]:
        """A name refused only because the one that has it is being removed is free in a moment: try again then."""
        try:
            yield
        except EngineRefused as error:
            if "is already in use by container" in error.detail and self._is_removing(name):
                raise EngineUnavailable(f"the container that has the name {name} is being removed") from error
            raise

    def _is_removing(self, container: str) -> bool:
        try:
            return bool(self._get(named("/containers/{}/json", container))["State"].get("Status") == "removing")
        except ContainerGone:
            return False

    def logs(self, container: str, lines: int) -> str:
        query = {"stdout": "1", "stderr": "1", "tail": str(lines)}
        call = Call("GET", named("/containers/{}/logs", container), query, wait_s=LOGS_S, stream=True)
        try:
            response = self._wire.send(call)
        except TargetError:  # gone, or a log driver that cannot be read
            return ""
        with response:
            return end_of(_until(response, time.monotonic() + LOGS_S), LOGS_BYTES)

    @contextlib.contextmanager
    def listening(self, container: str) -> Iterator[Callable[[], str]]:
        if not self.inspect(container)["HostConfig"].get("AutoRemove"):
            yield str
            return
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        path = named("/containers/{}/attach", container)
        response = self._wire.send(Call("POST", path, query, wait_s=ENDLESS, stream=True))
        with heard(response, LOGS_BYTES, LOGS_S) as words:
            yield words

    def changes(self, container: str) -> Sequence[str]:
        found = self._wire.json(Call("GET", named("/containers/{}/changes", container), wait_s=SLOW_S))
        return tuple(str(one["Path"]) for one in found or ())

    def image_id(self, image: str) -> str | None:
        try:
            return str(self._get(named("/images/{}/json", image))["Id"])
        except EngineRefused:
            return None

    def image_config(self, image: str) -> Mapping[str, Any]:
        known = self._configs.get(image)
        if known is not None:
            return known
        try:
            config: Mapping[str, Any] = self._get(named("/images/{}/json", image)).get("Config") or {}
        except EngineRefused:
            return {}
        if image.startswith("sha256:"):  # an id means the same for ever
            if len(self._configs) >= CONFIGS:
                self._configs.clear()
            self._configs[image] = config
        return config

    def execute(self, container: str, command: Sequence[str], timeout_s: float) -> tuple[int, str]:
        body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True}
        made = str(self._wire.json(Call("POST", named("/containers/{}/exec", container), body=body))["Id"])
        path, until = f"/exec/{made}", time.monotonic() + timeout_s
        begin = Call("POST", f"{path}/start", body={"Detach": False, "Tty": False}, wait_s=timeout_s, stream=True)
        try:
            with self._wire.send(begin) as response:
                output = end_of(_until(response, until), OUTPUT_BYTES)
        except EngineRefused as error:
            if "executable file not found" in error.detail or "no such file" in error.detail:
                return 127, error.detail
            raise
        made_of = self._get(f"{path}/json")
        if made_of.get("Running") and time.monotonic() >= until:
            end_tree(str(made_of["ContainerID"]), int(made_of.get("Pid") or 0))
            raise CommandFailed(f"{command[0]} took longer than {timeout_s:g} s", log=output)
        code = made_of.get("ExitCode")
        return (126 if code is None else int(code)), output

    # --- Measures ---------------------------------------------------------------------------------------

    def stats(self, container: str) -> Mapping[str, Any]:
        query = {"stream": "false", "one-shot": "true"}
        call = Call("GET", named("/containers/{}/stats", container), query, wait_s=STATS_S)
        found: Mapping[str, Any] = self._wire.json(call)
        return found if (found.get("pids_stats") or {}).get("current") else {}

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._wire.json(Call("GET", path, query or {}))

    def _stopping(self, path: str, container: str, timeout_s: float | None) -> None:
        """Without a timeout the container's own holds; the answer comes only when it has stopped."""
        if timeout_s is None:
            own = self.inspect(container)["Config"].get("StopTimeout")
            grace_s, query = (GRACE_S if own is None else float(own)), dict[str, str]()
        else:
            grace_s, query = timeout_s, {"t": str(round(timeout_s))}
        self._wire.send(Call("POST", named(path, container), query, wait_s=SLOW_S + max(grace_s, 0.0)))


def _until(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """What comes of an answer's body until then."""
    try:
        for chunk in response.iter_content(64 * 1024):
            yield chunk
            if time.monotonic() > deadline:
                return
    except (requests.RequestException, urllib3.exceptions.HTTPError):
        return


def _told(response: requests.Response, stop: threading.Event) -> Iterator[TargetEvent]:
    """The events of one stream until it ends or `stop` is set; a second thread cuts it off then."""
    over = threading.Event()
    stream: CancellableStream[bytes] = CancellableStream(response.iter_lines(), response)

    def cut_off() -> None:
        while not over.wait(0.2):
            if stop.is_set():
                _cut(stream)
                return

    guard = threading.Thread(target=cut_off, name="events-stop", daemon=True)
    guard.start()
    try:
        for line in _lines(stream):
            event = _event(line)
            if event is not None:
                yield event
    finally:
        over.set()
        guard.join()
        response.close()


def _cut(stream: CancellableStream[bytes]) -> None:
    try:
        stream.close()
    except (OSError, AttributeError, docker.errors.DockerException):
        return  # it has ended by itself meanwhile


def _lines(stream: CancellableStream[bytes]) -> Iterator[bytes]:
    try:
        yield from stream
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, AttributeError):
        return  # any end of the stream is a reconnect


def _event(line: bytes) -> TargetEvent | None:
    try:
        event = json.loads(line)
        action = str(event["Action"]).partition(":")[0]
        actor = event["Actor"]
        container = Container(str(actor["ID"]))
    except (ValueError, KeyError, TypeError):
        return None
    if action not in _TOLD:
        return None
    return TargetEvent(container, action, {str(k): str(v) for k, v in (actor.get("Attributes") or {}).items()})
