"""A private Docker Engine for the tests' session, in a network namespace of its own, and an image."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
import requests

from tests.support.wait import until

__all__ = ["IMAGE", "EngineProcess", "engine", "engine_process"]

IMAGE = "confd-test:1"
APPLETS = ("sh", "sleep", "cat", "kill", "env", "echo", "nc", "true", "test")
_HOW = "is missing: `apt-get install docker.io iptables iproute2 busybox-static`, or `scripts/need.sh docker`"


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} {_HOW}")
    return found


def _image_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(_program("busybox"), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return out.getvalue()


class EngineProcess:
    """dockerd under a folder of its own; nothing of another engine is touched."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._namespace = f"confd-{uuid.uuid4().hex[:8]}"
        self._process: subprocess.Popen[bytes] | None = None
        self.docker_host = f"unix://{folder}/docker.sock"
        self.client = self._connect()

    def _connect(self) -> docker.APIClient:
        return docker.APIClient(base_url=self.docker_host, version="1.41", timeout=30)

    def start(self) -> None:
        ip, enter, program = _program("ip"), _program("nsenter"), _program("dockerd")
        if self._process is None:
            subprocess.run([ip, "netns", "add", self._namespace], check=True)
            subprocess.run([ip, "-n", self._namespace, "link", "set", "lo", "up"], check=True)
        folders = ["--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec"]
        more = ["--pidfile", f"{self._folder}/pid", "-H", self.docker_host]
        command = [enter, f"--net=/var/run/netns/{self._namespace}", program, *folders, *more]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        until(self._answers, 30)

    def make_image(self, tag: str = "1", *changes: str) -> str:
        """An image of busybox; `changes` are a Dockerfile's ENV, CMD, ENTRYPOINT ... Its name."""
        data = _image_tar()
        self.client.import_image_from_data(data, repository="confd-test", tag=tag, changes=list(changes))
        return f"confd-test:{tag}"

    def stop(self) -> None:
        self.clear()
        self.client.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
        subprocess.run([_program("umount"), "-R", f"{self._folder}/data"], check=False, stderr=subprocess.DEVNULL)
        subprocess.run([_program("ip"), "netns", "delete", self._namespace], check=False)

    def halt(self) -> None:
        """The engine ends and its containers with it, as when its service is restarted."""
        assert self._process is not None
        self.client.close()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
        self.client = self._connect()

    def crash(self) -> None:
        """The engine and what runs below it end at once, as by `kill -9`, and it is started again."""
        assert self._process is not None
        self.client.close()
        below = self._folder / "exec" / "containerd" / "containerd.pid"
        number = int(below.read_text())
        self._process.kill()
        self._process.wait(30)
        os.kill(number, signal.SIGKILL)
        below.unlink()  # else its number is looked up, and found while nobody has waited for it
        (self._folder / "pid").unlink(missing_ok=True)
        self.client = self._connect()
        self.start()

    def clear(self) -> None:
        """Remove every container, and the networks that tests made. One that a test has left ended is started."""
        if self._process is not None and self._process.poll() is not None:
            self.start()
        client = self.client
        for one in client.containers(all=True):
            self.remove(one["Id"])
        for network in client.networks():
            if network["Name"] not in ("bridge", "host", "none"):
                client.remove_network(network["Id"])

    def remove(self, container: str) -> None:
        """Kill and remove it with its anonymous volumes, as `docker rm -f -v` until that succeeds.

        The engine removes a container's folder while another call may be writing into it, and then answers 500.
        """

        def gone() -> bool:
            try:
                self.client.remove_container(container, force=True, v=True)
            except docker.errors.NotFound:
                return True
            except docker.errors.APIError as error:
                return "already in progress" in str(error)  # also where the engine never comes to an end of it
            return True

        until(gone, 30)

    def run(self, name: str, command: Sequence[str], **more: Any) -> str:
        """Start a container; `labels`, `environment`, `host` (HostConfig) and create fields. Its id."""
        host: Mapping[str, Any] = more.pop("host", {})
        labels: Mapping[str, str] = more.pop("labels", {})
        body = {"Image": IMAGE, "Cmd": list(command), "Labels": dict(labels), **more, "HostConfig": dict(host)}
        answer = self.client.post(
            f"http+docker://localhost/v1.41/containers/create?name={name}", json=body, timeout=30
        )
        assert answer.status_code == 201, answer.text
        made = str(answer.json()["Id"])
        self.client.start(made)
        return made

    def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.inspect_container(container)
        return found

    def names(self, *, running: bool = False) -> list[str]:
        """The names of all containers, or of those that run; without those that the engine is removing."""
        found = self.client.containers(all=not running)
        return sorted(
            one["Names"][0].lstrip("/")
            for one in found
            if one["Names"] and one["State"] not in ("removing", "dead")
        )

    def variables(self, container: str) -> dict[str, str]:
        pairs = (item.partition("=") for item in self.inspect(container)["Config"]["Env"] or ())
        return {name: value for name, _, value in pairs}

    def environ(self, container: str) -> list[str]:
        """The environment of its main process, entry by entry."""
        pid = self.inspect(container)["State"]["Pid"]
        return Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")

    def has(self, container: str, variable: str, value: str) -> bool:
        """Whether the variable is so; no while the name is on its way from an old container to its successor."""
        try:
            return self.variables(container).get(variable) == value
        except docker.errors.NotFound:
            return False

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._folder / "docker.sock"))
            return bool(self.client.ping())
        except (OSError, requests.RequestException, docker.errors.DockerException):
            return False


@pytest.fixture(scope="session")
def engine_process() -> Iterator[EngineProcess]:
    """The session's engine. Its folder's path is short: a unix socket's may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="confd-engine-"))
    process = EngineProcess(folder)
    process.start()
    process.make_image()
    yield process
    process.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def engine(engine_process: EngineProcess) -> Iterator[EngineProcess]:
    """The session's engine, emptied after the test."""
    yield engine_process
    engine_process.clear()
