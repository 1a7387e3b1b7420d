"""How a container is found and what it finds: its ports and host name, its name servers and hosts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Number, Value
from confd.options import asked, places, texts
from confd.options.network import shares_network
from confd.options.option import Grammar, Option, Place
from confd.options.places import host_of, labels_of
from confd.options.texts import TEXTS, boolean, items, load, matching, refusal, scalar

__all__ = ["EXPOSED"]

_PROTOCOL = r"(?:/(tcp|udp|sctp))?"
_RANGE = r"\d{1,5}(?:-\d{1,5})?"
_PUBLISH = re.compile(
    rf"(?:(?:(\d{{1,3}}(?:\.\d{{1,3}}){{3}}|\[[0-9a-fA-F:.]+\]):)?((?:{_RANGE})?):)?({_RANGE}){_PROTOCOL}"
)
_EXPOSE = re.compile(f"({_RANGE}){_PROTOCOL}")
_PUBLISH_RULE = "a list of [ADDRESS:][HOSTPORT:]PORT[/udp], like 8080:80; ports may be ranges like 8000-8009"
_EXPOSE_RULE = "a list of PORT[/udp], like 80; ports may be ranges like 8000-8009"


def _publish(name: str, value: Value) -> str:
    items = [value] if isinstance(value, (str, Number)) else value
    if not isinstance(items, Sequence):
        raise refusal(name, _PUBLISH_RULE)
    ports: dict[str, list[dict[str, str]]] = {}
    for item in items:
        found = _PUBLISH.fullmatch(scalar(item) or "")
        if found is None:
            raise refusal(name, _PUBLISH_RULE)
        address, protocol = (found[1] or "").strip("[]"), found[4] or "tcp"
        for host_port, port in _pairs(name, found[2] or "", found[3]):
            ports.setdefault(f"{port}/{protocol}", []).append({"HostIp": address, "HostPort": host_port})
    return jsontext.dump(_canonical_ports(ports))


def _pairs(name: str, on_host: str, in_container: str) -> Iterator[tuple[str, int]]:
    """Host port and port: one range to the other, or a range of the host to choose one port from."""
    inner = _range(name, in_container, _PUBLISH_RULE)
    outer = _range(name, on_host, _PUBLISH_RULE) if on_host else None
    if outer is None:
        yield from (("", port) for port in inner)
    elif len(outer) == len(inner):
        yield from zip(map(str, outer), inner, strict=True)
    elif len(inner) == 1:
        yield f"{outer[0]}-{outer[-1]}", inner[0]
    else:
        raise refusal(name, "two ranges of ports that are of one length, or one port of the container")


def _range(name: str, text: str, rule: str) -> range:
    low, _, high = text.partition("-")
    first, last = int(low), int(high or low)
    if not 0 < first <= last < 65536:
        raise refusal(name, rule)
    return range(first, last + 1)


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


def _expose(name: str, value: Value) -> str:
    found = {port for item in _texts(name, value) for port in _exposed(name, item)}
    return jsontext.dump(sorted(found))


def _texts(name: str, value: Value) -> list[str]:
    numbers = [value] if isinstance(value, Number) else value
    given = (
        [str(one) if isinstance(one, Number) else one for one in numbers] if isinstance(numbers, list) else numbers
    )
    return items(name, given, _EXPOSE_RULE)


def _exposed(name: str, text: str) -> Iterator[str]:
    found = _EXPOSE.fullmatch(text)
    if found is None:
        raise refusal(name, _EXPOSE_RULE)
    yield from (f"{port}/{found[2] or 'tcp'}" for port in _range(name, found[1], _EXPOSE_RULE))


def _expose_place() -> Place:
    """Those beside what the image and published ports expose by themselves."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        exposed = (inspect.get("Config") or {}).get("ExposedPorts") or {}
        found = sorted(asked.asked_of(labels_of(inspect), "expose").keys() & exposed.keys())
        return jsontext.dump(found) if found else None

    def write(body: dict[str, Any], text: str) -> None:
        exposed = body.get("ExposedPorts") or {}
        asked.remember(body, "expose", {port: port in exposed for port in load(text)})
        body["ExposedPorts"] = {**exposed, **{port: {} for port in load(text)}} or None

    def unset(body: dict[str, Any]) -> None:
        added = {port for port, there in asked.asked_of(body.get("Labels"), "expose").items() if not there}
        kept = {port: its for port, its in (body.get("ExposedPorts") or {}).items() if port not in added}
        body["ExposedPorts"] = kept or None
        asked.remember(body, "expose", {})

    return Place(read, write, unset)


def _hostname() -> Place:
    """Without the option the engine names it after its id, or after whoever it shares the network with."""
    place = places.config("Hostname", "")

    def read(inspect: Mapping[str, Any]) -> str | None:
        text = None if shares_network(inspect) else place.read(inspect)
        return None if text == jsontext.dump(str(inspect.get("Id", ""))[:12]) else text

    return Place(read, place.write, place.unset)


def _domainname() -> Place:
    """That of a container in another's network is the other's."""
    place = places.config("Domainname", "", None)

    def read(inspect: Mapping[str, Any]) -> str | None:
        follows = str(host_of(inspect).get("NetworkMode") or "").startswith("container:")
        return None if follows else place.read(inspect)

    return Place(read, place.write, place.unset)


_ADDRESSES = texts.listed(r"[0-9a-fA-F.:]+", "IP addresses, a list or separated by commas")
_DOMAINS = texts.listed(r"\.|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", "domains, a list or separated by commas")
_DNS_OPTIONS = texts.listed(r"[a-z0-9-]+(:\d+)?", "options of a resolver like ndots:2, a list")
_HOSTS = texts.listed(r"[^\s:]+:[^\s]+", "NAME:ADDRESS, a list")
_HOST_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", "a host name")
_DOMAIN = matching(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}", "a domain")

EXPOSED = (
    Option("hostname", "host name", _HOST_NAME, _hostname(), ("box",), excludes=("uts",)),
    Option("domainname", "domain of its host name", _DOMAIN, _domainname(), ("example.org",)),
    Option("dns", "name servers", _ADDRESSES, places.host("Dns", None, []), (["10.0.0.2", "10.0.0.1"],)),
    Option(
        "dns-search",
        "domains to search",
        _DOMAINS,
        places.host("DnsSearch", None, []),
        (["a.example", "b.example"],),
    ),
    Option(
        "dns-option", "options of the resolver", _DNS_OPTIONS, places.host("DnsOptions", None, []), (["ndots:2"],)
    ),
    Option(
        "add-host",
        "entries of /etc/hosts",
        _HOSTS,
        places.host("ExtraHosts", None, []),
        (["db:10.0.0.2", "cache:10.0.0.3"],),
    ),
    Option(
        "publish",
        "published ports",
        Grammar(
            _publish, {"anyOf": [{"type": ["string", "number", "array"], "items": {"type": ["string", "number"]}}]}
        ),
        _ports(),
        (["127.0.0.1:8080:80", "53/udp"], "8080:80"),
    ),
    Option(
        "publish-all",
        "a port of the host for each exposed one",
        boolean,
        places.host("PublishAllPorts", False),
        (True,),
    ),
    Option(
        "expose",
        "ports beside those that are published or that the image exposes",
        Grammar(_expose, {"anyOf": [*TEXTS["anyOf"], {"type": ["number", "array"]}]}),
        _expose_place(),
        (["9000", "9100-9102/udp"],),
        follows=("publish",),
    ),
)
