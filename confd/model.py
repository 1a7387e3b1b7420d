"""The values that flow through the product: frozen, read-only, without any behaviour that needs I/O.

    Entry -> Snapshot -> Resolved -> Rendered -> (with Observed) -> Plan -> Outcome

Values of settings are JSON text (`confd.jsontext`); equality is by text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

from confd.keys import App, Container, Env, Host, Key, Layer
from confd.secret import Digest

__all__ = [
    "Applied",
    "Binding",
    "BindingFile",
    "Change",
    "ChangeKind",
    "ContainerPlan",
    "Effect",
    "Entry",
    "Head",
    "HostState",
    "Observed",
    "OnChange",
    "Outcome",
    "Plan",
    "Problem",
    "Reach",
    "Reason",
    "Rendered",
    "RenderedFile",
    "Resolved",
    "Result",
    "Setting",
    "Snapshot",
    "Step",
    "VariablesRule",
    "frozen",
    "thawed",
]

EMPTY: Mapping[Any, Any] = MappingProxyType({})


def frozen(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """A read-only view; the caller gives up the mapping."""
    return MappingProxyType(mapping) if isinstance(mapping, dict) else mapping


def thawed(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    """A copy to change. Of a read-only view it is the copy of its dict, which hashes no key again."""
    return mapping.copy() if isinstance(mapping, MappingProxyType) else dict(mapping)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the store at one revision. `mod_revision` is the revision that wrote this text."""

    key: str
    text: str
    mod_revision: int
    create_revision: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """key + value + secret flag + the layer and change it came from.

    `text` is the value as JSON text, `"null"` in a higher layer removing the key. `change` is the number
    of the change in its layer, or `None` where only the store knows it yet. `revision` is the store
    revision that wrote it.
    """

    key: Key
    text: str
    secret: bool
    layer: Layer
    revision: int
    change: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest change of a layer. `revision` is the head entry's mod revision, 0 while there is none."""

    number: int = 0
    id: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class HostState:
    """What is known of one host: its `about` text, whether it is alive, and its containers' status texts."""

    about: str = "{}"
    alive: str | None = None
    status: Mapping[Container, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every entry a reader follows at one store revision; two revisions never mix.

    `layers` holds each layer's entries by key (as text; grammar is checked by `resolve`), so that the cost
    of one app does not depend on how many others there are. `bindings` are by env and app, as JSON text.
    """

    revision: int = 0
    layers: Mapping[Layer, Mapping[str, Entry]] = field(default_factory=lambda: EMPTY)
    heads: Mapping[Layer, Head] = field(default_factory=lambda: EMPTY)
    bindings: Mapping[tuple[Env, App], Entry] = field(default_factory=lambda: EMPTY)
    hosts: Mapping[Host, HostState] = field(default_factory=lambda: EMPTY)
    meta: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a setting or binding. `keys` are the settings concerned, `code` is stable."""

    code: str
    keys: tuple[str, ...]
    detail: str


class Reach(IntEnum):
    """How far an action goes."""

    NONE = 0
    IN_PLACE = 1
    NEW_PROCESS = 2
    NEW_CONTAINER = 3

    @property
    def word(self) -> str:
        return ("none", "in-place", "new-process", "new-container")[self.value]


# --- bindings -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VariablesRule:
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    prefix: str = ""
    rename: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    allow_reserved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BindingFile:
    """A file inside the container. `path` is absolute, `mode` octal text, `owner` `uid:gid` or empty."""

    path: str
    format: str
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    mode: str = "0644"
    owner: str = ""


@dataclass(frozen=True, slots=True)
class OnChange:
    """What a change of the keys that match does. `action` is a registered action, `none` or `auto`."""

    keys: str
    action: str
    signal: str = ""
    escalate: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """Which containers an app's settings reach, how they are rendered, what a change does. Times in seconds."""

    variables: VariablesRule = field(default_factory=VariablesRule)
    arguments: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    files: tuple[BindingFile, ...] = ()
    on_change: tuple[OnChange, ...] = (OnChange("**", "auto"),)
    wait_min_s: float = 0.0
    wait_max_s: float = 10.0
    stop_timeout_s: float | None = None
    monitor_s: float = 1.0


# --- resolve and render ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolved:
    """The effective settings of one app in one env (on one host), with what each winner hid.

    `settings` are sorted by key; a key removed by `null` is not in it, but in `removed`. `hidden` lists,
    per key, the settings of lower layers, highest first. `changes` is the newest change of each layer.
    """

    app: App
    env: Env
    host: Host | None
    revision: int
    settings: Mapping[Key, Setting]
    removed: Mapping[Key, Setting]
    hidden: Mapping[Key, tuple[Setting, ...]]
    changes: Mapping[Layer, int]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file's whole content as text; `keys` are the settings it was made from."""

    path: str
    content: str
    mode: int
    owner: tuple[int, int] | None
    digest: Digest
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an app's containers are due.

    `variables` NAME -> text; `variable_keys` NAME -> the key it came from; `options` run option -> canonical
    JSON text (`confd.options`); `arguments` are appended to the base command, `argument_keys` the keys they
    came from. `key_digests` per key of all effective settings. `spec_digest` covers variables, options and
    arguments; `run_digest` options and arguments only (what a shim's container is created for); `files` each
    carry their own. `variable_digests` per NAME.
    """

    app: App
    env: Env
    host: Host | None
    revision: int
    variables: Mapping[str, str]
    variable_keys: Mapping[str, Key]
    variable_digests: Mapping[str, Digest]
    options: Mapping[str, str]
    arguments: tuple[str, ...]
    argument_keys: tuple[Key, ...]
    files: tuple[RenderedFile, ...]
    key_digests: Mapping[Key, Digest]
    spec_digest: Digest
    run_digest: Digest
    problems: tuple[Problem, ...] = ()
    secret_keys: frozenset[Key] = frozenset()
    arguments_digest: Digest | None = None


# --- what runs ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Applied:
    """What is in effect in a container as the ledger knows it.

    `keys` per-key digests that have taken effect, `spec` the digest of the spec it was created for or updated
    to, `failed` the spec digest whose recreate failed with `failed_detail` (not tried again until it changes).
    """

    revision: int = 0
    spec: Digest | None = None
    keys: Mapping[Key, Digest] = field(default_factory=lambda: EMPTY)
    failed: Digest | None = None
    failed_detail: str = ""


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


# --- plans and outcomes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step is needed: the key, what carries it (`variable NAME`, `run option memory`, `file PATH`)."""

    key: Key
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a plan. `action` is `files` or a registered action; `blocked` says why it is not done.

    `parameters`: `signal` -> the signal's name; `update` -> run option to canonical JSON text.
    """

    action: str
    reach: Reach
    reasons: tuple[Reason, ...]
    parameters: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    blocked: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """The steps for one container, weakest first.

    `settles` are the key digests in effect once all due steps are done, `spec` the spec digest then in effect
    (None while something of the spec stays behind: a blocked step, or a key whose action is `none`).
    """

    container: Container
    name: str
    steps: tuple[Step, ...]
    settles: Mapping[Key, Digest] = field(default_factory=lambda: EMPTY)
    spec: Digest | None = None
    unchecked: tuple[str, ...] = ()

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
    """What became of one step. `at` is RFC 3339 UTC, `took_s` seconds; `container` is the one that runs now."""

    action: str
    result: Result
    detail: str
    revision: int
    at: str
    took_s: float
    keys: tuple[Key, ...] = ()
    container: Container | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of one key would cause in one container."""

    container: Container
    name: str
    action: str
    reach: Reach
    blocked: str | None = None


# --- changes --------------------------------------------------------------------------------------------


class ChangeKind(StrEnum):
    SETTINGS = "settings"
    BINDING = "binding"


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic, numbered, immutable edit of one layer.

    `before` and `after` hold the JSON text per key touched, `None` where it was or is absent. For a binding
    the only key is `binding`. `at` is RFC 3339 UTC and only shown: order comes from numbers and revisions.
    """

    layer: Layer
    number: int
    id: str
    kind: ChangeKind
    author: str
    message: str
    at: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]
    revision: int = 0
    note: str = ""
    extra: Sequence[str] = ()
