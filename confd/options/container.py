"""The options that a container is created with: a change needs a new one, and each host says which it lets in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Number, Value
from confd.options import places, texts
from confd.options.access import shares_network
from confd.options.option import Option, Place
from confd.options.places import host_in, host_of
from confd.options.texts import boolean, integer, load, matching, refusal, scalar, size

__all__ = ["CONTAINER"]

_PORT = re.compile(r"(?:(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{0,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?")


def _capability(text: str) -> str:
    return text.upper().removeprefix("CAP_")


def _command(name: str, value: Value) -> str:
    if isinstance(value, str):
        try:
            value = list(shlex.split(value))
        except ValueError as exc:
            raise refusal(name, "a command line with balanced quotes, or a list of words") from exc
    if not isinstance(value, Sequence) or not all(isinstance(item, (str, Number)) for item in value):
        raise refusal(name, "a command line, or a list of words")
    line = [str(item) for item in value]
    if any("\x00" in word for word in line):
        raise refusal(name, "words without a NUL character")
    return jsontext.dump(line)


def _workdir(name: str, value: Value) -> str:
    return jsontext.dump(places.clean_path(load(matching(r"/[^\x00-\x1f]*", "an absolute path")(name, value))))


def _hostname() -> Place:
    """Without the option the engine names it after its id, or after whoever it shares the network with."""
    place = places.config("Hostname", "")

    def read(inspect: Mapping[str, Any]) -> str | None:
        text = None if shares_network(inspect) else place.read(inspect)
        return None if text == jsontext.dump(str(inspect.get("Id", ""))[:12]) else text

    return Place(read, place.write, place.unset)


def _publish(name: str, value: Value) -> str:
    items = [value] if isinstance(value, (str, Number)) else value
    if not isinstance(items, Sequence):
        raise refusal(name, "a list of [ADDRESS:][HOSTPORT:]PORT[/udp]")
    ports: dict[str, list[dict[str, str]]] = {}
    for item in items:
        found = _PORT.fullmatch(scalar(item) or "")
        if found is None or not all(0 < int(p) < 65536 for p in (found[2], found[3]) if p):
            raise refusal(name, "a list of [ADDRESS:][HOSTPORT:]PORT[/udp], like 8080:80")
        bound = {"HostIp": found[1] or "", "HostPort": found[2] or ""}
        ports.setdefault(f"{int(found[3])}/{found[4] or 'tcp'}", []).append(bound)
    return jsontext.dump(_canonical_ports(ports))


def _canonical_ports(ports: Mapping[str, Any] | None) -> Value:
    """Sorted; a host port of 0 is one that the engine chooses, as no host port is."""
    canonical: dict[str, Value] = {}
    for port, bound in sorted((ports or {}).items()):
        both = {(b.get("HostIp") or "", (b.get("HostPort") or "").lstrip("0")) for b in bound or ()}
        canonical[port] = [{"HostIp": address, "HostPort": number} for address, number in sorted(both)]
    return canonical


def _ports() -> Place:
    """The bindings, and that each bound port is exposed."""
    place = places.host_place("PortBindings", None, lambda value: _canonical_ports(value) or None)

    def write(body: dict[str, Any], text: str) -> None:
        place.write(body, text)
        body["ExposedPorts"] = {**(body.get("ExposedPorts") or {}), **{port: {} for port in load(text)}}

    def unset(body: dict[str, Any]) -> None:
        bound = host_of(body).get("PortBindings") or {}
        exposed = {port: about for port, about in (body.get("ExposedPorts") or {}).items() if port not in bound}
        body["ExposedPorts"] = exposed or None
        place.unset(body)

    return Place(place.read, write, unset)


def _ulimit(name: str, value: Value) -> str:
    given: dict[str, str] = load(texts.pairs('an object like {"nofile": "1024:2048"}')(name, value))
    limits: dict[str, Value] = {}
    for limit, text in given.items():
        found = re.fullmatch(r"(-1|\d{1,18})(?::(-1|\d{1,18}))?", text)
        if found is None or not re.fullmatch(r"[a-z]+", limit):
            raise refusal(name, 'NAME=SOFT[:HARD] in whole numbers, an object like {"nofile": "1024:2048"}')
        soft, hard = int(found[1]), int(found[2] or found[1])
        if hard != -1 and (soft == -1 or soft > hard):
            raise refusal(name, f"a soft limit of {limit} that is at most the hard one")
        limits[limit] = [soft, hard]
    return jsontext.dump(limits)


def _ulimits() -> Place:
    def convert(value: Any) -> Value:
        return dict(sorted((one["Name"], [one["Soft"], one["Hard"]]) for one in value or ())) or None

    def stored(limits: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
        return [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in limits.items()]

    return places.host_place("Ulimits", None, convert, stored)


def _log(part: str, unset: Value, same: Value) -> Place:
    """A part of LogConfig; `same` is what an engine shows for one that is not set."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        found: Any = (host_of(inspect).get("LogConfig") or {}).get(part) or same
        if found == same:
            return None
        return jsontext.dump(dict(sorted(found.items())) if isinstance(found, Mapping) else found)

    def put(body: dict[str, Any], value: Any) -> None:
        host_in(body)["LogConfig"] = {**(host_of(body).get("LogConfig") or {}), part: value}

    return Place(read, lambda body, text: put(body, load(text)), lambda body: put(body, unset))


_CAPS = texts.words(r"[A-Za-z_]+", "capabilities like NET_ADMIN, a list or separated by commas", _capability)
_ADDRESSES = texts.listed(r"[0-9a-fA-F.:]+", "IP addresses, a list or separated by commas")
_HOSTS = texts.listed(r"[^\s:]+:[^\s]+", "NAME:ADDRESS, a list")
_SYSCTL = texts.pairs('an object like {"net.core.somaxconn": 1024}')
_TMPFS = texts.pairs('an object like {"/run": "size=64m"}')
_DRIVER = matching(r"[A-Za-z0-9][A-Za-z0-9_./:-]*", "a log driver's name, like json-file")
_LOG_OPT = texts.pairs('an object like {"max-size": "10m"}')
_USER = matching(r"[\w.-]+(:[\w.-]+)?", "USER or UID[:GROUP]")
_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", "a host name")
_SIGNAL = matching(r"(SIG)?[A-Z0-9+-]{1,10}", "a signal like SIGTERM")

CONTAINER = (
    Option("cap-add", "capabilities to add", _CAPS, places.words("CapAdd", _capability)),
    Option("cap-drop", "capabilities to drop", _CAPS, places.words("CapDrop", _capability)),
    Option("sysctl", "kernel parameters", _SYSCTL, places.pairs("Sysctls")),
    Option("tmpfs", "tmpfs mounts", _TMPFS, places.pairs("Tmpfs")),
    Option("ulimit", "limits of the process, NAME=SOFT[:HARD]", _ulimit, _ulimits()),
    Option("log-driver", "log driver", _DRIVER, _log("Type", "", "json-file")),
    Option("log-opt", "options of the log driver", _LOG_OPT, _log("Config", None, {})),
    Option("shm-size", "size of /dev/shm", size(1), places.host("ShmSize", 0, 64 * 1024 * 1024)),
    Option("read-only", "read-only root file system", boolean, places.host("ReadonlyRootfs", False)),
    Option("init", "an init process as PID 1", boolean, places.host("Init", None)),
    Option("user", "user and group", _USER, places.config("User", "")),
    Option("workdir", "working directory", _workdir, places.config("WorkingDir", "")),
    Option("hostname", "host name", _NAME, _hostname(), excludes=("uts",)),
    Option("stop-signal", "signal that stops it", _SIGNAL, places.config("StopSignal", None, "")),
    Option(
        "stop-timeout", "seconds to stop before it is killed", integer(0, 86400), places.config("StopTimeout", None)
    ),
    Option("dns", "name servers", _ADDRESSES, places.host("Dns", None, [])),
    Option("add-host", "entries of /etc/hosts", _HOSTS, places.host("ExtraHosts", None, [])),
    Option("publish", "published ports", _publish, _ports()),
    Option("entrypoint", "the program, before the command", _command, places.config("Entrypoint", None, [])),
    Option("command", "the command and its arguments", _command, places.config("Cmd", None, [])),
)
