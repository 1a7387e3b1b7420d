"""Which containers settings reach, how they are rendered, and what a change does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from confd import jsontext
from confd.keys import App, Key
from confd.model.mappings import EMPTY
from confd.model.reach import Reach
from confd.secretfiles import MODE

__all__ = [
    "Binding",
    "BindingFile",
    "FileCheck",
    "KeepLogs",
    "Maintenance",
    "OnChange",
    "Secrets",
    "Select",
    "VariablesRule",
    "Window",
]


@dataclass(frozen=True, slots=True)
class VariablesRule:
    """Which keys become variables. `limits`: whether a new container is told of its limits in variables too."""

    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    prefix: str = ""
    rename: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    allow_reserved: tuple[str, ...] = ()
    limits: bool = True


@dataclass(frozen=True, slots=True)
class FileCheck:
    """A command that has to agree to a file before that takes its place; `{file}` in it is where that stands.

    It runs in the container, or with `in_image` in one of its image that is thrown away, for `timeout_s` at most.
    """

    command: tuple[str, ...]
    in_image: bool = False
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class BindingFile:
    """A file inside the container. `path` is absolute, `mode` octal text or empty, `owner` `uid:gid` or empty.

    Without a mode it is 0644, and for its owner alone where it holds a secret. It is in a format, or what a
    template makes; `template` is empty for one in a format.
    """

    path: str
    format: str
    include: tuple[str, ...] = ("**",)
    exclude: tuple[str, ...] = ()
    mode: str = ""
    owner: str = ""
    template: str = ""
    check: FileCheck | None = None


@dataclass(frozen=True, slots=True)
class OnChange:
    """What a change of the keys that match does. `action` is a registered action, `none` or `auto`.

    `signal` is what `signal` sends; `command` what `exec` runs in the container, for `timeout_s` seconds at most.
    """

    keys: str
    action: str
    signal: str = ""
    escalate: bool = False
    command: tuple[str, ...] = ()
    timeout_s: float = 10.0

    @property
    def words(self) -> str:
        """The action as `x-on-change` of a schema names it."""
        return f"{self.action}:{self.signal}" if self.signal else self.action

    @property
    def parameters(self) -> Mapping[str, str]:
        """What the action is told: texts."""
        if self.action == "exec":
            return {"command": jsontext.dump(list(self.command)), "timeout_s": format(self.timeout_s, "g")}
        return {"signal": self.signal} if self.action == "signal" else EMPTY


@dataclass(frozen=True, slots=True)
class Secrets:
    """How containers get secrets: as `file`, by their `shim` alone, or as `variables` that an inspect shows.

    `mode` (octal text) and `owner` (`uid:gid` or empty) are the files'.
    """

    by: str = "file"
    mode: str = MODE
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Select:
    """Which containers without the label `app` an app's settings reach; what is empty is not asked for.

    `label` is a name or `name=value`; `name` and `image` are globs; `compose` is `project/service`, a glob too.
    """

    label: str = ""
    name: str = ""
    image: str = ""
    compose: str = ""


@dataclass(frozen=True, slots=True)
class KeepLogs:
    """How many of the last lines of a container that is replaced or fails stay on its host, and for how long."""

    lines: int = 10_000
    age_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Window:
    """When containers may be touched: on which days (0 is Monday), from and to in minutes of the day."""

    days: tuple[int, ...]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Maintenance:
    """The windows in which steps that reach at least so far are done; `zone` is the name of a time zone."""

    windows: tuple[Window, ...]
    zone: str = "UTC"
    reach: Reach = Reach.NEW_PROCESS


@dataclass(frozen=True, slots=True)
class Binding:
    """Which containers an app's settings reach, how they are rendered, what a change does. Times in seconds.

    `secrets`: how those come to a container: `file`, `shim` or `variables`.
    """

    variables: VariablesRule = field(default_factory=VariablesRule)
    arguments: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    files: tuple[BindingFile, ...] = ()
    on_change: tuple[OnChange, ...] = (OnChange("**", "auto"),)
    wait_min_s: float = 0.0
    wait_max_s: float = 10.0
    stop_timeout_s: float | None = None
    stop_signal: str = ""
    monitor_s: float | None = None
    health_timeout_s: float = 60.0
    start_first: bool = False
    keep_failed: bool = False
    keep_writable: bool = False
    keep_logs: KeepLogs = field(default_factory=KeepLogs)
    max_parallel: int = 1
    select: Select | None = None
    splay_s: float = 0.0
    maintenance: Maintenance | None = None
    depends_on: tuple[App, ...] = ()
    secrets: Secrets = field(default_factory=Secrets)
    promote_exclude: tuple[str, ...] = ()
    by_schema: Mapping[Key, OnChange] = field(default_factory=lambda: EMPTY)
    """What the app's schema says of keys that no rule but the one for all keys is of."""
