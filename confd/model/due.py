"""What an app"s containers are due: effective settings, and what is rendered of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from confd.keys import App, Env, Host, Key, Layer
from confd.model.bindings import FileCheck
from confd.model.mappings import EMPTY
from confd.model.policies import Policy
from confd.model.settings import Problem, Setting
from confd.secret import Digest
from confd.secretfiles import is_secret_path

__all__ = ["Rendered", "RenderedFile", "Resolved"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The effective settings of one app in one env (on one host), with what each winner hid.

    `settings` are sorted by key; a key removed by `null` is not in it, but in `removed`. `hidden` lists,
    per key, the settings of lower layers, highest first. `changes` is the newest change of each layer. `policies`
    are those that hold in the env.
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
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A file's whole content as text; `keys` are the settings it was made from.

    `named` are those that its template may come to as well, once others are different. `secrets` are texts in it
    that nobody is to see.
    """

    path: str
    content: str = field(repr=False)
    mode: int
    owner: tuple[int, int] | None
    digest: Digest
    keys: tuple[Key, ...]
    named: frozenset[Key] = frozenset()
    check: FileCheck | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def carries(self, key: Key) -> bool:
        """Whether a change of the key can be one of the file."""
        return key in self.keys or key in self.named


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an app's containers are due.

    `variables` NAME -> text; `variable_keys` NAME -> the key it came from; `options` run option -> canonical
    JSON text (`confd.options`); `arguments` are appended to the base command, `argument_keys` the keys they
    came from. `key_digests` per key of all effective settings. `spec_digest` covers variables, options and
    arguments; `run_digest` options and arguments only (what a shim's container is created for); `files` each
    carry their own, `files_digest` covers them with mode, owner and check. `variable_digests` per NAME. `policies`
    are those that hold in the env. `shim_variables` NAME -> text are secrets that a shim alone brings. `hidden` are
    texts of secrets that nobody is to see.
    """

    app: App
    env: Env
    host: Host | None
    revision: int
    variables: Mapping[str, str] = field(repr=False)
    variable_keys: Mapping[str, Key]
    variable_digests: Mapping[str, Digest]
    options: Mapping[str, str]
    arguments: tuple[str, ...] = field(repr=False)
    argument_keys: tuple[Key, ...]
    files: tuple[RenderedFile, ...]
    key_digests: Mapping[Key, Digest]
    spec_digest: Digest
    run_digest: Digest
    problems: tuple[Problem, ...] = ()
    secret_keys: frozenset[Key] = frozenset()
    arguments_digest: Digest | None = None
    files_digest: Digest | None = None
    policies: tuple[Policy, ...] = ()
    shim_variables: Mapping[str, str] = field(default_factory=lambda: EMPTY, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @property
    def needs_folder(self) -> bool:
        """Whether a container has to have a folder for its secrets."""
        return any(is_secret_path(file.path) for file in self.files)

    def is_path(self, variable: str) -> bool:
        """Whether a variable does not hold a secret, but tells where that stands."""
        key = self.variable_keys.get(variable)
        return key in self.secret_keys and is_secret_path(self.variables.get(variable, ""))

    def target(self, *, shim: bool) -> Digest:
        """The digest of what a container is created for: without the variables, where a shim brings those."""
        return self.run_digest if shim else self.spec_digest
