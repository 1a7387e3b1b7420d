"""Secrets that tests plant, and the search for them wherever none may stand.

Each server of the tests has one in its store. What confctl has printed, logs, the data of agents and of etcd,
answers of the API, metrics, what an engine tells of its containers, and the arguments of processes are searched.
"""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from confd.client import Client
from confd.errors import ConfdError
from tests.support.engine import EngineProcess

__all__ = ["APP", "Canaries"]

APP = "canary"
"""The app of the secret that every server has."""

_SCOPE = f"/v1/apps/{APP}/envs/dev"
_ROUTES = (
    *("settings", "settings/token", "config", "config?format=env", "changes", "changes/1", "explain/token"),
    *("plan", "status", "diff?against=change:1", "binding"),
)
_PIECE = 1 << 22


class Canaries:
    """Those of one server. `said` is what its programs told people."""

    def __init__(self) -> None:
        self._planted: dict[str, str] = {}
        self.said: list[str] = []
        self.found: set[str] = set()

    def plant(self, app: str) -> str:
        """A text for a secret of the app that stands nowhere yet."""
        text = f"canary-{uuid.uuid4().hex}"
        self._planted[text] = app
        return text

    def look_at_engine(self, engine: EngineProcess) -> None:
        """What it tells of each container, and what arguments processes have."""
        for one in engine.client.containers(all=True):
            self._look(f"the inspect of {one['Names']}", json.dumps(engine.inspect(one["Id"])))
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = line.read_bytes()
            except OSError:
                continue  # it has ended
            if b"confctl" not in words and b"confd.cli" not in words:  # a user's own command has them
                self._look(f"the arguments of process {line.parent.name}", words)

    def look_at_api(self, client: Client) -> None:
        """What it answers about the app that has one."""
        for route in (
            *(f"{_SCOPE}/{one}" for one in _ROUTES),
            "/v1/apps",
            "/v1/hosts",
            "/metrics",
            "/openapi.json",
        ):
            path, _, query = route.partition("?")
            try:
                answer = client.call("GET", path, dict(part.split("=", 1) for part in query.split("&") if part))
            except ConfdError as error:
                self._look(f"the error of {route}", error.detail)
                continue
            self._look(f"the answer to {route}", answer.body)

    def look_at_files(self, *folders: Path) -> None:
        """Logs, and all data."""
        for file in (one for folder in folders for one in folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                for piece in _pieces(file):
                    self._look(str(file), piece)

    def check(self) -> None:
        """Fails where one was found."""
        for text in self.said:
            self._look("what confctl printed", text)
        assert not self.found, "secrets stand where they must not: " + "; ".join(sorted(self.found))

    def _look(self, where: str, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        for planted, app in self._planted.items():
            if any(one in data for one in _spellings(planted)):
                self.found.add(f"that of {app} in {where}")


def _spellings(text: str) -> Iterable[bytes]:
    """As it is, and in base64 wherever it begins in what was encoded."""
    yield text.encode()
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + text.encode())
        yield encoded[4 if before else 0 : len(encoded) // 4 * 4 - 4]


def _pieces(file: Path) -> Iterator[bytes]:
    """Its bytes; what stands across the border of two pieces is whole in one of them."""
    kept = b""
    try:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE):
                yield kept + piece
                kept = piece[-128:]
    except OSError:
        return  # it is gone
