"""Run options that need a new container, and that a host has to allow (`--allow-run`)."""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confd.errors import Invalid
from confd.jsontext import Value
from confd.options import grammar
from confd.options.grammar import canonical
from confd.options.limits import Option, section

__all__ = ["OTHERS"]

LABEL_PREFIX = "confd."


def _option(
    name: str,
    doc: str,
    parse: Callable[[Value, str], object],
    codec: tuple[Callable[[Mapping[str, Any]], object], Callable[[dict[str, Any], Any], None]],
    default: str | None = None,
) -> Option:
    """An option from functions over plain values; what reads as false is the engine's default."""
    find, put = codec

    def read(inspect: Mapping[str, Any]) -> str | None:
        found = find(inspect)
        return None if found in (None, "", False) or found == [] or found == {} else canonical(found)

    def write(body: dict[str, Any], text: str) -> None:
        put(body, json.loads(text))

    return Option(
        name, doc, False, False, lambda value: canonical(parse(value, f"run/{name}")), read, write, default
    )


def _host(
    field: str, find: Callable[[Any], object] = lambda v: v, put: Callable[[Any], object] = lambda v: v
) -> tuple[Callable[[Mapping[str, Any]], object], Callable[[dict[str, Any], Any], None]]:
    def write(body: dict[str, Any], value: Any) -> None:
        body.setdefault("HostConfig", {})[field] = put(value)

    return (lambda inspect: find(section(inspect).get(field))), write


def _config(
    field: str, find: Callable[[Any], object] = lambda v: v, put: Callable[[Any], object] = lambda v: v
) -> tuple[Callable[[Mapping[str, Any]], object], Callable[[dict[str, Any], Any], None]]:
    def write(body: dict[str, Any], value: Any) -> None:
        body[field] = put(value)

    return (lambda inspect: find((inspect.get("Config") or {}).get(field))), write


def _text(pattern: str, accepted: str) -> Callable[[Value, str], str]:
    def parse(value: Value, what: str) -> str:
        found = grammar.text(value, what, accepted)
        if not re.fullmatch(pattern, found):
            raise Invalid(f"{what}: use {accepted}")
        return found

    return parse


def _pairs(pattern: str, accepted: str, between: str = "=") -> Callable[[Value, str], dict[str, str]]:
    def parse(value: Value, what: str) -> dict[str, str]:
        found = grammar.pairs(value, what, between, accepted)
        if not all(re.fullmatch(pattern, name) for name in found):
            raise Invalid(f"{what}: use {accepted}")
        return found

    return parse


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _capabilities(value: Value, what: str) -> list[str]:
    found = {_capability(item) for item in grammar.items(value, what, "capabilities like NET_ADMIN")}
    if not all(re.fullmatch(r"[A-Z][A-Z_]*", name) for name in found):
        raise Invalid(f"{what}: use a list of capabilities like NET_ADMIN, or ALL")
    return sorted(found)


def _read_capabilities(names: Sequence[str] | None) -> list[str]:
    return sorted({_capability(name) for name in names or ()})


def _ulimits(value: Value, what: str) -> dict[str, list[int]]:
    accepted = "NAME=SOFT[:HARD], like nofile=1024:2048"
    found: dict[str, list[int]] = {}
    for name, limits in grammar.pairs(value, what, "=", accepted).items():
        match = re.fullmatch(r"(-1|[0-9]{1,18})(?::(-1|[0-9]{1,18}))?", limits)
        if match is None or not re.fullmatch(r"[a-z]+", name):
            raise Invalid(f"{what}: use {accepted}")
        soft, hard = int(match.group(1)), int(match.group(2) or match.group(1))
        if hard != -1 and (soft == -1 or soft > hard):
            raise Invalid(f"{what}: {name}: the soft limit has to be at most the hard one")
        found[name] = [soft, hard]
    return found


def _addresses(value: Value, what: str) -> list[str]:
    return [_address(item, what) for item in grammar.items(value, what, "IP addresses")]


def _address(text: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError as exc:
        raise Invalid(f"{what}: use IP addresses, like 10.0.0.1") from exc


def _hosts(value: Value, what: str) -> list[str]:
    accepted = "NAME:ADDRESS, like db:10.0.0.2 or gate:host-gateway"
    found = set()
    if isinstance(value, Mapping):
        value = [f"{name}:{address}" for name, address in value.items()]
    for item in grammar.items(value, what, accepted):
        name, _, address = item.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise Invalid(f"{what}: use {accepted}")
        found.add(f"{name}:{address if address == 'host-gateway' else _address(address, what)}")
    return sorted(found)


def _labels(value: Value, what: str) -> dict[str, str]:
    found = grammar.pairs(value, what, "=", "NAME=VALUE, or an object of strings")
    for name in found:
        if name.startswith(LABEL_PREFIX):
            raise Invalid(f"{what}: the labels {LABEL_PREFIX}* belong to the owner and the agent; use others")
    return found


def _read_labels(labels: Mapping[str, str] | None) -> dict[str, str]:
    return {name: text for name, text in (labels or {}).items() if not name.startswith(LABEL_PREFIX)}


def _write_labels(body: dict[str, Any], labels: Mapping[str, str]) -> None:
    body["Labels"] = {**(body.get("Labels") or {}), **labels}


def _log_part(part: str, default: object) -> tuple[Any, Any]:
    def read(inspect: Mapping[str, Any]) -> object:
        found = (section(inspect).get("LogConfig") or {}).get(part)
        return None if found == default else found

    def write(body: dict[str, Any], value: Any) -> None:
        host = body.setdefault("HostConfig", {})
        host["LogConfig"] = {**(host.get("LogConfig") or {}), part: value}

    return read, write


_PORT = re.compile(
    r"(?:(?:(?P<ip>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<host>[0-9]{0,5}):)?(?P<port>[0-9]{1,5})(?:/(?P<proto>tcp|udp|sctp))?"
)


def _ports(value: Value, what: str) -> list[str]:
    accepted = "[[IP:]HOSTPORT:]PORT[/tcp|udp|sctp], like 8080:80 or 127.0.0.1:53:53/udp, one port each"
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        value = str(grammar.text(value, what, accepted))
    found = set()
    for item in grammar.items(value, what, accepted):
        match = _PORT.fullmatch(item)
        if match is None or not 1 <= int(match["port"]) <= 65535 or int(match["host"] or 0) > 65535:
            raise Invalid(f"{what}: use {accepted}")
        address = _address(match["ip"], what) if match["ip"] else ""
        found.add(_port(address, match["host"] or "", f"{int(match['port'])}/{match['proto'] or 'tcp'}"))
    return sorted(found)


def _port(address: str, host_port: str, port: str) -> str:
    number = str(int(host_port)) if host_port.isdigit() and int(host_port) else ""
    shown = f"[{address}]" if ":" in address else address
    return f"{shown}:{number}:{port}" if address else f"{number}:{port}" if number else port


def _read_ports(inspect: Mapping[str, Any]) -> list[str]:
    bindings = section(inspect).get("PortBindings") or {}
    return sorted(
        _port(one.get("HostIp") or "", one.get("HostPort") or "", port)
        for port, ones in bindings.items()
        for one in ones or ({},)
    )


def _write_ports(body: dict[str, Any], ports: Sequence[str]) -> None:
    bindings: dict[str, list[dict[str, str]]] = {}
    for item in ports:
        rest, _, port = item.rpartition(":")
        address, _, host_port = rest.rpartition(":")
        bindings.setdefault(port, []).append({"HostIp": address.strip("[]"), "HostPort": host_port})
    body.setdefault("HostConfig", {})["PortBindings"] = bindings
    body["ExposedPorts"] = {**(body.get("ExposedPorts") or {}), **{port: {} for port in bindings}}


def _command(value: Value, what: str) -> list[str]:
    accepted = "a list of strings, or a string that is split as a shell does"
    if isinstance(value, str):
        try:
            value = list(shlex.split(value))
        except ValueError as exc:
            raise Invalid(f"{what}: use {accepted}; a quote is not closed") from exc
    if not isinstance(value, Sequence) or not value:
        raise Invalid(f"{what}: use {accepted}")
    found = [item if isinstance(item, str) else grammar.text(item, what, accepted) for item in value]
    if any("\x00" in item for item in found):
        raise Invalid(f"{what}: an argument holds a NUL character; remove it")
    return found


def _read_hostname(inspect: Mapping[str, Any]) -> str | None:
    name: str = (inspect.get("Config") or {}).get("Hostname") or ""
    return None if name == str(inspect.get("Id", ""))[:12] else name


def _stop_seconds(value: Value, what: str) -> int:
    found = grammar.seconds(value, what)
    if found != int(found):
        raise Invalid(f"{what}: use whole seconds, like 10s")
    return int(found)


def _read_signal(name: str | None) -> str | None:
    return name.upper().removeprefix("SIG") if name else None


def _read_ulimits(limits: Sequence[Mapping[str, Any]] | None) -> dict[str, list[int]]:
    return {one["Name"]: [one["Soft"], one["Hard"]] for one in limits or ()}


def _write_ulimits(limits: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in limits.items()]


_SYSCTL = _pairs(r"[a-z0-9_]+([./][A-Za-z0-9_-]+)+", "NAME=VALUE, like net.core.somaxconn=1024")
_TMPFS = _pairs(r"/[^:]*", "/PATH[:OPTIONS], like /run:size=64m", ":")
_ANY = _pairs(r"[A-Za-z0-9_.-]+", "NAME=VALUE, like max-size=10m")
_HOSTNAME = _text(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?", "a host name of at most 63 characters")
_USER = _text(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)?", "USER or USER:GROUP, names or numbers")
_WORKDIR = _text(r"/[^\x00]*", "an absolute path")
_DRIVER = _text(r"[A-Za-z0-9][A-Za-z0-9_./:-]*", "a log driver's name, like json-file")
_SHM = "67108864"

OTHERS: tuple[Option, ...] = (
    _option("cap-add", "capabilities added", _capabilities, _host("CapAdd", _read_capabilities)),
    _option("cap-drop", "capabilities dropped", _capabilities, _host("CapDrop", _read_capabilities)),
    _option("ulimit", "NAME=SOFT[:HARD]", _ulimits, _host("Ulimits", _read_ulimits, _write_ulimits)),
    _option("sysctl", "kernel parameters of its namespaces", _SYSCTL, _host("Sysctls")),
    _option("tmpfs", "tmpfs mounts, /PATH[:OPTIONS]", _TMPFS, _host("Tmpfs")),
    _option("shm-size", "size of /dev/shm, like 64m", grammar.size, _host("ShmSize"), _SHM),
    _option("read-only", "root file system read-only", grammar.flag, _host("ReadonlyRootfs"), "false"),
    _option("init", "an init process in the container", grammar.flag, _host("Init"), "false"),
    _option("user", "USER[:GROUP]", _USER, _config("User")),
    _option("workdir", "working directory", _WORKDIR, _config("WorkingDir")),
    _option("hostname", "host name", _HOSTNAME, (_read_hostname, _config("Hostname")[1])),
    _option("stop-signal", "signal that stops it", grammar.signal, _config("StopSignal", _read_signal), '"TERM"'),
    _option("stop-timeout", "seconds before it is killed", _stop_seconds, _config("StopTimeout")),
    _option("dns", "DNS servers", _addresses, _host("Dns")),
    _option("add-host", "NAME:ADDRESS in /etc/hosts", _hosts, _host("ExtraHosts", lambda v: sorted(v or ()))),
    _option(
        "label", "labels", _labels, (lambda i: _read_labels((i.get("Config") or {}).get("Labels")), _write_labels)
    ),
    _option("log-driver", "log driver", _DRIVER, _log_part("Type", "json-file"), '"json-file"'),
    _option("log-opt", "options of the log driver", _ANY, _log_part("Config", {})),
    _option("publish", "[[IP:]HOSTPORT:]PORT[/PROTO]", _ports, (_read_ports, _write_ports)),
    _option("command", "command and arguments", _command, _config("Cmd")),
)
