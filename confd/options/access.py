"""The options that reach into the host: what a container shares with it, is given of it, or is kept from.

Whoever sets one may take the host with it, so each host's own file says which the store may set there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Number, Value
from confd.options import places
from confd.options.network import namespace
from confd.options.option import Grammar, Option, Place
from confd.options.places import host_in, host_of
from confd.options.texts import TEXTS, boolean, integer, items, load, matching, quoted_words, refusal, words

__all__ = ["ACCESS", "IMAGE"]

IMAGE = "image"

_DEVICE = re.compile(r"(/[^:\x00-\x1f]+)(?::(/[^:\x00-\x1f]+))?(?::([rwm]{1,3}))?")
_NO_NEW_PRIVILEGES = "no-new-privileges"
_OPEN_PATHS = "systempaths=unconfined"
_GENERATED = "label=disable"
"""What an engine writes down itself for a container that shares so much that labels mean nothing."""


def _devices(name: str, value: Value) -> str:
    found: dict[str, dict[str, str]] = {}
    for item in items(name, value, _DEVICES_RULE):
        parts = _DEVICE.fullmatch(item)
        if parts is None:
            raise refusal(name, _DEVICES_RULE)
        found[parts[2] or parts[1]] = _device(parts[1], parts[2] or parts[1], parts[3] or "rwm")
    return jsontext.dump([found[target] for target in sorted(found)])


_DEVICES_RULE = "a list of /dev/NAME[:/dev/NAME][:rwm]"


def _device(source: str, target: str, allowed: str) -> dict[str, str]:
    return {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": allowed}


def _given_devices(value: Any) -> Value:
    found = [
        _device(str(one["PathOnHost"]), str(one["PathInContainer"]), str(one.get("CgroupPermissions") or "rwm"))
        for one in value or ()
    ]
    return sorted(found, key=lambda one: one["PathInContainer"]) or None


def _cgroup_rules(name: str, value: Value) -> str:
    given = items(name, value, _RULES_RULE)
    if not all(re.fullmatch(r"[abc] (\d{1,9}|\*):(\d{1,9}|\*) [rwm]{1,3}", item) for item in given):
        raise refusal(name, _RULES_RULE)
    return jsontext.dump(sorted(set(given)))


_RULES_RULE = 'a list of rules like "c 1:3 mr"'


def _security(name: str, value: Value) -> str:
    given = items(name, value, _SECURITY_RULE)
    if not all(re.fullmatch(_SECURITY, item, re.DOTALL) for item in given):
        raise refusal(name, _SECURITY_RULE)
    return jsontext.dump(sorted({_security_text(item) for item in given}))


_SECURITY_RULE = (
    "a list of no-new-privileges, apparmor=PROFILE, label=..., systempaths=unconfined, seccomp=unconfined, or "
    "seccomp={...}, which is the profile itself and not its file's name"
)
_SECURITY = (
    rf"{_NO_NEW_PRIVILEGES}([:=](true|false))?|(apparmor|label)[:=][^\x00-\x1f]+|systempaths[:=]unconfined|"
    r"seccomp[:=](unconfined|\{.*\})"
)


def _security_text(text: str) -> str:
    found = re.match(r"[a-z-]+([:=])", text)
    text = text if found is None else text.replace(found[1], "=", 1)
    return _NO_NEW_PRIVILEGES if text == f"{_NO_NEW_PRIVILEGES}=true" else text


def _security_place() -> Place:
    """`systempaths` stands in fields of its own, which mean nothing in a privileged container."""
    place = places.host("SecurityOpt", None)

    def read(inspect: Mapping[str, Any]) -> str | None:
        host = host_of(inspect)
        shares = host.get("Privileged") or "host" in (host.get("IpcMode"), host.get("PidMode"))
        given = {_security_text(str(one)) for one in host.get("SecurityOpt") or ()}
        given -= {_GENERATED} if shares else set()
        given |= {_OPEN_PATHS} if host.get("MaskedPaths") == [] and not host.get("Privileged") else set()
        return jsontext.dump(sorted(given)) if given else None

    def write(body: dict[str, Any], text: str) -> None:
        given = load(text)
        host_in(body)["SecurityOpt"] = [one for one in given if one != _OPEN_PATHS] or None
        if _OPEN_PATHS in given:
            host_in(body).update(MaskedPaths=[], ReadonlyPaths=[])

    def unset(body: dict[str, Any]) -> None:
        place.unset(body)
        if host_of(body).get("MaskedPaths") == []:
            host_in(body).update(MaskedPaths=None, ReadonlyPaths=None)

    return Place(read, write, unset)


def _privileged() -> Place:
    """Which kernel paths are masked is the engine's business again whenever this changes."""
    place = places.host("Privileged", False)

    def engine_decides(body: dict[str, Any]) -> None:
        host_in(body).update(MaskedPaths=None, ReadonlyPaths=None)
        _forget_generated(body)

    def write(body: dict[str, Any], text: str) -> None:
        engine_decides(body)
        place.write(body, text)

    def unset(body: dict[str, Any]) -> None:
        engine_decides(body)
        place.unset(body)

    return Place(place.read, write, unset)


def _forget_generated(body: dict[str, Any]) -> None:
    given = host_of(body).get("SecurityOpt") or ()
    host_in(body)["SecurityOpt"] = [one for one in given if one != _GENERATED] or None


def _mode(field: str, name: str, *same: str) -> Place:
    """A namespace; while it is the host's, the engine writes an option of security down by itself."""
    place = namespace(field, name, *same)

    def unset(body: dict[str, Any]) -> None:
        _forget_generated(body)
        place.unset(body)

    return Place(place.read, place.write, unset)


def _cgroupns() -> Place:
    """The host's is what engines on cgroup v1 have by themselves, and is written down where it is not asked for."""
    return places.host("CgroupnsMode", "host", "", None)


_GPUS_RULE = (
    'all, a number, or a list of {"count": ..., "device": [...], "capabilities": [...], "driver": ..., '
    '"options": {...}} or of the words that `docker run --gpus` takes'
)


def _gpus(name: str, value: Value) -> str:
    given = [value] if isinstance(value, (str, Number, Mapping)) else value
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise refusal(name, _GPUS_RULE)
    return jsontext.dump([_gpu(name, one) for one in given])


def _gpu(name: str, value: Value) -> dict[str, Any]:
    asked = value if isinstance(value, Mapping) else _gpu_words(name, str(value))
    if asked.keys() - {"count", "device", "capabilities", "driver", "options"}:
        raise refusal(name, _GPUS_RULE)
    devices, able = (_texts(name, asked.get(member)) for member in ("device", "capabilities"))
    count = str(asked.get("count", "0" if devices else "1"))
    if not re.fullmatch(r"all|-1|\d{1,6}", count) or (devices and count != "0"):
        raise refusal(name, f"{_GPUS_RULE}; count or device, not both")
    options = asked.get("options") or {}
    if not isinstance(options, Mapping) or not all(isinstance(one, str) for one in options.values()):
        raise refusal(name, _GPUS_RULE)
    return _request(
        {
            "driver": str(asked.get("driver") or ""),
            "count": -1 if count == "all" else int(count),
            "device": devices,
            "capabilities": sorted({*able, "gpu"}),
            "options": dict(options),
        }
    )


def _request(request: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not said."""
    return {member: its for member, its in request.items() if its}


def _gpu_words(name: str, text: str) -> dict[str, Any]:
    if re.fullmatch(r"all|\d{1,6}", text):
        return {"count": text}
    found: dict[str, Any] = {}
    for word in quoted_words(name, text, _GPUS_RULE):
        member, equals, its = word.partition("=")
        if not equals or member in found:
            raise refusal(name, _GPUS_RULE)
        pairs = (one.partition("=") for one in its.split(","))
        found[member] = {one: text for one, _, text in pairs} if member == "options" else its
    if not found:
        raise refusal(name, _GPUS_RULE)
    return found


def _texts(name: str, value: Any) -> list[str]:
    given = [] if value is None else value
    return sorted({word for one in items(name, given, _GPUS_RULE) for word in one.split(",")} - {""})


def _requests() -> Place:
    def convert(value: Any) -> Value:
        found = [
            _request(
                {
                    "driver": one.get("Driver"),
                    "count": one.get("Count"),
                    "device": sorted(one.get("DeviceIDs") or ()),
                    "capabilities": sorted({name for group in one.get("Capabilities") or () for name in group}),
                    "options": dict(one.get("Options") or {}),
                }
            )
            for one in value or ()
        ]
        return found or None

    def stored(requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "Driver": one.get("driver", ""),
                "Count": one.get("count", 0),
                "DeviceIDs": one.get("device"),
                "Capabilities": [one["capabilities"]] if "capabilities" in one else None,
                "Options": one.get("options", {}),
            }
            for one in requests
        ]

    return places.host_place("DeviceRequests", None, convert, stored)


_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*"
_HOST_RULE = "host, or container:NAME for another container's"
_IPC_RULE = "none, private, shareable, host, or container:NAME for another container's"
_IMAGE_RULE = "the name or id of an image that is on the host"
_HOSTS = matching("host", "host")
_MODE = matching(rf"host|container:{_NAME}", _HOST_RULE)
_IPC = matching(rf"none|private|shareable|host|container:{_NAME}", _IPC_RULE)
_PATH = matching(r"[A-Za-z0-9/][A-Za-z0-9/_.@:-]*", "a cgroup's path, or a systemd slice's name")
_GROUPS = words(r"[\w.-]+", "groups by name or number, a list")
_RUNTIME = matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of a runtime of the engine, like runc")
_GPUS = Grammar(_gpus, {"type": ["string", "number", "object", "array"]})

ACCESS = (
    Option("privileged", "all of the host's devices and powers", boolean, _privileged(), (True,)),
    Option(
        "device",
        "devices of the host",
        Grammar(_devices, TEXTS),
        places.host_place("Devices", None, _given_devices),
        (["/dev/null:/dev/nothing:rw", "/dev/zero"],),
    ),
    Option(
        "device-cgroup-rule",
        "which devices it may use",
        Grammar(_cgroup_rules, TEXTS),
        places.words("DeviceCgroupRules"),
        ("c 1:3 mr",),
    ),
    Option(
        "gpus",
        "GPUs, or devices that a driver of the engine gives",
        _GPUS,
        _requests(),
        ("all", '"device=0,1",capabilities=utility'),
    ),
    Option("ipc", "its shared memory", _IPC, _mode("IpcMode", "ipc", "private"), ("host", "container:db")),
    Option("pid", "its processes' namespace", _MODE, _mode("PidMode", "pid"), ("host", "container:db")),
    Option("uts", "its host name's namespace", _HOSTS, _mode("UTSMode", "uts"), ("host",), excludes=("hostname",)),
    Option("userns", "its users' namespace", _HOSTS, _mode("UsernsMode", "userns"), ("host",)),
    Option(
        "cgroupns", "its cgroups' namespace", matching("host|private", "host or private"), _cgroupns(), ("private",)
    ),
    Option("cgroup-parent", "the cgroup it is put below", _PATH, places.host("CgroupParent", "", None), ("/apps",)),
    Option(
        "cpu-rt-period",
        "length of a period of real-time CPU in microseconds",
        integer(1, 10**9),
        places.host("CpuRealtimePeriod", 0),
        (1_000_000,),
    ),
    Option(
        "cpu-rt-runtime",
        "real-time CPU in a period, microseconds",
        integer(1, 10**9),
        places.host("CpuRealtimeRuntime", 0),
        (950_000,),
    ),
    Option(
        "oom-kill-disable",
        "not killed, but stopped, where it wants more memory than it may have",
        boolean,
        places.host("OomKillDisable", None, False),
        (True,),
    ),
    Option(
        "oom-score-adj",
        "how readily the host kills it when its own memory is short",
        integer(-1000, 1000),
        places.host("OomScoreAdj", 0),
        (500,),
    ),
    Option(
        "security-opt",
        "confinement",
        Grammar(_security, TEXTS),
        _security_place(),
        (["no-new-privileges", "seccomp=unconfined"],),
        follows=("privileged", "ipc", "pid"),
    ),
    Option("group-add", "further groups", _GROUPS, places.words("GroupAdd"), (["999", "0"],)),
    Option(
        "runtime", "what runs it", _RUNTIME, places.host("Runtime", "", None, "runc"), ("io.containerd.runc.v2",)
    ),
    Option(
        IMAGE,
        "the image, which is never pulled",
        matching(r"[\w.:/@-]+", _IMAGE_RULE),
        places.config("Image", ""),
        ("app:2",),
    ),
)
