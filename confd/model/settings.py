"""What stands in the store: settings in layers, the changes that wrote them, and what agents tell of hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from confd.keys import App, Container, Env, Host, Key, Layer
from confd.model.mappings import EMPTY

__all__ = ["Brake", "Change", "ChangeKind", "Entry", "Head", "HostState", "Problem", "Setting", "Snapshot"]


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

    `text` is the value as JSON text, `"null"` in a higher layer removing the key; of a secret its ciphertext,
    until it is unsealed. `change` is the number of the change in its layer, or `None` where only the store knows it
    yet. `revision` is the store revision that wrote it. `written` is the text as it is stored, where references
    made another of it; `brought` are the texts of the secrets that these brought into it.
    """

    key: Key
    text: str = field(repr=False)
    secret: bool
    layer: Layer
    revision: int
    change: int | None = None
    written: str | None = field(default=None, repr=False)
    brought: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest change of a layer. `revision` is the head entry's mod revision, 0 while there is none.

    `names` is the digest of the keys that its changes left in the layer (`confd.shrink`), `at` when it was made,
    RFC 3339 UTC by the clock of whoever wrote it; empty: not told. `since` is the revision on which it was decided,
    0: not told; `held` are the keys with edits that no change has vouched for (`confd.outofband`).
    """

    number: int = 0
    id: str = ""
    revision: int = 0
    names: str = ""
    at: str = ""
    since: int = 0
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostState:
    """What is known of one host: its `about` text, whether it is alive, and its containers' status texts."""

    about: str = "{}"
    alive: str | None = None
    status: Mapping[Container, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Brake:
    """Who stopped what, and why: every app of an env, one app, one host, or one app on one host.

    `at` is RFC 3339 UTC. The env is that of the document it stands in, `_default` for every env.
    """

    app: App | None
    host: Host | None
    author: str
    message: str
    at: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every entry a reader follows at one store revision; two revisions never mix.

    `layers` holds each layer's entries by key (as text; grammar is checked by `resolve`), so that the cost
    of one app does not depend on how many others there are. `bindings` are by env and app, as JSON text.
    `policies` are by env and name, `schemas` by app and version, `rules` what each env asks of its changes
    (`confd.envrules`). `owned` tells of a layer which manifest owns which key (`confd.owned`).
    `freezes` are each env's brakes (`confd.holds`). Of an app in an env are `adoptions` (by host, who accepted its
    containers as they are), `turns` (by host, who waits for or has the turn to interrupt the app) and `stops` (the
    failure that stopped the others). `resumed` tells that somebody took this store for the right one.
    """

    revision: int = 0
    layers: Mapping[Layer, Mapping[str, Entry]] = field(default_factory=lambda: EMPTY)
    heads: Mapping[Layer, Head] = field(default_factory=lambda: EMPTY)
    bindings: Mapping[tuple[Env, App], Entry] = field(default_factory=lambda: EMPTY)
    hosts: Mapping[Host, HostState] = field(default_factory=lambda: EMPTY)
    meta: str | None = None
    freezes: Mapping[Env, Entry] = field(default_factory=lambda: EMPTY)
    adoptions: Mapping[tuple[Env, App], Mapping[Host, Entry]] = field(default_factory=lambda: EMPTY)
    turns: Mapping[tuple[Env, App], Mapping[Host, Entry]] = field(default_factory=lambda: EMPTY)
    stops: Mapping[tuple[Env, App], Entry] = field(default_factory=lambda: EMPTY)
    resumed: Entry | None = None
    policies: Mapping[tuple[Env, str], Entry] = field(default_factory=lambda: EMPTY)
    rules: Mapping[Env, Entry] = field(default_factory=lambda: EMPTY)
    owned: Mapping[Layer, Entry] = field(default_factory=lambda: EMPTY)
    schemas: Mapping[App, Mapping[int, Entry]] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a setting or binding. `keys` are the settings concerned, `code` is stable.

    `file` is the path of the file that cannot be rendered therefore, where there is one.
    """

    code: str
    keys: tuple[str, ...]
    detail: str
    file: str = ""


class ChangeKind(StrEnum):
    SETTINGS = "settings"
    BINDING = "binding"
    FREEZE = "freeze"
    POLICY = "policy"
    SCHEMA = "schema"
    ADOPTION = "adoption"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic, numbered, immutable edit of one layer.

    `before` and `after` hold the JSON text per key touched, `None` where it was or is absent. For a binding
    the only key is `binding`, for a brake `freeze`, for an env's rules `rules`, for a schema `schema`, for a policy
    its name, for an adoption each key is a host. `schemas`: by app the version that it was checked against, or that
    it made. `edited`: the revision of the first edit past the API that it records. `at` is RFC 3339 UTC and only
    shown: order comes from numbers and revisions.
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
    edited: int = 0
    extra: Sequence[str] = ()
    schemas: Mapping[str, int] = field(default_factory=lambda: EMPTY)
