"""Options that contradict each other, with the reason that the engine gives, or for which it passes one over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confd.options.mounts import targets_of
from confd.options.network import is_users
from confd.options.registry import OPTIONS
from confd.options.texts import load

__all__ = ["Contradiction", "contradictions"]

Contradiction = tuple[tuple[str, ...], str]
"""The options' names, and why they cannot be together."""

Options = Mapping[str, str]


def contradictions(options: Options) -> Iterator[Contradiction]:
    """Each once, whatever order the options are in."""
    for name in options:
        for other in sorted(set(OPTIONS[name].excludes) & options.keys()):
            if other < name:  # each pair once
                yield (name, other), "exclude each other; keep one of them"
    for rule in (_memory, _realtime, _shared_network, _addresses, _namespaces, _sysctls, _logging):
        yield from rule(options)
    yield from _mounted_twice(options)


def _number(options: Options, name: str, default: int = 0) -> int:
    return int(options.get(name, default))


def _memory(options: Options) -> Iterator[Contradiction]:
    memory, swap = _number(options, "memory"), _number(options, "memory-swap")
    if swap > 0 and not memory:
        yield ("memory-swap", "memory"), "go together: set run/memory as well, or run/memory-swap to -1"
    elif 0 < swap < memory:
        yield ("memory-swap", "memory"), "contradict: swap counts memory too and must not be less"
    if 0 < memory < _number(options, "memory-reservation"):
        yield ("memory-reservation", "memory"), "contradict: the reservation must not be more"


def _realtime(options: Options) -> Iterator[Contradiction]:
    if _number(options, "cpu-rt-runtime") > _number(options, "cpu-rt-period", 2**63):
        names = ("cpu-rt-runtime", "cpu-rt-period")
        yield names, "contradict: cpu real-time runtime cannot be higher than cpu real-time period"


def _mode(options: Options) -> str:
    """The mode of the first network, `default` where none is set."""
    networks = load(options["network"]) if "network" in options else "default"
    return networks if isinstance(networks, str) else str(networks[0]["name"])


_OTHERS = "in another container's network"
_HOSTS = "on the host's network"

_IN_NETWORK: tuple[tuple[str, str, str], ...] = (
    ("hostname", "it has the other's name", "it has the host's name"),
    ("domainname", "it has the other's domain", ""),
    ("publish", "ports are published by the container whose network it is", "published ports are discarded"),
    ("publish-all", "ports are published by the container whose network it is", "published ports are discarded"),
    ("expose", "ports are exposed by the container whose network it is", ""),
    ("dns", "it has the other's name servers", ""),
    ("add-host", "it has the other's hosts", ""),
    ("mac-address", "it has the other's address", "it has the host's address"),
    ("link", "links mean nothing there", "links mean nothing there"),
)
"""What the engine refuses, or discards: the option, why where the network is another container's, or the host's."""


def _shared_network(options: Options) -> Iterator[Contradiction]:
    mode = _mode(options)
    for name, others, hosts in _IN_NETWORK:
        why = others if mode.startswith("container:") else hosts if mode == "host" else ""
        where = _OTHERS if mode.startswith("container:") else _HOSTS
        if why and name in options and options[name] != "false":
            yield (name, "network"), f"contradict: {where} {why}"


def _addresses(options: Options) -> Iterator[Contradiction]:
    if "network" not in options or is_users(_mode(options)):
        return
    for name in ("ip", "ip6", "link-local-ip"):
        if name in options:
            yield (name, "network"), "contradict: an address is chosen in networks that users made only"
    if "network-alias" in options:
        yield ("network-alias", "network"), "contradict: aliases are for networks that users made only"


def _namespaces(options: Options) -> Iterator[Contradiction]:
    ipc = load(options["ipc"]) if "ipc" in options else ""
    if "shm-size" in options and (ipc in ("host", "none") or ipc.startswith("container:")):
        why = "it has none" if ipc == "none" else "it has the other's /dev/shm, and the engine passes the size over"
        yield ("shm-size", "ipc"), f"contradict: {why}"


def _sysctls(options: Options) -> Iterator[Contradiction]:
    names = load(options["sysctl"]) if "sysctl" in options else {}
    shared: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
        ("network", "network", lambda one: one.startswith("net.")),
        ("ipc", "ipc", lambda one: one != "kernel.domainname" and not one.startswith("net.")),
        ("uts", "uts", lambda one: one == "kernel.domainname"),
    )
    for option, namespace, concerns in shared:
        found = [one for one in names if concerns(one)]
        if found and options.get(option) == '"host"':
            yield ("sysctl", option), f"contradict: {found[0]} is not allowed in the host's {namespace} namespace"


_FILE_OPTIONS = frozenset({"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"})
_LOG_OPTIONS: Mapping[str, frozenset[str]] = {
    "json-file": _FILE_OPTIONS,
    "local": frozenset({"max-size", "max-file", "compress"}),
}
_OF_ALL = frozenset({"mode", "max-buffer-size"})


def _logging(options: Options) -> Iterator[Contradiction]:
    driver = load(options["log-driver"]) if "log-driver" in options else ""
    given: dict[str, Any] = load(options["log-opt"]) if "log-opt" in options else {}
    unknown = sorted(given.keys() - _LOG_OPTIONS[driver] - _OF_ALL) if driver in _LOG_OPTIONS else []
    if unknown:
        yield ("log-opt", "log-driver"), f"contradict: unknown log opt {unknown[0]!r} for the {driver} log driver"
    mode = given.get("mode", "blocking")
    if mode not in ("blocking", "non-blocking"):
        yield ("log-opt",), "is refused: its mode is blocking or non-blocking"
    elif mode == "blocking" and "max-buffer-size" in given:
        yield ("log-opt",), "is refused: max-buffer-size is only supported with mode=non-blocking"
    if driver == "json-file" and given.get("compress") == "true" and _keeps_one(given):
        why = "contradict: compress cannot be true when max-file is less than 2 or max-size is not set"
        yield ("log-opt", "log-driver"), why


def _keeps_one(given: Mapping[str, str]) -> bool:
    return "max-size" not in given or given.get("max-file", "1") == "1"


def _mounted_twice(options: Options) -> Iterator[Contradiction]:
    seen: dict[str, str] = {}
    for name in ("volume", "mount", "tmpfs"):
        for target in targets_of(name, options[name]) if name in options else ():
            if target in seen:
                names = (name, seen[target]) if name != seen[target] else (name,)
                yield names, f"have a duplicate mount point: {target}"
            seen[target] = name
