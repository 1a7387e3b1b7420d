"""The grammar of names and keys, the layers in order, and where each thing stands in etcd.

Nothing else in the product knows a slash. Names and keys are parsed once at the edge (`parse_*`, raising
`Malformed` with what would be accepted); `Keyspace` turns them into etcd keys and back.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NewType

from confd.errors import Malformed

__all__ = [
    "DEFAULT",
    "MAX_KEY_BYTES",
    "App",
    "Container",
    "Env",
    "Host",
    "Key",
    "Keyspace",
    "Layer",
    "is_run_option",
    "layers_of",
    "matches",
    "option_of",
    "parse_app",
    "parse_env",
    "parse_host",
    "parse_key",
    "parse_policy_name",
    "show",
    "specificity",
]

App = NewType("App", str)
Env = NewType("Env", str)
Host = NewType("Host", str)
Key = NewType("Key", str)
Container = NewType("Container", str)
"""A container's full engine id."""

DEFAULT = "_default"
"""As app: every app; as env: every env."""

MAX_KEY_BYTES = 512
MAX_SEGMENTS = 8
RUN = "run/"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NAME_WORDS = "1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit"


def parse_app(text: str) -> App:
    """An app's name, or `_default`. Raises `Malformed`."""
    return App(_name("app", text))


def parse_env(text: str) -> Env:
    """An env's name, or `_default`. Raises `Malformed`."""
    return Env(_name("env", text))


def parse_policy_name(text: str) -> str:
    """A policy's name, in the grammar of an app's. Raises `Malformed`."""
    if not _NAME.fullmatch(text):
        raise Malformed(f"policy {show(text)} is not allowed: use {_NAME_WORDS}")
    return text


def parse_host(text: str) -> Host:
    """A Docker host's name. Raises `Malformed`."""
    if not _HOST.fullmatch(text):
        raise Malformed(
            f"host {show(text)} is no host name: use 1 to 253 of a-z, 0-9, . and -, beginning and ending "
            "with a letter or digit"
        )
    return Host(text)


def parse_key(text: str) -> Key:
    """A setting's key: 1 to 8 segments joined by `/`, at most 512 bytes. Raises `Malformed`."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise Malformed(f"key {show(text)} is longer than {MAX_KEY_BYTES} bytes")
    segments = text.split("/")
    if len(segments) > MAX_SEGMENTS:
        raise Malformed(f"key {show(text)} has {len(segments)} segments; at most {MAX_SEGMENTS} are allowed")
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            raise Malformed(
                f"key {show(text)}: the segment {show(segment)} is not allowed; use segments of A-Z, a-z, 0-9, "
                "_, . and -, beginning with a letter, digit or _, joined by single slashes"
            )
    if text == RUN[:-1]:
        raise Malformed("key 'run' alone is reserved; run options are keys like 'run/memory'")
    return Key(text)


def is_run_option(key: Key) -> bool:
    """Whether the key is a run option, and so never a variable, a file's member or part of `config`."""
    return key.startswith(RUN)


def option_of(key: Key) -> str:
    """The run option's name as `docker run` spells it: `run/memory` gives `memory`."""
    return key.removeprefix(RUN)


def show(text: str) -> str:
    """A name as it may stand in a message: escaped, shortened, never a control character."""
    cut = text if len(text) <= 80 else text[:77] + "..."
    return ascii(cut)


def _name(word: str, text: str) -> str:
    if text != DEFAULT and not _NAME.fullmatch(text):
        raise Malformed(f"{word} {show(text)} is not allowed: use {_NAME_WORDS}, or {DEFAULT}")
    return text


@dataclass(frozen=True, slots=True, order=True)
class Layer:
    """One place a value can come from. `host` set: the layer of one app in one env on one host."""

    env: Env
    app: App
    host: Host | None = None

    def __str__(self) -> str:
        return f"{self.env}/{self.app}" + (f"@{self.host}" if self.host else "")

    @property
    def slot(self) -> str:
        """The layer's name below its env's heads and changes: `web`, or `web@h1` for a host's."""
        return f"{self.app}@{self.host}" if self.host else self.app


def layers_of(env: Env, app: App, host: Host | None = None) -> tuple[Layer, ...]:
    """The layers that reach an app in an env (on a host), lowest first.

    For `_default` as env or app the list holds only the layers that exist for it.
    """
    everything, every_env = App(DEFAULT), Env(DEFAULT)
    layers = [Layer(every_env, everything), Layer(env, everything), Layer(every_env, app), Layer(env, app)]
    if host is not None:
        layers.append(Layer(env, app, host))
    return tuple(dict.fromkeys(layers))


def matches(pattern: str, key: str) -> bool:
    """Whether a glob matches a key: `*` and `?` within a segment, `**` across segments."""
    return _compile(pattern).fullmatch(key) is not None


def specificity(pattern: str) -> tuple[int, int, int]:
    """Orders patterns, the most specific one largest: literal characters, then fewer `**`, then fewer `*`."""
    literal = len(re.sub(r"[*?]", "", pattern))
    doubled = pattern.count("**")
    return (literal, -doubled, -(pattern.count("*") - 2 * doubled))


@functools.lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(_translate(pattern))


def _translate(pattern: str) -> str:
    out: list[str] = []
    for token in re.findall(r"/\*\*$|\*\*/|\*\*|\*|\?|[^*?/]+|/", pattern):
        out.append(
            {"/**": "(?:/.*)?", "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(
                token, re.escape(token)
            )
        )
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Keyspace:
    """Where each thing stands in etcd below `prefix`, without its trailing slash (default `/confd`)."""

    prefix: str = "/confd"

    @property
    def meta(self) -> str:
        return f"{self.prefix}/meta"

    @property
    def resumed(self) -> str:
        """Beside the meta, so that who follows that follows this."""
        return f"{self.meta}/resumed"

    @property
    def envs(self) -> str:
        return f"{self.prefix}/envs/"

    @property
    def hosts(self) -> str:
        return f"{self.prefix}/hosts/"

    @property
    def audit(self) -> str:
        """The prefix of what is noted down of secrets; no agent reads it."""
        return f"{self.prefix}/audit/"

    @property
    def locks(self) -> str:
        return f"{self.prefix}/locks/"

    def env(self, env: Env) -> str:
        """The prefix of everything of one env."""
        return f"{self.envs}{env}/"

    def settings(self, layer: Layer) -> str:
        """The prefix of a layer's settings."""
        if layer.host is not None:
            return f"{self.env(layer.env)}overrides/{layer.host}/{layer.app}/"
        return f"{self.env(layer.env)}settings/{layer.app}/"

    def setting(self, layer: Layer, key: Key) -> str:
        return self.settings(layer) + key

    def head(self, layer: Layer) -> str:
        return f"{self.env(layer.env)}heads/{layer.slot}"

    def changes(self, layer: Layer) -> str:
        return f"{self.env(layer.env)}changes/{layer.slot}/"

    def change(self, layer: Layer, number: int) -> str:
        return f"{self.changes(layer)}{number:012d}"

    def parts(self, env: Env) -> str:
        """The prefix of staged parts of change records of one env; each is named `<change id>/<i>`."""
        return f"{self.env(env)}parts/"

    def binding(self, env: Env, app: App) -> str:
        return f"{self.env(env)}bindings/{app}"

    def policy(self, env: Env, name: str) -> str:
        return f"{self.env(env)}policies/{name}"

    def freeze(self, env: Env) -> str:
        return f"{self.env(env)}freeze"

    def adoption(self, env: Env, app: App, host: Host) -> str:
        return f"{self.env(env)}adoptions/{app}/{host}"

    def turn(self, env: Env, app: App, host: Host) -> str:
        """A host's place in the queue of those that want to interrupt an app; it lives as long as the agent."""
        return f"{self.env(env)}turns/{app}/{host}"

    def stop(self, env: Env, app: App) -> str:
        """The failure that stopped an app's other containers."""
        return f"{self.env(env)}stops/{app}"

    def host(self, host: Host) -> str:
        """The prefix of everything an agent writes."""
        return f"{self.hosts}{host}/"

    def about(self, host: Host) -> str:
        return f"{self.host(host)}about"

    def alive(self, host: Host) -> str:
        return f"{self.host(host)}alive"

    def sightings(self, host: Host) -> str:
        """Since when the host is watched, and what was recreated there by others."""
        return f"{self.host(host)}sightings"

    def ledger(self, host: Host, container: Container) -> str:
        return f"{self.host(host)}ledger/{container}"

    def status(self, host: Host, container: Container) -> str:
        return f"{self.host(host)}status/{container}"
