"""Canonical texts in the words of `docker run`."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from confd import jsontext

__all__ = ["duration", "spelled"]

_BILLION = 10**9


def spelled(name: str, text: str) -> list[str]:
    """What stands after `--NAME` on a command line, once for each time the flag is given."""
    value: Any = jsontext.plain(jsontext.parse(text))
    if name in _SPELLED:
        return _SPELLED[name](value)
    if isinstance(value, Mapping):
        return [f"{one}={its}" for one, its in value.items()]
    return [_word(one) for one in value] if isinstance(value, list) else [_word(value)]


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _published(ports: Mapping[str, Any]) -> list[str]:
    found = []
    for port, bound in ports.items():
        number, _, protocol = port.partition("/")
        target = number if protocol == "tcp" else port
        for one in bound or ():
            address, host = str(one.get("HostIp") or ""), str(one.get("HostPort") or "")
            address = f"[{address}]" if ":" in address else address
            found.append(":".join([*([address] if address else []), *([host] if host or address else []), target]))
    return found


def _words(members: Iterable[str]) -> str:
    """Members as one argument of comma-separated words, quoted as the engine's own program reads them."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(members)
    return out.getvalue()


def _member(name: str, value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}={one}={its}" for one, its in value.items()]
    if isinstance(value, list):
        return [f"{name}={one}" for one in value]
    return [name] if value is True else [f"{name}={value}"]


def _members(mapping: Mapping[str, Any]) -> str:
    return _words(word for name, value in mapping.items() for word in _member(name, value))


def _networks(networks: Any) -> list[str]:
    if isinstance(networks, str):
        return [networks]
    return [str(one["name"]) if len(one) == 1 else _members(one) for one in networks]


def _gpus(request: Mapping[str, Any]) -> str:
    devices, able = request.get("device"), [one for one in request.get("capabilities", ()) if one != "gpu"]
    count = "all" if request.get("count") == -1 else str(request.get("count", 0))
    if not devices and not able and not request.get("driver") and not request.get("options"):
        return count
    members = {
        "driver": request.get("driver"),
        "count": None if devices else count,
        "device": ",".join(devices or ()),
        "capabilities": ",".join(able),
        "options": ",".join(f"{one}={its}" for one, its in (request.get("options") or {}).items()),
    }
    return _words(f"{name}={value}" for name, value in members.items() if value)


def duration(nanoseconds: int) -> str:
    """In the largest unit that it is a whole number of."""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if nanoseconds % size == 0:
            return f"{nanoseconds // size}{unit}"
    return f"{nanoseconds}ns"


def _durations(name: str) -> Mapping[str, Callable[[Any], list[str]]]:
    return {f"health-{name}": lambda nanoseconds: [duration(nanoseconds)]}


def _amounts(name: str) -> Mapping[str, Callable[[Any], list[str]]]:
    return {name: lambda amounts: [f"{device}:{amount}" for device, amount in amounts.items()]}


_SPELLED: Mapping[str, Callable[[Any], list[str]]] = {
    "network": _networks,
    "mount": lambda mounts: [_members(one) for one in mounts],
    "gpus": lambda requests: [_gpus(one) for one in requests],
    "health-cmd": lambda command: [command if isinstance(command, str) else shlex.join(command)],
    **_durations("interval"),
    **_durations("timeout"),
    **_durations("start-period"),
    **_durations("start-interval"),
    **_amounts("blkio-weight-device"),
    **_amounts("device-read-bps"),
    **_amounts("device-write-bps"),
    **_amounts("device-read-iops"),
    **_amounts("device-write-iops"),
    "cpus": lambda nano: [format(Decimal(nano) / _BILLION, "f")],
    "restart": lambda p: [f"{p['Name']}:{p['MaximumRetryCount']}" if p["MaximumRetryCount"] else p["Name"]],
    "ulimit": lambda limits: [f"{name}={soft}:{hard}" for name, (soft, hard) in limits.items()],
    "tmpfs": lambda mounts: [f"{path}:{options}" if options else path for path, options in mounts.items()],
    "device": lambda devices: [
        f"{one['PathOnHost']}:{one['PathInContainer']}:{one['CgroupPermissions']}" for one in devices
    ],
    "publish": _published,
}
"""The options whose canonical text is not what one writes."""
