"""Compose files, for import: what one service is started with, its variables and its run options, as settings.

`$NAME` and `${NAME}` take their defaults alone: no variable of whoever imports the file gets in. What has no run
option, and what means something within its project only (a volume by name, another service's network), is left out
and told of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confd import jsontext
from confd.errors import Malformed
from confd.firststart import Taken, unfit
from confd.formats.composeenv import interpolate
from confd.jsontext import Number, Value
from confd.options import COMPOSE_KEYS, OPTIONS
from confd.options.texts import duration

__all__ = ["load"]

_SILENT = re.compile("x-.*|environment")
_TAKEN = ("confd.", "com.docker.")
_PATH = re.compile(r"/[^:]*:/.*")


def load(text: str, service: str | None) -> Taken:
    """The settings of a service, the file's only one where none is named. Raises `Malformed` and `Invalid`."""
    from confd.formats.yamlreader import document

    name, body = _chosen(document(text), service)
    given = _interpolated(body, f"services/{name}")
    settings, left = _variables(given.get("environment"))
    for option, value in _options(given, left):
        key = f"run/{option}"
        if key in settings:
            raise Malformed(f"services/{name} gives {key} twice; keep one of them")
        OPTIONS[option].parse(value)
        settings[key] = value
    return Taken(settings, tuple(left))


def _chosen(document: Value, service: str | None) -> tuple[str, Mapping[str, Value]]:
    services = document.get("services") if isinstance(document, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        raise Malformed("the file must hold services, as a Compose file does")
    if service is None and len(services) > 1:
        raise Malformed(f"the file has the services {', '.join(services)}; name one of them with --service")
    name = service or next(iter(services))
    body = services.get(name)
    if not isinstance(body, Mapping):
        raise Malformed(f"the file has no service {name!r}; it has {', '.join(services)}")
    return name, body


def _interpolated(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _interpolated(one, f"{path}/{name}") for name, one in value.items()}
    if isinstance(value, list):
        return [_interpolated(one, path) for one in value]
    if not isinstance(value, str):
        return value
    try:
        return interpolate(value, lambda name: None)
    except Malformed as error:
        raise Malformed(
            f"{path} refers to a variable, and none of yours is taken: give it a default, as in "
            "${NAME:-DEFAULT}, or write $$ for a $"
        ) from error


def _variables(environment: Any) -> tuple[dict[str, Value], list[str]]:
    found: dict[str, Value] = {}
    left: list[str] = []
    for name, value in _pairs(environment, "environment").items():
        if value is None:
            left.append(f"variable {name} has no value, and yours is never taken")
        elif why := unfit(name):
            left.append(f"variable {name}: {why}")
        else:
            found[name] = value
    return found, left


def _pairs(value: Any, member: str, between: str = "=") -> dict[str, str | None]:
    """Names and texts of a mapping, or of a list of NAME=TEXT."""
    if isinstance(value, Mapping):
        return {name: None if one is None else _text(one) for name, one in value.items()}
    if value is not None and not isinstance(value, list):
        raise Malformed(f"{member} must be a mapping, or a list of NAME{between}VALUE")
    found = {}
    for one in map(_text, value or ()):
        name, given, text = one.partition(between)
        found[name] = text if given else None
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.dump(value)


def _options(body: Mapping[str, Any], left: list[str]) -> Iterator[tuple[str, Value]]:
    without: list[str] = []
    for member, value in body.items():
        if member in _READ:
            yield from _READ[member](value, left)
        elif member in COMPOSE_KEYS:
            yield COMPOSE_KEYS[member], [_text(one) for one in value] if isinstance(value, list) else value
        elif not _SILENT.fullmatch(member):
            without.append(member)
    if without:
        left.append(f"{', '.join(without)}: not taken from a Compose file")


Read = Callable[[Any, list[str]], Iterator[tuple[str, Value]]]


def _mapping(option: str, between: str = "=") -> Read:
    def read(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
        yield option, {name: text or "" for name, text in _pairs(value, option, between).items()}

    return read


def _labels(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    labels = {name: text or "" for name, text in _pairs(value, "labels").items()}
    own = {name: text for name, text in labels.items() if not name.startswith(_TAKEN)}
    if own:
        yield "label", own
    if own != labels:
        left.append(
            f"labels {', '.join(sorted(labels.keys() - own.keys()))}: stay with whoever starts the container"
        )


def _members(**options: str) -> Read:
    """Members of a mapping that are options each."""

    def read(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
        for member, one in _known(value, left, *options):
            yield options[member], one

    return read


def _known(value: Any, left: list[str], *members: str) -> Iterator[tuple[str, Any]]:
    for member, one in _map(value, " or ".join(members)).items():
        if member in members:
            yield member, one
        else:
            left.append(f"{member}: not taken from a Compose file")


def _map(value: Any, members: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Malformed(f"a mapping with {members} is expected where something else stands")
    return value


def _list(value: Any, member: str) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed(f"{member} must be a list")
    return value


def _ports(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    yield "publish", [_port(one) if isinstance(one, Mapping) else _text(one) for one in _list(value, "ports")]


def _port(port: Mapping[str, Any]) -> str:
    words = [_text(port[member]) for member in ("host_ip", "published") if port.get(member)]
    protocol = _text(port.get("protocol", "tcp"))
    return ":".join([*words, _text(port.get("target", ""))]) + ("" if protocol == "tcp" else f"/{protocol}")


def _ulimits(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    limits = {
        name: f"{_text(one.get('soft'))}:{_text(one.get('hard'))}" if isinstance(one, Mapping) else _text(one)
        for name, one in _map(value, "ulimits").items()
    }
    yield "ulimit", limits


def _grace(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    seconds, more = divmod(int(duration(0).parse("stop-timeout", value)), 10**9)
    if more:
        raise Malformed("stop_grace_period: run/stop-timeout takes whole seconds")
    yield "stop-timeout", Number(str(seconds))


def _deploy(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    for _, resources in _known(value, left, "resources"):
        for member, amounts in _known(resources, left, "limits", "reservations"):
            yield from _AMOUNTS[member](amounts, left)


_AMOUNTS: Mapping[str, Read] = {
    "limits": _members(cpus="cpus", memory="memory", pids="pids-limit"),
    "reservations": _members(memory="memory-reservation"),
}


def _network(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    if str(value).startswith("service:"):
        left.append(f"network_mode: {value} is a container that only the project knows")
    else:
        yield "network", value


def _volumes(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    volumes = _list(value, "volumes")
    binds = [one for one in volumes if isinstance(one, str) and _PATH.fullmatch(one)]
    if binds:
        yield "volume", binds
    if len(binds) < len(volumes):
        left.append(f"volumes: {len(volumes) - len(binds)} that are the project's own, or not in the short form")


def _health(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    for member, one in _known(value, left, "test", "disable", *_HEALTH):
        if member == "disable" or one == ["NONE"]:
            yield "no-healthcheck", True if member == "test" else one
        elif member != "test":
            yield _HEALTH[member], one
        elif isinstance(one, list):
            yield "health-cmd", _text(one[1]) if one[:1] == ["CMD-SHELL"] else [_text(word) for word in one[1:]]
        else:
            yield "health-cmd", one


_HEALTH: Mapping[str, str] = {
    member: f"health-{member.replace('_', '-')}"
    for member in ("interval", "timeout", "start_period", "start_interval", "retries")
}


def _hosts(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    listed = [_text(one).replace("=", ":", 1) for one in value] if isinstance(value, list) else None
    yield "add-host", listed or [f"{name}:{text}" for name, text in _pairs(value, "extra_hosts", ":").items()]


def _tmpfs(value: Any, left: list[str]) -> Iterator[tuple[str, Value]]:
    listed = value if isinstance(value, list) else [value]
    yield from _mapping("tmpfs", ":")(listed, left)


_READ: Mapping[str, Read] = {
    "ports": _ports,
    "ulimits": _ulimits,
    "stop_grace_period": _grace,
    "deploy": _deploy,
    "network_mode": _network,
    "volumes": _volumes,
    "healthcheck": _health,
    "logging": _members(driver="log-driver", options="log-opt"),
    "extra_hosts": _hosts,
    "tmpfs": _tmpfs,
    "labels": _labels,
    "sysctls": _mapping("sysctl"),
    "annotations": _mapping("annotation"),
}
