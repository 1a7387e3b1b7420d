"""A container's own spec, and what of it came from its image: that part goes with the image when that changes.

Pure. The name that a container's image is known by outlives the name itself: one that is created by the image's id,
since the name means another image by now, carries it as a label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.entries import Base
from confd.firststart import variables_of
from confd.model import frozen
from confd.options import observed_options, told_in
from confd.ports import Inspect

__all__ = ["base_of", "base_on", "completed", "image_name", "own_of", "rejoined"]

_FROM_IMAGE = (
    *("entrypoint", "command", "user", "workdir", "stop-signal"),
    *("health-cmd", "health-interval", "health-timeout", "health-start-period", "health-start-interval"),
    *("health-retries", "no-healthcheck"),
)
"""The run options that an image gives to its containers."""

RELEASE = 3
"""Of what agents remember of a container's own: which run options they know."""

_OTHER = "container:"


def image_name(inspect: Inspect, label: str) -> str:
    """The name its image is known by; `label` is what the container's own label says, if it has one."""
    name = str(inspect["Config"].get("Image") or "")
    return label if label and name == inspect.get("Image") else name


def base_of(inspect: Inspect, image: Mapping[str, Any]) -> Base:
    """A container's own spec, taken at first sight of one that no setting has reached. `image` is its Config."""
    command, told = inspect["Config"].get("Cmd"), told_in(inspect)
    base = Base(
        frozen({name: text for name, text in variables_of(inspect).items() if name not in told}),
        frozen(observed_options(inspect)),
        None if command is None else tuple(command),
        str(inspect.get("Image") or ""),
        release=RELEASE,
    )
    return replace(base, inherited=_inherited(base, image))


def completed(base: Base, inspect: Inspect, image: Mapping[str, Any]) -> Base:
    """A base that an agent of a release before wrote: what no setting could reach then is the container's own."""
    known = _SINCE_1 if not base.image_id else _SINCE_1 | _SINCE_2
    now = {name: text for name, text in observed_options(inspect).items() if name not in known}
    image_id = base.image_id or str(inspect.get("Image") or "")
    whole = replace(base, options=frozen({**now, **base.options}), image_id=image_id, release=RELEASE)
    if inspect.get("Image") != image_id:
        return whole
    return replace(whole, inherited=_inherited(whole, image))


_SINCE_1 = {
    *(
        "memory",
        "memory-reservation",
        "memory-swap",
        "cpus",
        "cpu-shares",
        "cpu-period",
        "cpu-quota",
        "cpuset-cpus",
    ),
    *("cpuset-mems", "pids-limit", "blkio-weight", "restart", "cap-add", "cap-drop", "sysctl", "tmpfs", "ulimit"),
    *("log-driver", "log-opt", "shm-size", "read-only", "init", "user", "workdir", "hostname", "stop-signal"),
    *("stop-timeout", "dns", "add-host", "publish", "command"),
}
_SINCE_2 = {
    *("privileged", "volume", "device", "device-cgroup-rule", "network", "ipc", "pid", "uts", "userns"),
    *("cgroup-parent", "security-opt", "group-add", "runtime", "image", "entrypoint"),
}
"""The run options that the releases before knew."""


def rejoined(base: Base, inspect: Inspect) -> Base:
    """The base of one that shares another's namespaces, where that is another container now."""
    now = observed_options(inspect)
    shared = {name: now[name] for name in ("network", "ipc", "pid") if _OTHER in base.options.get(name, "")}
    return replace(base, options=frozen({**base.options, **shared}))


def own_of(base: Base) -> Base:
    """What the container was given itself, without what its image gave it."""
    gone = set(base.inherited)
    options = {
        name: text for name, text in base.options.items() if f"run/{name}" not in gone or name not in _FROM_IMAGE
    }
    variables = {name: text for name, text in base.variables.items() if name not in gone}
    return replace(base, variables=frozen(variables), options=frozen(options), inherited=())


def base_on(base: Base, inspect: Inspect, name: str, image: Mapping[str, Any]) -> Base:
    """The base as it is with the image that the container has now, of which this is the name and the Config."""
    if inspect.get("Image") == base.image_id:
        return replace(base, options=frozen({**base.options, "image": jsontext.dump(name)}))
    own = own_of(base)
    variables, options = _given(image)
    if "entrypoint" in own.options:
        options.pop("command", None)  # an engine gives an image's command to the image's own program alone
    return replace(
        own, variables=frozen({**variables, **own.variables}), options=frozen({**options, **own.options})
    )


def _inherited(base: Base, image: Mapping[str, Any]) -> tuple[str, ...]:
    """The variables, and under `run/` the options, that are as the image has them."""
    variables, options = _given(image)
    names = [name for name, text in base.variables.items() if variables.get(name) == text]
    return (*names, *(f"run/{name}" for name, text in base.options.items() if options.get(name) == text))


def _given(image: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables and run options that an image gives."""
    seen = {"Config": {**image, "Image": ""}}
    options = {name: text for name, text in observed_options(seen).items() if name in _FROM_IMAGE}
    return variables_of(seen), options
