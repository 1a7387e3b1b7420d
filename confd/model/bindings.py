"""Which containers settings reach, how they are rendered, and what a change does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from confd.model.mappings import EMPTY

__all__ = ["Binding", "BindingFile", "KeepLogs", "OnChange", "Select", "VariablesRule"]


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
class Binding:
    """Which containers an app's settings reach, how they are rendered, what a change does. Times in seconds."""

    variables: VariablesRule = field(default_factory=VariablesRule)
    arguments: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    files: tuple[BindingFile, ...] = ()
    on_change: tuple[OnChange, ...] = (OnChange("**", "auto"),)
    wait_min_s: float = 0.0
    wait_max_s: float = 10.0
    stop_timeout_s: float | None = None
    stop_signal: str = ""
    monitor_s: float = 5.0
    health_timeout_s: float = 60.0
    start_first: bool = False
    keep_failed: bool = False
    keep_writable: bool = False
    keep_logs: KeepLogs = field(default_factory=KeepLogs)
    max_parallel: int = 1
    select: Select | None = None
