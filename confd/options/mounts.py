"""What is mounted into a container: folders of the host, volumes, memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options import places, texts
from confd.options.option import OLDEST, Grammar, Option, Place
from confd.options.places import host_in, host_of
from confd.options.texts import TEXTS, clean_path, items, load, matching, quoted_words, refusal, size
from confd.secretfiles import is_secret_mount

__all__ = ["MOUNTS", "clear_targets", "targets_of"]

_VOLUME = re.compile(
    r"(/[^:\x00-\x1f]*|[A-Za-z0-9][A-Za-z0-9_.-]+):(/[^:\x00-\x1f]*)(?::([A-Za-z]+(?:,[A-Za-z]+)*))?"
)
_VOLUMES_RULE = "a list of SRC:DST[:OPTIONS], SRC an absolute path or a volume's name, like /srv/data:/data:ro"


def _volumes(name: str, value: Value) -> str:
    binds: dict[str, str] = {}
    for item in items(name, value, _VOLUMES_RULE):
        found = _VOLUME.fullmatch(item)
        if found is None:
            raise refusal(name, _VOLUMES_RULE)
        target = clean_path(found[2])
        if target == "/" or target in binds:
            raise refusal(name, f"{_VOLUMES_RULE}, each at a place of its own below /")
        source = clean_path(found[1]) if found[1].startswith("/") else found[1]
        options = ",".join(sorted(set((found[3] or "").split(",")) - {"", "rw"}))
        binds[target] = f"{source}:{target}" + (f":{options}" if options else "")
    return jsontext.dump(sorted(binds.values()))


def _bound(value: Any) -> Value:
    """Binds in the spelling of the grammar; what that does not take is kept as it is."""
    found = [_VOLUME.fullmatch(str(bind)) for bind in value or ()]
    texts = [load(_volumes("volume", [one[0]]))[0] if one else None for one in found]
    return sorted(text or str(bind) for text, bind in zip(texts, value or (), strict=True)) or None


# --- mounts ---------------------------------------------------------------------------------------------------

_MOUNT_RULE = (
    "a list of type=bind|volume|tmpfs,src=...,dst=...[,readonly] with the options of `docker run --mount`, or of "
    'objects like {"type": "bind", "src": "/srv", "dst": "/data", "readonly": true}'
)
_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("source",), "src"), **dict.fromkeys(("destination", "target"), "dst"), "ro": "readonly"
}  # fmt: skip
_PROPAGATION = "r?(?:private|shared|slave)"
_TRUE = {"true": True, "1": True, "false": False, "0": False, "": True}
_ANONYMOUS = re.compile("[0-9a-f]{64}")

_OF_TYPE: Mapping[str, tuple[str, ...]] = {
    "bind": ("bind-propagation", "bind-nonrecursive", "bind-recursive"),
    "volume": ("volume-nocopy", "volume-label", "volume-driver", "volume-opt"),
    "tmpfs": ("tmpfs-size", "tmpfs-mode"),
}
_FLAGS = ("readonly", "volume-nocopy", "bind-nonrecursive")
_OBJECTS = ("volume-label", "volume-opt")


def _mounts(name: str, value: Value) -> str:
    given = [value] if isinstance(value, (str, Mapping)) else value
    if not isinstance(given, Sequence):
        raise refusal(name, _MOUNT_RULE)
    found: dict[str, dict[str, Any]] = {}
    for one in given:
        mount = _mount(name, _members(name, one))
        if mount["dst"] in found:
            raise refusal(name, f"{_MOUNT_RULE}, each at a place of its own below /")
        found[mount["dst"]] = mount
    return jsontext.dump([found[target] for target in sorted(found)])


def _members(name: str, one: Value) -> dict[str, Any]:
    """The members of a mount by their first names; of words, `readonly` alone is true."""
    if isinstance(one, Mapping):
        return {_NAMES.get(str(member), str(member)): its for member, its in one.items()}
    if not isinstance(one, str) or not one:
        raise refusal(name, _MOUNT_RULE)
    found: dict[str, Any] = {}
    for word in quoted_words(name, one, _MOUNT_RULE):
        member, _, its = word.partition("=")
        member = _NAMES.get(member, member)
        if member in _OBJECTS:
            option, _, its = its.partition("=")
            found.setdefault(member, {})[option] = its
        else:
            found[member] = its
    return found


def _mount(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    kind, target = given.get("type", "volume"), given.get("dst")
    allowed = {"type", "src", "dst", "readonly", "consistency", *_OF_TYPE.get(str(kind), ())}
    if kind not in _OF_TYPE or given.keys() - allowed or not _is_path(target) or clean_path(str(target)) == "/":
        raise refusal(name, _MOUNT_RULE)
    found: dict[str, Any] = {
        "type": kind,
        **_source(name, str(kind), given.get("src")),
        "dst": clean_path(str(target)),
    }
    for member in _FLAGS:
        if _flag(name, given.get(member, False)):
            found[member] = True
    found |= _limited(name, given)
    for member in _OBJECTS:
        if given.get(member):
            found[member] = load(texts.pairs(_MOUNT_RULE).parse(name, given[member]))
    if kind == "volume" and found.get("readonly") and "src" not in found:
        raise refusal(name, "a source for a volume that is only read: an engine refuses an anonymous one")
    return found


def _source(name: str, kind: str, source: Any) -> dict[str, str]:
    if source in (None, "") and kind != "bind":
        return {}
    named = isinstance(source, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]+", source)
    if not (_is_path(source) if kind == "bind" else kind == "volume" and named):
        raise refusal(name, f"{_MOUNT_RULE}; src is an absolute path, of a volume its name, of memory nothing")
    return {"src": clean_path(source) if kind == "bind" else str(source)}


def _is_path(text: Any) -> bool:
    return isinstance(text, str) and re.fullmatch(r"/[^\x00-\x1f]*", text) is not None


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in _TRUE:
        return _TRUE[value.lower()]
    if not isinstance(value, bool):
        raise refusal(name, _MOUNT_RULE)
    return value


def _limited(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are texts of a form, or numbers."""
    found: dict[str, Any] = {}
    for member, pattern in (
        ("bind-propagation", _PROPAGATION),
        ("bind-recursive", "enabled|disabled|writable|readonly"),
        ("volume-driver", r"[A-Za-z0-9][\w./:-]*"),
        ("consistency", "default|consistent|cached|delegated"),
        ("tmpfs-mode", "[0-7]{3,5}"),
    ):
        if member in given:
            found[member] = load(matching(pattern, _MOUNT_RULE).parse(name, given[member]))
    if "tmpfs-size" in given:
        found["tmpfs-size"] = load(size(1).parse(name, given["tmpfs-size"]))
    if "tmpfs-mode" in found:
        found["tmpfs-mode"] = f"{int(found['tmpfs-mode'], 8):04o}"
    if found.get("bind-recursive") == "disabled":
        found["bind-nonrecursive"] = True
    return {member: its for member, its in found.items() if (member, its) not in _DEFAULTS}


_DEFAULTS = (
    ("bind-recursive", "enabled"),
    ("bind-recursive", "disabled"),
    ("consistency", "default"),
    ("bind-propagation", "rprivate"),
)
"""What says no more than is so without it, or says it in another way."""


def _stored(mounts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_field(mount) for mount in mounts]


def _field(mount: Mapping[str, Any]) -> dict[str, Any]:
    """A mount as the engine has it. An anonymous volume that was asked for is told from others by its options."""
    recursive = mount.get("bind-recursive")
    bind = {
        "Propagation": mount.get("bind-propagation"),
        "NonRecursive": mount.get("bind-nonrecursive"),
        "ReadOnlyNonRecursive": recursive == "writable",
        "ReadOnlyForceRecursive": recursive == "readonly",
    }
    driver = {"Name": mount.get("volume-driver"), "Options": mount.get("volume-opt")}
    volume = {
        "NoCopy": mount.get("volume-nocopy"),
        "Labels": mount.get("volume-label"),
        "DriverConfig": _given(driver) or None,
    }
    memory = {
        "SizeBytes": mount.get("tmpfs-size"),
        "Mode": int(mount["tmpfs-mode"], 8) if "tmpfs-mode" in mount else None,
    }
    fields: dict[str, Any] = {
        "Type": mount["type"],
        "Source": mount.get("src"),
        "Target": mount["dst"],
        "ReadOnly": mount.get("readonly"),
        "Consistency": mount.get("consistency"),
        "BindOptions": _given(bind),
        "TmpfsOptions": _given(memory),
    }
    anonymous = mount["type"] == "volume" and "src" not in mount
    return {**_given(fields), **({"VolumeOptions": _given(volume)} if anonymous or _given(volume) else {})}


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {member: its for member, its in members.items() if its}


def _is_asked_for(mount: Mapping[str, Any]) -> bool:
    """Not the folder for secrets, and not one that takes over the anonymous volume of a container before it."""
    anonymous = mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(str(mount.get("Source") or ""))
    return not is_secret_mount(mount) and (not anonymous or "VolumeOptions" in mount)


def _seen(mount: Mapping[str, Any]) -> dict[str, Any]:
    """A mount of an inspect as the grammar has it."""
    bind, volume, memory = (mount.get(f"{kind}Options") or {} for kind in ("Bind", "Volume", "Tmpfs"))
    driver, source = volume.get("DriverConfig") or {}, str(mount.get("Source") or "")
    forced = "readonly" if bind.get("ReadOnlyForceRecursive") else None
    found = {
        "type": str(mount.get("Type") or "volume"),
        "src": None if mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(source) else source,
        "dst": clean_path(str(mount.get("Target"))),
        "readonly": mount.get("ReadOnly"),
        "volume-nocopy": volume.get("NoCopy"),
        "bind-nonrecursive": bind.get("NonRecursive"),
        "bind-propagation": None if bind.get("Propagation") == "rprivate" else bind.get("Propagation"),
        "bind-recursive": "writable" if bind.get("ReadOnlyNonRecursive") else forced,
        "volume-driver": driver.get("Name"),
        "consistency": None if mount.get("Consistency") == "default" else mount.get("Consistency"),
        "tmpfs-mode": f"{memory['Mode']:04o}" if memory.get("Mode") else None,
        "tmpfs-size": memory.get("SizeBytes"),
        "volume-label": dict(sorted((volume.get("Labels") or {}).items())),
        "volume-opt": dict(sorted((driver.get("Options") or {}).items())),
    }
    if found["src"] and found["type"] == "bind":
        found["src"] = clean_path(source)
    return _given(found)


def _mount_place() -> Place:
    def read(inspect: Mapping[str, Any]) -> str | None:
        found = (_seen(one) for one in host_of(inspect).get("Mounts") or () if _is_asked_for(one))
        by_target = {str(one["dst"]): one for one in found}
        return jsontext.dump([by_target[target] for target in sorted(by_target)]) if by_target else None

    def kept(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in host_of(body).get("Mounts") or () if not _is_asked_for(one)]

    def write(body: dict[str, Any], text: str) -> None:
        host_in(body)["Mounts"] = [*kept(body), *_stored(load(text))]

    def unset(body: dict[str, Any]) -> None:
        host_in(body)["Mounts"] = kept(body) or None

    return Place(read, write, unset)


def _mount_since(text: str) -> str:
    newer = any(one.get("bind-recursive") in ("writable", "readonly") for one in load(text))
    return "1.44" if newer else OLDEST


# --- what they have in common ---------------------------------------------------------------------------------


def targets_of(name: str, text: str) -> list[str]:
    """Where an option mounts something, none for an option that does not."""
    if name == "volume":
        return [str(one).split(":")[1] for one in load(text)]
    if name == "mount":
        return [one["dst"] for one in load(text)]
    return [clean_path(one) for one in load(text)] if name == "tmpfs" else []


def clear_targets(options: Mapping[str, str], taken: Iterable[str]) -> dict[str, str]:
    """The options without what they mount at these places: something else is mounted there now."""
    found, places_taken = dict(options), set(taken)
    for name in ("volume", "mount", "tmpfs"):
        if name not in options or not places_taken & set(targets_of(name, options[name])):
            continue
        value = load(options[name])
        kept = zip(value.items() if name == "tmpfs" else value, targets_of(name, options[name]), strict=True)
        left = [one for one, target in kept if target not in places_taken]
        del found[name]
        if left:
            found[name] = jsontext.dump(dict(left) if name == "tmpfs" else left)
    return found


_FROM = texts.words(
    r"[A-Za-z0-9][A-Za-z0-9_.-]*(:(ro|rw|z|Z))?", "a list of CONTAINER[:ro]", lambda text: text.removesuffix(":rw")
)

MOUNTS = (
    Option(
        "volume",
        "mounted folders and volumes",
        Grammar(_volumes, TEXTS),
        places.host_place("Binds", None, _bound),
        (["/srv/data:/data:ro", "shared:/shared"],),
    ),
    Option(
        "mount",
        "mounts of any kind",
        Grammar(
            _mounts,
            {"anyOf": [{"type": ["string", "object"]}, {"type": "array", "items": {"type": ["string", "object"]}}]},
        ),
        _mount_place(),
        (
            ["type=bind,src=/etc,dst=/host,readonly", {"type": "tmpfs", "dst": "/run", "tmpfs-size": "64m"}],
            "type=volume,src=data,dst=/data",
        ),
        since=_mount_since,
    ),
    Option(
        "tmpfs",
        "tmpfs mounts",
        texts.pairs('an object like {"/run": "size=64m"}', r"/[\s\S]*"),
        places.pairs("Tmpfs"),
        ({"/run": "size=64m"},),
    ),
    Option(
        "volumes-from",
        "the volumes of other containers",
        _FROM,
        places.words("VolumesFrom", lambda text: text.removesuffix(":rw")),
        (["db:ro"],),
    ),
    Option(
        "volume-driver",
        "what makes the volumes of run/volume that are not there yet",
        matching(r"[A-Za-z0-9][\w./:-]*", "a driver's name, like local"),
        places.host("VolumeDriver", "", None),
        ("local",),
    ),
    Option(
        "storage-opt",
        "options of the storage of its own layer",
        texts.pairs('an object like {"size": "10G"}', "[a-z0-9._-]+"),
        places.pairs("StorageOpt"),
        ({"size": "10G"},),
    ),
)
