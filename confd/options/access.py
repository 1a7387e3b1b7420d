"""The options that reach into the host: what a container shares with it, is given of it, or is kept from.

Whoever sets one may take the host with it, so each host's own file says which the store may set there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options import places
from confd.options.option import Option, Place
from confd.options.places import host_in, host_of
from confd.options.texts import boolean, items, load, matching, refusal, words

__all__ = ["ACCESS", "IMAGE", "UNSUPPORTED", "shares_network"]

IMAGE = "image"

UNSUPPORTED: Mapping[str, str] = {
    "volumes-from": "whoever starts the container says so, and it is kept; name volumes with run/volume",
    "link": "whoever starts the container says so, and it is kept; use a network and its names",
    "mount": "it is not supported yet; run/volume takes SRC:DST[:OPTIONS]",
    "env": "variables are settings of their own: use a key without run/ for each",
    "label": "labels belong to whoever starts the container",
    "name": "a container's name stays as it is",
    "rm": "whoever starts the container says so, and it is kept",
}
"""Options of `docker run` that no setting can give, and what to do instead."""

_VOLUME = re.compile(
    r"(/[^:\x00-\x1f]*|[A-Za-z0-9][A-Za-z0-9_.-]+):(/[^:\x00-\x1f]*)(?::([A-Za-z]+(?:,[A-Za-z]+)*))?"
)
_DEVICE = re.compile(r"(/[^:\x00-\x1f]+)(?::(/[^:\x00-\x1f]+))?(?::([rwm]{1,3}))?")
_NO_NEW_PRIVILEGES = "no-new-privileges"
_GENERATED = "label=disable"
"""What an engine writes down itself for a container that shares so much that labels mean nothing."""


def _volumes(name: str, value: Value) -> str:
    binds: dict[str, str] = {}
    for item in items(name, value, _VOLUMES_RULE):
        found = _VOLUME.fullmatch(item)
        if found is None:
            raise refusal(name, _VOLUMES_RULE)
        target = places.clean_path(found[2])
        if target == "/" or target in binds:
            raise refusal(name, f"{_VOLUMES_RULE}, each at a place of its own below /")
        source = places.clean_path(found[1]) if found[1].startswith("/") else found[1]
        options = ",".join(sorted(set((found[3] or "").split(",")) - {"", "rw"}))
        binds[target] = f"{source}:{target}" + (f":{options}" if options else "")
    return jsontext.dump(sorted(binds.values()))


_VOLUMES_RULE = "a list of SRC:DST[:OPTIONS], SRC an absolute path or a volume's name, like /srv/data:/data:ro"


def _bound(value: Any) -> Value:
    """Binds in the spelling of the grammar; what that does not take is kept as it is."""
    found = [_VOLUME.fullmatch(str(bind)) for bind in value or ()]
    texts = [load(_volumes("volume", [one[0]]))[0] if one else None for one in found]
    return sorted(text or str(bind) for text, bind in zip(texts, value or (), strict=True)) or None


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
    "a list of no-new-privileges, apparmor=PROFILE, label=..., seccomp=unconfined, or seccomp={...}, which is the "
    "profile itself and not its file's name"
)
_SECURITY = (
    rf"{_NO_NEW_PRIVILEGES}([:=](true|false))?|(apparmor|label)[:=][^\x00-\x1f]+|seccomp[:=](unconfined|\{{.*\}})"
)


def _security_text(text: str) -> str:
    found = re.match(r"[a-z-]+([:=])", text)
    text = text if found is None else text.replace(found[1], "=", 1)
    return _NO_NEW_PRIVILEGES if text == f"{_NO_NEW_PRIVILEGES}=true" else text


def _security_place() -> Place:
    place = places.host("SecurityOpt", None)

    def read(inspect: Mapping[str, Any]) -> str | None:
        host = host_of(inspect)
        shares = host.get("Privileged") or "host" in (host.get("IpcMode"), host.get("PidMode"))
        given = sorted({_security_text(str(one)) for one in host.get("SecurityOpt") or ()})
        if not given or (shares and given == [_GENERATED]):
            return None
        return jsontext.dump(given)

    return Place(read, place.write, place.unset)


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
    if host_of(body).get("SecurityOpt") == [_GENERATED]:
        host_in(body)["SecurityOpt"] = None


def _mode(field: str, *same: str) -> Place:
    """A namespace; while it is the host's, the engine writes an option of security down by itself."""
    place = places.host(field, "", None, *same)

    def unset(body: dict[str, Any]) -> None:
        _forget_generated(body)
        place.unset(body)

    return Place(place.read, place.write, unset)


def shares_network(inspect: Mapping[str, Any]) -> bool:
    """Whether its network, and with that its host name, is the host's or another container's."""
    mode = str(host_of(inspect).get("NetworkMode") or "")
    return mode == "host" or mode.startswith("container:")


def _network() -> Place:
    """`bridge` is what an engine has by itself. A host name that is the host's was found, and goes with it."""
    place = places.host("NetworkMode", "default", "", None, "bridge")

    def unset(body: dict[str, Any]) -> None:
        if shares_network(body):
            body["Hostname"] = ""
        place.unset(body)

    return Place(place.read, place.write, unset)


def _network_name(name: str, value: Value) -> str:
    text = load(matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", _NETWORK_RULE)(name, value))
    return jsontext.dump(text)


_NETWORK_RULE = (
    "host, none, bridge or a network's name; another container's network (container:...) is not supported"
)
_ONLY_HOST = "host; another container's namespace (container:...) is not supported"
_IPC_RULE = "none, private, shareable or host; another container's (container:...) is not supported"
_IMAGE_RULE = "the name or id of an image that is on the host"

ACCESS = (
    Option("privileged", "all of the host's devices and powers", boolean, _privileged()),
    Option("volume", "mounted folders and volumes", _volumes, places.host_place("Binds", None, _bound)),
    Option("device", "devices of the host", _devices, places.host_place("Devices", None, _given_devices)),
    Option("device-cgroup-rule", "which devices it may use", _cgroup_rules, places.words("DeviceCgroupRules")),
    Option("network", "the network it is in", _network_name, _network()),
    Option(
        "ipc", "its shared memory", matching(r"none|private|shareable|host", _IPC_RULE), _mode("IpcMode", "private")
    ),
    Option("pid", "its processes' namespace", matching("host", _ONLY_HOST), _mode("PidMode")),
    Option(
        "uts", "its host name's namespace", matching("host", _ONLY_HOST), _mode("UTSMode"), excludes=("hostname",)
    ),
    Option("userns", "its users' namespace", matching("host", _ONLY_HOST), _mode("UsernsMode")),
    Option(
        "cgroup-parent",
        "the cgroup it is put below",
        matching(r"[A-Za-z0-9/][A-Za-z0-9/_.@:-]*", "a cgroup's path, or a systemd slice's name"),
        places.host("CgroupParent", "", None),
    ),
    Option("security-opt", "confinement", _security, _security_place()),
    Option(
        "group-add",
        "further groups",
        words(r"[\w.-]+", "groups by name or number, a list"),
        places.words("GroupAdd"),
    ),
    Option(
        "runtime",
        "what runs it",
        matching(r"[A-Za-z0-9][A-Za-z0-9_.-]*", "the name of a runtime of the engine, like runc"),
        places.host("Runtime", "", None, "runc"),
    ),
    Option(
        IMAGE, "the image, which is never pulled", matching(r"[\w.:/@-]+", _IMAGE_RULE), places.config("Image", "")
    ),
)
