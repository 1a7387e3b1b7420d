"""Run options: what `docker run` takes, under the keys `run/...`, with its names and units.

A registry, `OPTIONS`: how a value is read from JSON into one canonical JSON text, where it stands in a
container's inspect (API 1.41), whether the engine changes it in place, and how it is written into the body of
a create call. Canonical texts are compared, so that another spelling of the same value is no difference.
Pure; knows no engine, only the shape of its documents.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from confd import jsontext
from confd.errors import Invalid
from confd.jsontext import Number, Value
from confd.keys import Key
from confd.model import Problem

__all__ = ["OPTIONS", "Option", "against_host", "conflicts", "not_allowed", "observed_options", "update_fields"]

MIN_MEMORY = 6 * 1024 * 1024
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(b|[kmgtp](?:i?b)?)?", re.IGNORECASE)
_POWERS = {"b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE_RULE = "a size like 512m, 0.5g or 536870912 (units b, k, m, g, t of 1024 each; also kb, kib, mb, mib ...)"


@dataclass(frozen=True, slots=True)
class Option:
    """A run option.

    `parse` gives the canonical JSON text and raises `Invalid`; `read` takes it from an inspect, `None` where it
    is the engine's default; `write` puts it into a create body. `live`: the engine changes it in place.
    `limit`: every host lets the store set it.
    """

    name: str
    doc: str
    parse: Callable[[Value], str]
    read: Callable[[Mapping[str, Any]], str | None]
    write: Callable[[dict[str, Any], str], None]
    live: bool = False
    limit: bool = False

    @property
    def form(self) -> str:
        """What is accepted, in the words of the refusal."""
        try:
            self.parse(None)
        except Invalid as refused:
            return refused.detail.partition(": expected ")[2]
        return "anything"


def _refuse(name: str, rule: str) -> Invalid:
    return Invalid(f"run/{name}: expected {rule}", pointer=f"/run~1{name}")


def _text(value: Value) -> str | None:
    if isinstance(value, (str, Number)):
        return str(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _load(text: str) -> Any:
    return jsontext.plain(jsontext.parse(text))


# --- grammars: value -> canonical JSON text ---------------------------------------------------------------


def _size(name: str, minimum: int = 0, unlimited: bool = False) -> Callable[[Value], str]:
    def parse(value: Value) -> str:
        text = _text(value) or ""
        if unlimited and text == "-1":
            return "-1"
        found = _SIZE.fullmatch(text)
        rule = _SIZE_RULE + (", or -1 for no limit" if unlimited else f", at least {_short(minimum)}")
        if found is None:
            raise _refuse(name, rule)
        number = int(Decimal(found[1]) * 1024 ** _POWERS[(found[2] or "b")[0].lower()])
        if number < minimum:
            raise _refuse(name, f"at least {minimum} bytes ({_short(minimum)}), not {number}")
        if number >= 2**63:
            raise _refuse(name, "less than 8 exbibytes")
        return str(number)

    return parse


def _short(size: int) -> str:
    return f"{size // 1024 // 1024}m" if size % (1024 * 1024) == 0 else f"{size}b"


def _integer(name: str, low: int, high: int) -> Callable[[Value], str]:
    def parse(value: Value) -> str:
        text = _text(value) or ""
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise _refuse(name, f"a whole number from {low} to {high}")
        return str(int(text))

    return parse


def _cpus(value: Value) -> str:
    try:
        cpus = Decimal(_text(value) or "")
    except InvalidOperation as exc:
        raise _refuse("cpus", "a number of CPUs like 1.5, at least 0.01") from exc
    if not cpus.is_finite() or cpus < Decimal("0.01") or cpus > 100_000:
        raise _refuse("cpus", "a number of CPUs like 1.5, at least 0.01")
    return str(int(cpus * 1_000_000_000))


def _boolean(name: str) -> Callable[[Value], str]:
    def parse(value: Value) -> str:
        if value in (True, "true"):
            return "true"
        if value in (False, "false"):
            return "false"
        raise _refuse(name, "true or false")

    return parse


def _matching(name: str, pattern: str, rule: str) -> Callable[[Value], str]:
    def parse(value: Value) -> str:
        text = _text(value)
        if text is None or not re.fullmatch(pattern, text):
            raise _refuse(name, rule)
        return jsontext.dump(text)

    return parse


def _restart(value: Value) -> str:
    text = value if isinstance(value, str) else ""
    found = re.fullmatch(r"(no|always|unless-stopped|on-failure)(?::(\d{1,9}))?", text)
    if found is None or (found[2] and found[1] != "on-failure"):
        raise _refuse("restart", "no, always, unless-stopped, on-failure or on-failure:N")
    return jsontext.dump({"Name": found[1], "MaximumRetryCount": int(found[2] or 0)})


def _words(name: str, pattern: str, rule: str, change: Callable[[str], str] = str) -> Callable[[Value], str]:
    """A list of words (one word or a comma-separated string is a list too), sorted and without repetition."""

    def parse(value: Value) -> str:
        items = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
        if not isinstance(items, Sequence) or not all(
            isinstance(i, str) and re.fullmatch(pattern, i) for i in items
        ):
            raise _refuse(name, rule)
        return jsontext.dump(sorted({change(str(item)) for item in items}))

    return parse


def _pairs(name: str, rule: str) -> Callable[[Value], str]:
    """An object of names and scalars, or a list of NAME=VALUE."""

    def parse(value: Value) -> str:
        if isinstance(value, str):
            value = [value]
        if isinstance(value, Mapping):
            pairs = [(str(k), _text(v) if not isinstance(v, bool) else str(v).lower()) for k, v in value.items()]
        elif isinstance(value, Sequence) and all(isinstance(i, str) and "=" in i for i in value):
            pairs = [(k, v) for k, _, v in (str(i).partition("=") for i in value)]
        else:
            raise _refuse(name, rule)
        if any(text is None or not key for key, text in pairs):
            raise _refuse(name, rule)
        return jsontext.dump({key: text for key, text in sorted(pairs)})

    return parse


def _capability(text: str) -> str:
    return text.upper().removeprefix("CAP_")


def _command(value: Value) -> str:
    if isinstance(value, str):
        try:
            value = list(shlex.split(value))
        except ValueError as exc:
            raise _refuse("command", "a command line with balanced quotes, or a list of words") from exc
    if not isinstance(value, Sequence) or not all(isinstance(item, (str, Number)) for item in value):
        raise _refuse("command", "a command line, or a list of words")
    words = [str(item) for item in value]
    if any("\x00" in word for word in words):
        raise _refuse("command", "words without a NUL character")
    return jsontext.dump(words)


_PORT = re.compile(r"(?:(?:(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{0,5}):)?(\d{1,5})(?:/(tcp|udp|sctp))?")


def _publish(value: Value) -> str:
    items = [value] if isinstance(value, (str, Number)) else value
    if not isinstance(items, Sequence):
        raise _refuse("publish", "a list of [ADDRESS:][HOSTPORT:]PORT[/udp]")
    ports: dict[str, list[dict[str, str]]] = {}
    for item in items:
        found = _PORT.fullmatch(_text(item) or "")
        if found is None or not all(0 < int(p) < 65536 for p in (found[2], found[3]) if p):
            raise _refuse("publish", "a list of [ADDRESS:][HOSTPORT:]PORT[/udp], like 8080:80")
        bound = {"HostIp": found[1] or "", "HostPort": found[2] or ""}
        ports.setdefault(f"{found[3]}/{found[4] or 'tcp'}", []).append(bound)
    return _canonical_ports(ports)


def _canonical_ports(ports: Mapping[str, Any]) -> str:
    canonical: dict[str, list[dict[str, str]]] = {}
    for port, bound in sorted(ports.items()):
        pairs = sorted((b.get("HostIp") or "", b.get("HostPort") or "") for b in bound or ())
        canonical[port] = [{"HostIp": address, "HostPort": number} for address, number in pairs]
    return jsontext.dump(canonical)


def _ulimit(value: Value) -> str:
    pairs: dict[str, str] = _load(_pairs("ulimit", 'an object like {"nofile": "1024:2048"}')(value))
    limits: dict[str, list[int]] = {}
    for name, text in pairs.items():
        found = re.fullmatch(r"(-1|\d{1,18})(?::(-1|\d{1,18}))?", text)
        if found is None or not re.fullmatch(r"[a-z]+", name):
            raise _refuse("ulimit", 'NAME=SOFT[:HARD] in whole numbers, an object like {"nofile": "1024:2048"}')
        soft, hard = int(found[1]), int(found[2] or found[1])
        if hard != -1 and (soft == -1 or soft > hard):
            raise _refuse("ulimit", f"a soft limit of {name} that is at most the hard one")
        limits[name] = [soft, hard]
    return jsontext.dump(limits)


# --- where they stand -------------------------------------------------------------------------------------


def _host(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return inspect.get("HostConfig") or {}


def _host_field(
    field: str, unset: tuple[Any, ...] = (None, 0, "", False)
) -> Callable[[Mapping[str, Any]], str | None]:
    def read(inspect: Mapping[str, Any]) -> str | None:
        value = _host(inspect).get(field)
        return None if value in unset else jsontext.dump(value)

    return read


def _config_field(field: str) -> Callable[[Mapping[str, Any]], str | None]:
    def read(inspect: Mapping[str, Any]) -> str | None:
        value = (inspect.get("Config") or {}).get(field)
        return jsontext.dump(value) if value else None

    return read


def _write_host(field: str) -> Callable[[dict[str, Any], str], None]:
    def write(body: dict[str, Any], text: str) -> None:
        body.setdefault("HostConfig", {})[field] = _load(text)

    return write


def _write_config(field: str) -> Callable[[dict[str, Any], str], None]:
    def write(body: dict[str, Any], text: str) -> None:
        body[field] = _load(text)

    return write


def _read_swap(inspect: Mapping[str, Any]) -> str | None:
    memory, swap = _host(inspect).get("Memory") or 0, _host(inspect).get("MemorySwap") or 0
    return None if swap in (0, 2 * memory) else str(swap)


def _read_restart(inspect: Mapping[str, Any]) -> str | None:
    policy = _host(inspect).get("RestartPolicy") or {}
    name = policy.get("Name") or "no"
    if name == "no":
        return None
    return jsontext.dump({"Name": name, "MaximumRetryCount": policy.get("MaximumRetryCount") or 0})


def _read_pids(inspect: Mapping[str, Any]) -> str | None:
    limit = _host(inspect).get("PidsLimit") or 0
    return str(limit) if limit > 0 else None


def _read_words(field: str, change: Callable[[str], str] = str) -> Callable[[Mapping[str, Any]], str | None]:
    def read(inspect: Mapping[str, Any]) -> str | None:
        words = _host(inspect).get(field)
        return jsontext.dump(sorted({change(w) for w in words})) if words else None

    return read


def _read_pairs(field: str) -> Callable[[Mapping[str, Any]], str | None]:
    def read(inspect: Mapping[str, Any]) -> str | None:
        pairs = _host(inspect).get(field)
        return jsontext.dump(dict(sorted(pairs.items()))) if pairs else None

    return read


def _read_hostname(inspect: Mapping[str, Any]) -> str | None:
    name = (inspect.get("Config") or {}).get("Hostname") or ""
    return None if not name or str(inspect.get("Id", "")).startswith(name) else jsontext.dump(name)


def _read_shm(inspect: Mapping[str, Any]) -> str | None:
    size = _host(inspect).get("ShmSize") or 0
    return None if size in (0, 64 * 1024 * 1024) else str(size)


def _read_publish(inspect: Mapping[str, Any]) -> str | None:
    ports = _host(inspect).get("PortBindings")
    return _canonical_ports(ports) if ports else None


def _write_publish(body: dict[str, Any], text: str) -> None:
    ports = _load(text)
    body.setdefault("HostConfig", {})["PortBindings"] = ports
    body["ExposedPorts"] = {**(body.get("ExposedPorts") or {}), **{port: {} for port in ports}}


def _read_ulimit(inspect: Mapping[str, Any]) -> str | None:
    limits = {one["Name"]: [one["Soft"], one["Hard"]] for one in _host(inspect).get("Ulimits") or ()}
    return jsontext.dump(dict(sorted(limits.items()))) if limits else None


def _write_ulimit(body: dict[str, Any], text: str) -> None:
    limits = [{"Name": name, "Soft": soft, "Hard": hard} for name, (soft, hard) in _load(text).items()]
    body.setdefault("HostConfig", {})["Ulimits"] = limits


def _read_log(part: str, default: Value) -> Callable[[Mapping[str, Any]], str | None]:
    def read(inspect: Mapping[str, Any]) -> str | None:
        found: Value = (_host(inspect).get("LogConfig") or {}).get(part) or default
        if found == default:
            return None
        return jsontext.dump(dict(sorted(found.items())) if isinstance(found, Mapping) else found)

    return read


def _write_log(part: str) -> Callable[[dict[str, Any], str], None]:
    def write(body: dict[str, Any], text: str) -> None:
        host = body.setdefault("HostConfig", {})
        host["LogConfig"] = {**(host.get("LogConfig") or {}), part: _load(text)}

    return write


def _write_cpus(body: dict[str, Any], text: str) -> None:
    host = body.setdefault("HostConfig", {})
    host.update(NanoCpus=int(text), CpuQuota=0, CpuPeriod=0)


def _write_cpu(field: str) -> Callable[[dict[str, Any], str], None]:
    def write(body: dict[str, Any], text: str) -> None:
        body.setdefault("HostConfig", {}).update({field: int(text), "NanoCpus": 0})

    return write


def _write_memory(body: dict[str, Any], text: str) -> None:
    host = body.setdefault("HostConfig", {})
    implied = host.get("MemorySwap") == 2 * (host.get("Memory") or 0)
    host["Memory"] = int(text)
    if implied:
        host["MemorySwap"] = 0  # the engine's own default, twice the memory, follows the new limit


def _limit(name: str, doc: str, parse: Callable[[Value], str], field: str, **more: Any) -> Option:
    """An option of HostConfig that the engine changes in place."""
    read = more.get("read") or _host_field(field)
    return Option(name, doc, parse, read, more.get("write") or _write_host(field), live=True, limit=True)


_SET = r"\d+(-\d+)?(,\d+(-\d+)?)*"
_CAPS = (r"[A-Za-z_]+", "capabilities like NET_ADMIN, a list or separated by commas")
_ADDRESS = (r"[0-9a-fA-F.:]+", "IP addresses, a list or separated by commas")

OPTIONS: Mapping[str, Option] = {
    option.name: option
    for option in (
        _limit("memory", "memory limit", _size("memory", MIN_MEMORY), "Memory", write=_write_memory),
        _limit(
            "memory-reservation", "soft memory limit", _size("memory-reservation", MIN_MEMORY), "MemoryReservation"
        ),
        _limit(
            "memory-swap",
            "memory plus swap; -1 for no limit",
            _size("memory-swap", 0, unlimited=True),
            "MemorySwap",
            read=_read_swap,
        ),
        _limit("cpus", "number of CPUs", _cpus, "NanoCpus", write=_write_cpus),
        _limit("cpu-shares", "relative CPU weight", _integer("cpu-shares", 2, 262144), "CpuShares"),
        _limit(
            "cpu-period",
            "length of a CPU period in microseconds",
            _integer("cpu-period", 1000, 1_000_000),
            "CpuPeriod",
            write=_write_cpu("CpuPeriod"),
        ),
        _limit(
            "cpu-quota",
            "CPU time in a period, microseconds",
            _integer("cpu-quota", 1000, 10**12),
            "CpuQuota",
            write=_write_cpu("CpuQuota"),
        ),
        _limit(
            "cpuset-cpus", "CPUs it may run on", _matching("cpuset-cpus", _SET, "CPUs like 0-2,4"), "CpusetCpus"
        ),
        _limit(
            "cpuset-mems",
            "memory nodes it may use",
            _matching("cpuset-mems", _SET, "memory nodes like 0-1"),
            "CpusetMems",
        ),
        _limit(
            "pids-limit", "number of processes", _integer("pids-limit", -1, 4_194_304), "PidsLimit", read=_read_pids
        ),
        _limit("blkio-weight", "relative disk weight", _integer("blkio-weight", 10, 1000), "BlkioWeight"),
        _limit("restart", "restart policy", _restart, "RestartPolicy", read=_read_restart),
        Option(
            "cap-add",
            "capabilities to add",
            _words("cap-add", *_CAPS, change=_capability),
            _read_words("CapAdd", _capability),
            _write_host("CapAdd"),
        ),
        Option(
            "cap-drop",
            "capabilities to drop",
            _words("cap-drop", *_CAPS, change=_capability),
            _read_words("CapDrop", _capability),
            _write_host("CapDrop"),
        ),
        Option(
            "sysctl",
            "kernel parameters",
            _pairs("sysctl", 'an object like {"net.core.somaxconn": 1024}'),
            _read_pairs("Sysctls"),
            _write_host("Sysctls"),
        ),
        Option(
            "tmpfs",
            "tmpfs mounts",
            _pairs("tmpfs", 'an object like {"/run": "size=64m"}'),
            _read_pairs("Tmpfs"),
            _write_host("Tmpfs"),
        ),
        Option("ulimit", "limits of the process, NAME=SOFT[:HARD]", _ulimit, _read_ulimit, _write_ulimit),
        Option(
            "log-driver",
            "log driver",
            _matching("log-driver", r"[A-Za-z0-9][A-Za-z0-9_./:-]*", "a log driver's name, like json-file"),
            _read_log("Type", "json-file"),
            _write_log("Type"),
        ),
        Option(
            "log-opt",
            "options of the log driver",
            _pairs("log-opt", 'an object like {"max-size": "10m"}'),
            _read_log("Config", {}),
            _write_log("Config"),
        ),
        Option("shm-size", "size of /dev/shm", _size("shm-size", 1), _read_shm, _write_host("ShmSize")),
        Option(
            "read-only",
            "read-only root file system",
            _boolean("read-only"),
            _host_field("ReadonlyRootfs"),
            _write_host("ReadonlyRootfs"),
        ),
        Option("init", "an init process as PID 1", _boolean("init"), _host_field("Init"), _write_host("Init")),
        Option(
            "user",
            "user and group",
            _matching("user", r"[\w.-]+(:[\w.-]+)?", "USER or UID[:GROUP]"),
            _config_field("User"),
            _write_config("User"),
        ),
        Option(
            "workdir",
            "working directory",
            _matching("workdir", r"/[^\x00-\x1f]*", "an absolute path"),
            _config_field("WorkingDir"),
            _write_config("WorkingDir"),
        ),
        Option(
            "hostname",
            "host name",
            _matching("hostname", r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}", "a host name"),
            _read_hostname,
            _write_config("Hostname"),
        ),
        Option(
            "stop-signal",
            "signal that stops it",
            _matching("stop-signal", r"(SIG)?[A-Z0-9+-]{1,10}", "a signal like SIGTERM"),
            _config_field("StopSignal"),
            _write_config("StopSignal"),
        ),
        Option(
            "stop-timeout",
            "seconds to stop before it is killed",
            _integer("stop-timeout", 0, 86400),
            _config_field("StopTimeout"),
            _write_config("StopTimeout"),
        ),
        Option("dns", "name servers", _words("dns", *_ADDRESS), _read_words("Dns"), _write_host("Dns")),
        Option(
            "add-host",
            "entries of /etc/hosts",
            _words("add-host", r"[^\s:]+:[^\s]+", "NAME:ADDRESS, a list"),
            _read_words("ExtraHosts"),
            _write_host("ExtraHosts"),
        ),
        Option("publish", "published ports", _publish, _read_publish, _write_publish),
        Option("command", "the command and its arguments", _command, _config_field("Cmd"), _write_config("Cmd")),
    )
}
"""Every run option there is; any other key under `run/` is refused by name."""


def observed_options(inspect: Mapping[str, Any]) -> dict[str, str]:
    """The run options of a container, canonical; those at the engine's default are left out."""
    read = ((name, option.read(inspect)) for name, option in OPTIONS.items())
    return {name: text for name, text in read if text is not None}


def update_fields(options: Mapping[str, str], inspect: Mapping[str, Any]) -> dict[str, Any]:
    """The HostConfig fields of an update call that brings these options in.

    Memory and swap go in one call: where swap was not set by anybody it stays twice the memory, as at create.
    """
    body: dict[str, Any] = {}
    for name, text in options.items():
        OPTIONS[name].write(body, text)
    fields: dict[str, Any] = body.get("HostConfig", {})
    if "cpus" in options:
        fields = {name: value for name, value in fields.items() if name not in ("CpuQuota", "CpuPeriod")}
    if "cpu-quota" in options or "cpu-period" in options:
        fields.pop("NanoCpus", None)
    if "memory" in options and "memory-swap" not in options:
        current = _host(inspect).get("MemorySwap") or 0
        explicit = current not in (0, 2 * (_host(inspect).get("Memory") or 0))
        fields["MemorySwap"] = current if explicit else 2 * int(options["memory"])
    return fields


def conflicts(options: Mapping[str, str]) -> list[Problem]:
    """Options that contradict each other, with the reason the engine would give."""
    problems: list[Problem] = []
    for other in ("cpu-quota", "cpu-period"):
        if "cpus" in options and other in options:
            problems.append(_conflict("cpus", other, "exclude each other; keep one of them"))
    if "memory-swap" in options:
        if "memory" not in options:
            problems.append(_conflict("memory-swap", "memory", "go together: set run/memory as well"))
        elif options["memory-swap"] != "-1" and int(options["memory-swap"]) < int(options["memory"]):
            problems.append(
                _conflict("memory-swap", "memory", "contradict: swap counts memory too and must not be less")
            )
    if "memory-reservation" in options and int(options.get("memory", 2**63)) < int(options["memory-reservation"]):
        problems.append(_conflict("memory-reservation", "memory", "contradict: the reservation must not be more"))
    return problems


def _conflict(one: str, other: str, why: str) -> Problem:
    keys = (Key(f"run/{one}"), Key(f"run/{other}"))
    return Problem("run-option", keys, f"run/{one} and run/{other} {why}")


def against_host(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What a host with these facts (`cpus`, `memory_bytes`) cannot give."""
    problems: list[Problem] = []
    cpus = facts.get("cpus")
    if "cpus" in options and cpus and int(options["cpus"]) > cpus * 1_000_000_000:
        detail = f"run/cpus: this host has {cpus} CPUs; the range is from 0.01 to {cpus}"
        problems.append(Problem("host", (Key("run/cpus"),), detail))
    if "cpuset-cpus" in options and cpus:
        highest = max(int(n) for n in re.findall(r"\d+", options["cpuset-cpus"]))
        if highest >= cpus:
            detail = f"run/cpuset-cpus: this host has the CPUs 0 to {cpus - 1}"
            problems.append(Problem("host", (Key("run/cpuset-cpus"),), detail))
    return problems


def not_allowed(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What a host whose agent lets the store set these (`allow_run`), and every limit, does not take."""
    allowed = set(facts.get("allow_run") or ())
    return [
        Problem(
            "host",
            (Key(f"run/{name}"),),
            f"this host does not let the store set run/{name}; add `--allow-run {name}` to its agent",
        )
        for name in options
        if not OPTIONS[name].limit and name not in allowed
    ]


def describe() -> Iterable[tuple[str, str, str]]:
    """Name, words and how it takes effect, for the reference."""
    for option in OPTIONS.values():
        yield option.name, option.doc, "in place" if option.live else "new container"
