"""A new container with its secrets, and what may not be written down of one that would have to come back."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from confd.agent.apply import Work
from confd.agent.base import base_of
from confd.agent.observe import Labels
from confd.agent.perform import Aides, acts_for
from confd.agent.secretfolders import SecretFolders
from confd.agent.unseen import Unseen
from confd.clock import SystemClock
from confd.entries import LedgerEntry
from confd.errors import EngineRefused
from confd.keys import App, Env, Key, Layer
from confd.model import Binding, Entry, Reach, Reason, Rendered, Secrets, Snapshot, Step
from confd.ports import Inspect, Replacement
from confd.render import render
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.secretfiles import FOLDER, folder_of
from confd.targets.memory import MemoryTarget, Program

DEV, WEB = Env("dev"), App("web")
QUICK = Binding(monitor_s=0.0)
RECREATE = Step("recreate", Reach.NEW_CONTAINER, ())
FILES = Step("files", Reach.IN_PLACE, (Reason(Key("db"), f"file {FOLDER}/db"),))


def due(text: str, binding: Binding = QUICK) -> Rendered:
    resolved = resolve(Snapshot(7, {Layer(DEV, WEB): {"db": Entry("db", json.dumps(text), 5)}}), DEV, WEB)
    settings = {Key("db"): replace(resolved.settings[Key("db")], secret=True)}
    return render(replace(resolved, settings=settings), binding, DigestKey(b"k" * 32))


class Agent:
    """What performs steps on a container, below a folder in memory; `noted` is what it wrote into its journal."""

    def __init__(self, root: Path) -> None:
        self.target = MemoryTarget({"app:1": lambda inspect: Program()})
        self.folders = SecretFolders(root, self.target)
        self.unseen = Unseen()
        self.noted: list[Mapping[str, Any]] = []
        aides = Aides(folders=self.folders, unseen=self.unseen)
        self._acts = acts_for(self.target, Labels(), SystemClock(), aides)

    def run(self, *variables: str, **host: Any) -> Inspect:
        body = {"Image": "app:1", "Cmd": ["run"], "Env": list(variables), "Labels": {}, "HostConfig": host}
        container = self.target.create(Replacement("web", body, {}))
        self.target.start(container)
        return self.target.inspect(container)

    def perform(self, step: Step, inspect: Inspect, rendered: Rendered, binding: Binding = QUICK) -> Inspect:
        entry = LedgerEntry("web", WEB, DEV, base_of(inspect, {}))
        self.unseen.note((DEV, WEB), rendered.hidden)
        work = Work(inspect, entry, rendered, binding, journal=self.noted.append)
        return self.target.inspect(self._acts[step.action](step, work))


@pytest.fixture
def agent() -> Iterator[Agent]:
    folder = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="confd-"))
    yield Agent(folder / "secrets")
    shutil.rmtree(folder)


def test_each_new_container_has_a_folder_of_its_own_and_a_later_value_is_written_into_that(agent: Agent) -> None:
    first = agent.perform(RECREATE, agent.run(), due("first-value"))
    assert (Path(folder_of(first)) / "db").read_text() == "first-value"
    assert f"db_FILE={FOLDER}/db" in first["Config"]["Env"]
    again = agent.perform(FILES, first, due("second-value"))
    assert (again["Id"], (Path(folder_of(first)) / "db").read_text()) == (first["Id"], "second-value")
    second = agent.perform(RECREATE, first, due("third-value"))
    assert folder_of(second) != folder_of(first)
    agent.folders.sweep()
    assert not Path(folder_of(first)).exists()
    assert (Path(folder_of(second)) / "db").read_text() == "third-value"
    assert "value" not in json.dumps(agent.noted, default=dict)


def test_a_file_for_a_container_without_a_folder_is_refused(agent: Agent) -> None:
    with pytest.raises(EngineRefused, match="it has no folder for secrets yet"):
        agent.perform(FILES, agent.run(), due("first-value"))


def test_what_would_have_to_be_written_down_with_a_secret_in_it_is_not_done(agent: Agent) -> None:
    binding = replace(QUICK, secrets=Secrets("variables"))
    inspect = agent.run("db=first-value", AutoRemove=True)
    with pytest.raises(EngineRefused, match="has a secret in its variables"):
        agent.perform(RECREATE, inspect, due("first-value", binding), binding)
    assert agent.noted == []
    assert [one["Id"] for one in agent.target.containers("")] == [inspect["Id"]]
