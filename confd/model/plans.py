"""What runs, what has to be done about it, and what became of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from confd.keys import App, Container, Env, Key
from confd.model.mappings import EMPTY
from confd.model.reach import Reach
from confd.secret import Digest

__all__ = [
    "Applied",
    "Cause",
    "ContainerPlan",
    "Effect",
    "Hold",
    "Observed",
    "Outcome",
    "Plan",
    "Reason",
    "Result",
    "Step",
]


class Cause(StrEnum):
    """Why a step is not done."""

    CEILING = "ceiling"
    """The binding or the container's label allows no action that reaches far enough."""

    RULE = "rule"
    """The host does not let it be done, or the container cannot take it."""

    FAILED = "failed"
    """It was tried, and failed for good."""

    ADOPTION = "adoption"
    """The container ran before its agent first saw it, and nobody has adopted it."""

    CONTESTED = "contested"
    """Something else recreates the container over and over."""

    WINDOW = "window"
    """No maintenance window of the binding is open."""

    STOPPED = "stopped"
    """Another container of the app failed at the same settings."""

    HELD = "held"
    """A brake is on, the agent only looks, or the store is in doubt."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What keeps steps that reach at least as far as `reach` from being done, whatever binding and label say."""

    cause: Cause
    why: str
    reach: Reach = Reach.NONE
    spares: Collection[str] = ()
    """The names of containers that it does not hold."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What is in effect in a container as the ledger knows it.

    `keys` per-key digests that have taken effect, `spec` the digest of the spec it was created for or updated
    to, `failed` the spec digest whose recreate failed with `failed_detail` (not tried again until it changes),
    `refused` the one of which the engine refused a live update, `rejected` the digest of the files to which a check
    did not agree with `rejected_detail` (not tried again until it changes).
    """

    revision: int = 0
    spec: Digest | None = None
    keys: Mapping[Key, Digest] = field(default_factory=lambda: EMPTY)
    failed: Digest | None = None
    failed_detail: str = ""
    refused: Digest | None = None
    rejected: Digest | None = None
    rejected_detail: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """One container as last observed: no values, only digests, so that it may be published.

    `variables` and `base_variables` NAME -> digest, of what it runs with and of its own spec; `options` and
    `base_options` run option -> canonical JSON text; `arguments` digest of the rendered arguments it was
    created with, `None` for none. `files` container path -> digest of the content, `None` while absent;
    `unreachable_files` path -> why the agent cannot write it. `obstacles` are reasons why the container cannot
    be recreated without loss. `facts` are the host's limits (`cpus`, `memory_bytes`, `allow_run` ...).
    `unfinished`: an action on it was begun and is not known to have ended. `looping`: its process ends shortly
    after each start, and the engine starts it over and over. `ports`: container port -> where the host listens.
    `alone`: why no second one of it could run beside it, empty where one can.
    `adopted`: what differed when its agent first saw it has been accepted, or nothing did. `contested`: who else
    recreates it over and over, empty for nobody. `held`: why its agent does nothing to it now. `image` is the name
    that it was created from, `image_moved` the id which that name stands for now, where that is another.
    `newcomer`: it was started under its agent's eyes, and has nothing in effect yet. `found`: what its settings'
    references to other containers stand for, by their text. `secrets`: it has a folder for its secrets.
    """

    id: Container
    name: str
    app: App
    env: Env
    running: bool
    image_id: str = ""
    started_at: str = ""
    shim: str = ""
    max_reach: Reach = Reach.NEW_CONTAINER
    variables: Mapping[str, Digest] = field(default_factory=lambda: EMPTY)
    base_variables: Mapping[str, Digest] = field(default_factory=lambda: EMPTY)
    options: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    base_options: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    arguments: Digest | None = None
    files: Mapping[str, Digest | None] = field(default_factory=lambda: EMPTY)
    unreachable_files: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    obstacles: tuple[str, ...] = ()
    label_digest: Digest | None = None
    applied: Applied = field(default_factory=Applied)
    facts: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    unfinished: bool = False
    looping: bool = False
    ports: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    adopted: bool = True
    contested: str = ""
    held: str = ""
    image: str = ""
    image_moved: str = ""
    newcomer: bool = False
    alone: str = ""
    found: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    secrets: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step is needed: the key, what carries it (`variable NAME`, `run option memory`, `file PATH`)."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a plan. `action` is `files` or a registered action; `blocked` says why it is not done.

    `cause` is of which kind that is; it stands where `blocked` does.
    `parameters`: `signal` -> the signal's name; `update` -> run option to canonical JSON text.
    """

    action: str
    reach: Reach
    reasons: tuple[Reason, ...]
    parameters: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    blocked: str | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """The steps for one container, weakest first.

    `settles` are the key digests in effect once all due steps are done, `spec` the spec digest then in effect
    (None while something of the spec stays behind: a blocked step, or a key whose action is `none`). `held`: a
    hold keeps every step from being done, so that nothing of this plan may be taken for settled.
    """

    container: Container
    name: str
    steps: tuple[Step, ...]
    settles: Mapping[Key, Digest] = field(default_factory=lambda: EMPTY)
    spec: Digest | None = None
    unchecked: tuple[str, ...] = ()
    held: Hold | None = None

    @property
    def due(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.blocked is None)

    @property
    def blocked(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.blocked is not None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done for an app in an env, made before any effect. Often empty."""

    app: App
    env: Env
    revision: int
    spec_digest: Digest
    containers: tuple[ContainerPlan, ...]


class Result(StrEnum):
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one step. `at` is RFC 3339 UTC, `took_s` seconds; `container` is the one that runs now.

    `replaced`: the one before it, where a new one took its place. `log`: the last lines of the container that went,
    or of the one that failed; `log_file`: where its host has more of them. `code` is the error's, where it failed.
    """

    action: str
    result: Result
    detail: str
    revision: int
    at: str
    took_s: float
    reasons: tuple[Reason, ...] = ()
    container: Container | None = None
    replaced: Container | None = None
    log: str = ""
    log_file: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of one key would cause in one container."""

    container: Container
    name: str
    action: str
    reach: Reach
    blocked: str | None = None
