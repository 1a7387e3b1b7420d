"""Which networks a container is in, and under which names, addresses and ports it is found there."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options import asked, places
from confd.options.option import Grammar, Option, Place
from confd.options.places import endpoints_in, host_in, host_of, labels_of, networks_of
from confd.options.texts import load, matching, quoted_words, refusal, words

__all__ = ["NETWORK", "is_users", "mode_of", "primary_of", "shares_network"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_MODE = rf"{_NAME}|container:{_NAME}"
_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_V6 = r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]+"
_OWN = ("default", "host", "none")

_RULE = (
    "a network's name, host, none, bridge or container:NAME; for several networks a list of such names and of "
    '{"name": ..., "alias": [...], "ip": ..., "ip6": ..., "link-local-ip": [...], "driver-opt": {...}} or '
    "name=...,alias=...,ip=...; alias and addresses of the first one are run/network-alias, run/ip, run/ip6 and "
    "run/link-local-ip"
)


# --- what a container is in -----------------------------------------------------------------------------------


def mode_of(host: Mapping[str, Any]) -> str:
    """The network mode, of which the engine's own `bridge` and none at all are the same."""
    mode = str(host.get("NetworkMode") or "default")
    return "default" if mode == "bridge" else mode


def is_users(mode: str) -> bool:
    """Whether the network is one that users made: only there containers have aliases and chosen addresses."""
    return mode not in (*_OWN, "bridge") and not mode.startswith("container:")


def shares_network(inspect: Mapping[str, Any]) -> bool:
    """Whether its network, and with that its host name, is the host's or another container's."""
    mode = mode_of(host_of(inspect))
    return mode == "host" or mode.startswith("container:")


def primary_of(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    """The endpoint in the network that the mode names, empty where there is none."""
    mode = mode_of(host_of(inspect))
    networks = networks_of(inspect)
    by_id = (one for one in networks.values() if one and mode == one.get("NetworkID"))
    return networks.get(_name_of(mode)) or next(by_id, None) or {}


# --- several networks -----------------------------------------------------------------------------------------

_MEMBERS: Mapping[str, str] = {"alias": _NAME, "ip": _V4, "ip6": _V6, "link-local-ip": f"{_V4}|{_V6}"}
_LISTS = ("alias", "link-local-ip")


def _networks(name: str, value: Value) -> str:
    given = [value] if isinstance(value, (str, Mapping)) else value
    if not isinstance(given, Sequence) or not given:
        raise refusal(name, _RULE)
    found = [_network(name, one) for one in given]
    names = [one["name"] for one in found]
    alone = any(not is_users(one) for one in names[1:]) or not (is_users(names[0]) or names[0] == "bridge")
    if len(found[0]) > 1 or len(set(names)) < len(names) or (alone and len(found) > 1):
        raise refusal(name, _RULE)
    return jsontext.dump(
        names[0] if len(found) == 1 else [found[0], *sorted(found[1:], key=lambda one: one["name"])]
    )


def _network(name: str, value: Value) -> dict[str, Any]:
    asked_for = _from_words(name, value) if isinstance(value, str) else value
    if not isinstance(asked_for, Mapping) or not re.fullmatch(_MODE, str(asked_for.get("name", ""))):
        raise refusal(name, _RULE)
    found: dict[str, Any] = {"name": str(asked_for["name"])}
    if asked_for.keys() - {"name", "driver-opt", *_MEMBERS}:
        raise refusal(name, _RULE)
    for member, pattern in _MEMBERS.items():
        texts = asked_for.get(member, [])
        texts = [texts] if isinstance(texts, str) else texts
        if not isinstance(texts, Sequence) or not all(
            isinstance(text, str) and re.fullmatch(pattern, text) for text in texts
        ):
            raise refusal(name, _RULE)
        if texts:
            found[member] = sorted(set(texts)) if member in _LISTS else texts[0]
    options = asked_for.get("driver-opt") or {}
    if not isinstance(options, Mapping) or not all(isinstance(text, str) for text in options.values()):
        raise refusal(name, _RULE)
    return {**found, **({"driver-opt": dict(sorted(options.items()))} if options else {})}


def _from_words(name: str, text: str) -> dict[str, Any]:
    """`name=front,alias=web,alias=api`, or a name alone."""
    if "=" not in text:
        return {"name": text}
    found: dict[str, Any] = {}
    for word in quoted_words(name, text, _RULE):
        member, _, its = word.partition("=")
        if member in _LISTS:
            found.setdefault(member, []).append(its)
        elif member == "driver-opt":
            option, _, its = its.partition("=")
            found.setdefault(member, {})[option] = its
        elif member in found:
            raise refusal(name, _RULE)
        else:
            found[member] = its
    return found


def _endpoint(network: Mapping[str, Any]) -> dict[str, Any]:
    addresses = {
        field: network[member]
        for member, field in (("ip", "IPv4Address"), ("ip6", "IPv6Address"), ("link-local-ip", "LinkLocalIPs"))
        if member in network
    }
    made = {"IPAMConfig": addresses, "Aliases": network.get("alias"), "DriverOpts": network.get("driver-opt")}
    return {field: its for field, its in made.items() if its}


def _seen(name: str, endpoint: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """A network of an inspect as the grammar has it."""
    addresses = endpoint.get("IPAMConfig") or {}
    found = {
        "name": name,
        "alias": sorted(set(endpoint.get("Aliases") or ()) - set(own)),
        "ip": addresses.get("IPv4Address"),
        "ip6": addresses.get("IPv6Address"),
        "link-local-ip": sorted(addresses.get("LinkLocalIPs") or ()),
        "driver-opt": dict(sorted((endpoint.get("DriverOpts") or {}).items())),
    }
    return {member: its for member, its in found.items() if its}


def _own_names(inspect: Mapping[str, Any]) -> frozenset[str]:
    """The aliases that a container has by itself: the beginning of its id, its host name, and one of a swap."""
    hostname, named = (inspect.get("Config") or {}).get("Hostname"), labels_of(inspect).get(asked.NAMED)
    return frozenset({str(inspect.get("Id") or "")[:12], str(hostname or ""), str(named or "")})


def _read(inspect: Mapping[str, Any]) -> str | None:
    """Networks beyond the first are seen where they were asked for: others belong to whoever connected them."""
    labels, networks = labels_of(inspect), networks_of(inspect)
    asked_for = sorted(asked.asked_of(labels, "network").keys() & networks.keys())
    further: list[Value] = [_seen(one, networks[one] or {}, _own_names(inspect)) for one in asked_for]
    first = _as_asked(labels, "network", mode_of(host_of(inspect)))
    first = "bridge" if first == "default" else first
    if further:
        return jsontext.dump([{"name": first}, *further])
    return None if first == "bridge" else jsontext.dump(first)


def _write(body: dict[str, Any], text: str) -> None:
    networks = load(text)
    first, *further = [{"name": networks}] if isinstance(networks, str) else networks
    endpoints, former = endpoints_in(body), _name_of(mode_of(host_of(body)))
    if former != first["name"]:
        endpoints.pop(former, None)
    host_in(body)["NetworkMode"] = first["name"]
    asked.remember(body, "modes", _named(body, "network", first["name"]))
    if is_users(first["name"]):
        endpoints.setdefault(first["name"], {})
    asked.remember(body, "network", {one["name"]: endpoints.get(one["name"]) for one in further})
    endpoints.update({one["name"]: _endpoint(one) for one in further})


def _unset(body: dict[str, Any]) -> None:
    endpoints = endpoints_in(body)
    if shares_network(body):
        body["Hostname"] = ""  # it was found, and goes with the network
    endpoints.pop(_name_of(mode_of(host_of(body))), None)
    for name, former in asked.asked_of(body.get("Labels"), "network").items():
        endpoints.pop(name, None)
        if former is not None:
            endpoints[name] = former
    asked.remember(body, "network", {})
    asked.remember(body, "modes", _named(body, "network", ""))
    host_in(body)["NetworkMode"] = "default"


def _name_of(mode: str) -> str:
    return "bridge" if mode == "default" else mode


def _as_asked(labels: Mapping[str, Any], name: str, mode: str) -> str:
    """The mode as it was written: the engine puts a container's id where its name was."""
    return str(asked.asked_of(labels, "modes").get(name) or mode) if mode.startswith("container:") else mode


def _named(body: Mapping[str, Any], name: str, mode: str) -> dict[str, Any]:
    """The modes that are remembered, with this one where it names a container."""
    known = {one: its for one, its in asked.asked_of(body.get("Labels"), "modes").items() if one != name}
    return {**known, **({name: mode} if mode.startswith("container:") else {})}


def namespace(field: str, name: str, *same: str) -> Place:
    """A namespace of HostConfig that may be another container's."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        mode = str(host_of(inspect).get(field) or "")
        return None if mode in ("", *same) else jsontext.dump(_as_asked(labels_of(inspect), name, mode))

    def write(body: dict[str, Any], text: str) -> None:
        host_in(body)[field] = load(text)
        asked.remember(body, "modes", _named(body, name, load(text)))

    def unset(body: dict[str, Any]) -> None:
        host_in(body)[field] = ""
        asked.remember(body, "modes", _named(body, name, ""))

    return Place(read, write, unset)


def _displaced(text: str) -> Collection[str]:
    """What a container's own network gave it, or what the engine refuses in this one."""
    networks = load(text)
    mode = networks if isinstance(networks, str) else str(networks[0]["name"])
    addressed = {"ip", "ip6", "link-local-ip", "link"}
    if is_users(mode):
        return addressed
    found = {*addressed, "network-alias"}
    if mode == "host" or mode.startswith("container:"):
        found |= {"hostname", "publish", "publish-all", "mac-address"}
    if mode.startswith("container:"):
        found |= {"domainname", "expose", "dns", "add-host"}
    return found


# --- the first network ----------------------------------------------------------------------------------------


def _first(body: dict[str, Any]) -> dict[str, Any]:
    """The endpoint of a body in the network that its mode names, to be changed."""
    endpoints, name = endpoints_in(body), _name_of(mode_of(host_of(body)))
    found: dict[str, Any] = endpoints.get(name) or {}
    endpoints[name] = found
    return found


def _first_place(
    seen: Callable[[Mapping[str, Any], Collection[str]], Value],
    put: Callable[[dict[str, Any], Any], None],
    nothing: Value,
) -> Place:
    def read(inspect: Mapping[str, Any]) -> str | None:
        value = seen(primary_of(inspect), _own_names(inspect))
        return jsontext.dump(value) if value else None

    def unset(body: dict[str, Any]) -> None:
        if _name_of(mode_of(host_of(body))) in endpoints_in(body):
            put(_first(body), nothing)

    return Place(read, lambda body, text: put(_first(body), load(text)), unset)


def _aliases(endpoint: Mapping[str, Any], own: Collection[str]) -> Value:
    return sorted(set(endpoint.get("Aliases") or ()) - set(own))


def _put_aliases(endpoint: dict[str, Any], aliases: Any) -> None:
    endpoint["Aliases"] = aliases


def _address(field: str, nothing: Value) -> Place:
    def put(endpoint: dict[str, Any], address: Any) -> None:
        addresses = {**(endpoint.get("IPAMConfig") or {}), field: address}
        endpoint["IPAMConfig"] = {one: its for one, its in addresses.items() if its} or None

    return _first_place(lambda endpoint, _: (endpoint.get("IPAMConfig") or {}).get(field), put, nothing)


def _links() -> Place:
    """In the engine's own network they stand with the host's options, in any other with its endpoint."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        given = host_of(inspect).get("Links") or primary_of(inspect).get("Links") or ()
        found = (str(one).split(":") for one in given)
        links = sorted(f"{one[0].lstrip('/')}:{one[-1].rpartition('/')[2]}" for one in found)
        return jsontext.dump(links) if links else None

    def write(body: dict[str, Any], text: str) -> None:
        if is_users(mode_of(host_of(body))):
            _first(body)["Links"] = load(text)
        else:
            host_in(body)["Links"] = load(text)

    def unset(body: dict[str, Any]) -> None:
        host_in(body)["Links"] = None
        if is_users(mode_of(host_of(body))):
            _first(body)["Links"] = None

    return Place(read, write, unset)


def _mac(text: str) -> str:
    return text.lower().replace("-", ":")


_WITH_NETWORK = ("network",)
_LINK = words(
    rf"{_NAME}(:{_NAME})?", "a list of CONTAINER[:ALIAS]", lambda text: text if ":" in text else f"{text}:{text}"
)

NETWORK = (
    Option(
        "network",
        "the networks it is in",
        Grammar(_networks, {"type": ["string", "object", "array"], "minItems": 1}),
        Place(_read, _write, _unset),
        ("none", "container:db", ["front", {"name": "back", "alias": ["api"], "ip": "172.30.0.9"}]),
        displaces=_displaced,
    ),
    Option(
        "network-alias",
        "further names of it in its first network",
        words(_NAME, "names, a list or separated by commas"),
        _first_place(_aliases, _put_aliases, None),
        (["web", "api"],),
        follows=_WITH_NETWORK,
    ),
    Option(
        "ip",
        "its address in its first network",
        matching(_V4, "an IPv4 address"),
        _address("IPv4Address", None),
        ("172.30.0.9",),
        follows=_WITH_NETWORK,
    ),
    Option(
        "ip6",
        "its IPv6 address in its first network",
        matching(_V6, "an IPv6 address", str.lower),
        _address("IPv6Address", None),
        ("fd00::9",),
        follows=_WITH_NETWORK,
    ),
    Option(
        "link-local-ip",
        "its link-local addresses in its first network",
        words(f"{_V4}|{_V6}", "IP addresses, a list or separated by commas"),
        _address("LinkLocalIPs", None),
        (["169.254.3.3"],),
        follows=_WITH_NETWORK,
    ),
    Option("link", "legacy links to other containers", _LINK, _links(), (["db:database"],), follows=_WITH_NETWORK),
    Option(
        "mac-address",
        "its hardware address",
        matching(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}", "six pairs like 02:42:ac:11:00:09", _mac),
        places.config("MacAddress", None, ""),
        ("02:42:ac:11:00:09",),
    ),
)
