"""What makes a first start right: the arguments of `docker run`, or a Compose override, with all that is set.

A container that somebody else starts with these has its settings from its first moment on, and is found in sync.
And the other way round: what a container that runs already has of its own, as settings. Pure.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confd.jsontext import Value
from confd.keys import App, Env
from confd.options import OPTIONS, composed, composed_networks, observed_options, spelled, write_options

__all__ = ["Due", "Taken", "compose_override", "docker_args", "taken_from", "unfit", "variables_of"]

_AFTER_IMAGE = ("command", "image")
_RESERVED = re.compile(r"PATH|HOME|LD_.*|CONFD_.*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Due:
    """What an app's containers in an env are due. `options` are canonical texts; `prefix` is the labels'."""

    app: App
    env: Env
    variables: Mapping[str, str]
    options: Mapping[str, str]
    prefix: str = "confd."

    @property
    def labels(self) -> dict[str, str]:
        """Ours, those that are set, and the one by which all that is asked for is known again."""
        body: dict[str, Any] = {}
        write_options(body, {}, self.options)
        return {f"{self.prefix}app": self.app, f"{self.prefix}env": self.env, **(body.get("Labels") or {})}


def docker_args(due: Due) -> tuple[str, tuple[str, ...]]:
    """The flags for a shell, one a line, and words about what has to stand elsewhere."""
    flags = [f"--label {shlex.quote(f'{name}={text}')}" for name, text in due.labels.items()]
    flags += [f"--env {shlex.quote(f'{name}={text}')}" for name, text in sorted(due.variables.items())]
    words: list[str] = []
    for name, text in sorted(due.options.items()):
        given = spelled(name, text)
        if name == "label":
            continue  # it stands above, with ours
        if name == "image":
            words.append(f"run/image: the image is {shlex.quote(given[0])}")
        elif name == "command":
            words.append(f"run/command: put after the image: {shlex.join(given)}")
        elif name == "entrypoint":
            flags.append(f"--entrypoint {shlex.quote(given[0])}")
            if given[1:]:
                words.append(f"run/entrypoint: put after the image, before all else: {shlex.join(given[1:])}")
        else:
            flags += [f"--{name}={shlex.quote(word)}" for word in given]
        if name == "network" and given[1:]:
            words.append(
                "run/network: an engine before API 1.44 takes the first; `docker network connect` does others"
            )
    return " \\\n".join(flags) + "\n", tuple(words)


def compose_override(due: Due, service: str) -> tuple[dict[str, Value], tuple[str, ...]]:
    """The document of a Compose override for one service, and words about what Compose cannot say."""
    body: dict[str, Any] = {"labels": _escaped(due.labels), "environment": _escaped(dict(due.variables))}
    words: list[str] = []
    document: dict[str, Value] = {"services": {service: body}}
    networks = composed_networks(due.options)
    if networks is not None:
        body["networks"] = _escaped(networks)
        document["networks"] = {name: {"external": True} for name in networks}
    for name, text in sorted(due.options.items()):
        if name == "label" or (networks is not None and name in _IN_NETWORKS):
            continue
        found = composed(name, text)
        if found is None:
            words.append(f"run/{name}: Compose has no word for it")
        else:
            body[found[0]] = _together(body.get(found[0]), _escaped(found[1]))
    return document, tuple(words)


_IN_NETWORKS = ("network", "network-alias", "ip", "ip6", "link-local-ip")


def _together(one: Any, other: Any) -> Any:
    """What two options say below one key."""
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *other]
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, **{name: _together(one.get(name), its) for name, its in other.items()}}
    return other


def _escaped(value: Any) -> Any:
    """With every `$` doubled, since Compose puts its own variables in for a single one."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {name: _escaped(one) for name, one in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True, slots=True)
class Taken:
    """A container's own settings by key, and words about what was left to the container itself."""

    settings: Mapping[str, Value]
    left: tuple[str, ...]


def taken_from(inspect: Mapping[str, Any], image: Mapping[str, Any]) -> Taken:
    """What a container was given itself: variables that its image (a Config) does not give, limits, restart policy.

    Other run options stay the container's own: ports and mounts of one are seldom those of the next.
    """
    given = variables_of({"Config": image})
    settings: dict[str, Value] = {}
    left: list[str] = []
    for name, text in variables_of(inspect).items():
        if given.get(name) == text:
            continue
        if why := unfit(name):
            left.append(f"variable {name}: {why}")
        else:
            settings[name] = text
    kept = []
    for name, text in observed_options(inspect).items():
        if OPTIONS[name].limit and OPTIONS[name].live:
            (settings[f"run/{name}"],) = spelled(name, text)
        elif name not in _AFTER_IMAGE and name != "entrypoint":
            kept.append(name)
    if kept:
        left.append(f"{', '.join(kept)}: stay the container's own")
    return Taken(settings, tuple(left))


def unfit(name: str) -> str:
    """Why a variable of this name is no setting; empty where it can be one."""
    if _RESERVED.fullmatch(name):
        return "reserved"
    return "" if _VARIABLE.fullmatch(name) else "no key gives this name"


def variables_of(inspect: Mapping[str, Any]) -> dict[str, str]:
    """NAME -> value; of a name that stands twice the last one, as the process sees it."""
    pairs = (item.partition("=") for item in inspect["Config"].get("Env") or () if "=" in item)
    return {name: value for name, _, value in pairs}
