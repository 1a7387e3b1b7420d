"""The options that a container is created with: a change needs a new one, and each host says which it lets in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Number, Value
from confd.options import asked, places, texts
from confd.options.option import Grammar, Option, Place
from confd.options.places import host_in, host_of
from confd.options.texts import boolean, clean_path, integer, load, matching, refusal, size

__all__ = ["CONTAINER"]


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


_ABSOLUTE = matching(r"/[^\x00-\x1f]*", "an absolute path")


def _workdir(name: str, value: Value) -> str:
    return jsontext.dump(clean_path(load(_ABSOLUTE.parse(name, value))))


def _ulimit(name: str, value: Value) -> str:
    given: dict[str, str] = load(texts.pairs('an object like {"nofile": "1024:2048"}').parse(name, value))
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


def _label_place() -> Place:
    """Those that were asked for, over the container's own ones."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        labels = places.labels_of(inspect)
        found = {name: labels[name] for name in sorted(asked.asked_of(labels, "label")) if name in labels}
        return jsontext.dump(found) if found else None

    def write(body: dict[str, Any], text: str) -> None:
        given, labels = load(text), body.get("Labels") or {}
        body["Labels"] = {**labels, **given}
        asked.remember(body, "label", {name: labels.get(name) for name in given})

    def unset(body: dict[str, Any]) -> None:
        labels = dict(body.get("Labels") or {})
        for name, former in asked.asked_of(labels, "label").items():
            labels.pop(name, None)
            if former is not None:
                labels[name] = former
        body["Labels"] = labels
        asked.remember(body, "label", {})

    return Place(read, write, unset)


def _interactive() -> Place:
    place = places.config("OpenStdin", False, None)

    def unset(body: dict[str, Any]) -> None:
        place.unset(body)
        if body.get("StdinOnce"):
            body["StdinOnce"] = False

    return Place(place.read, place.write, unset)


_CAPS = texts.words(r"[A-Za-z_]+", "capabilities like NET_ADMIN, a list or separated by commas", _capability)
_SYSCTL = texts.pairs(
    'an object like {"net.core.somaxconn": 1024}, of names below net. and fs.mqueue., of kernel.domainname and of '
    "kernel.msg..., kernel.sem and kernel.shm...: all others are the host's",
    r"net\..+|fs\.mqueue\..+|kernel\.(domainname|msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)",
)
_DRIVER = matching(r"[A-Za-z0-9][A-Za-z0-9_./:-]*", "a log driver's name, like json-file")
_LOG_OPT = texts.pairs('an object like {"max-size": "10m"}')
_USER = matching(r"[\w.-]+(:[\w.-]+)?", "USER or UID[:GROUP]")
_SIGNAL = matching(r"(SIG)?[A-Z0-9+-]{1,10}", "a signal like SIGTERM")
_LABEL = texts.pairs(
    'an object like {"team": "shop"}, without the labels of confd and of Compose and Swarm',
    r"(?!confd\.|com\.docker\.(compose|swarm|stack)\.)\S+",
)
_ANNOTATION = texts.pairs('an object like {"org.example/team": "shop"}')
_WORDS = Grammar(
    _command, {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": ["string", "number"]}}]}
)
_ULIMIT = Grammar(_ulimit, {"type": ["object", "array", "string"]})
_WORKDIR = Grammar(_workdir, _ABSOLUTE.schema)

CONTAINER = (
    Option("cap-add", "capabilities to add", _CAPS, places.words("CapAdd", _capability), (["net_admin"], "ALL")),
    Option("cap-drop", "capabilities to drop", _CAPS, places.words("CapDrop", _capability), ("ALL", ["MKNOD"])),
    Option("sysctl", "kernel parameters", _SYSCTL, places.pairs("Sysctls"), ({"net.core.somaxconn": 1024},)),
    Option(
        "ulimit",
        "limits of the process, NAME=SOFT[:HARD]",
        _ULIMIT,
        _ulimits(),
        ({"nofile": "1024:2048", "core": 0}, ["nofile=1024"]),
    ),
    Option("log-driver", "log driver", _DRIVER, _log("Type", "", "json-file"), ("local",)),
    Option("log-opt", "options of the log driver", _LOG_OPT, _log("Config", None, {}), (["max-size=10m"],)),
    Option("shm-size", "size of /dev/shm", size(1), places.host("ShmSize", 0, 64 * 1024 * 1024), ("128m",)),
    Option("read-only", "read-only root file system", boolean, places.host("ReadonlyRootfs", False), (True,)),
    Option("init", "an init process as PID 1", boolean, places.host("Init", None), (True,)),
    Option("tty", "a terminal", boolean, places.config("Tty", False, None), (True,)),
    Option("interactive", "its input is kept open", boolean, _interactive(), (True,)),
    Option("user", "user and group", _USER, places.config("User", ""), ("1000:1000",)),
    Option("workdir", "working directory", _WORKDIR, places.config("WorkingDir", ""), ("/srv",)),
    Option("stop-signal", "signal that stops it", _SIGNAL, places.config("StopSignal", None, ""), ("SIGINT",)),
    Option(
        "stop-timeout",
        "seconds to stop before it is killed",
        integer(0, 86400),
        places.config("StopTimeout", None),
        (30,),
    ),
    Option("label", "labels beside its own", _LABEL, _label_place(), ({"team": "shop"},)),
    Option(
        "annotation",
        "words for the runtime",
        _ANNOTATION,
        places.pairs("Annotations"),
        ({"org.example/team": "shop"},),
        since=lambda text: "1.43",
    ),
    Option(
        "entrypoint",
        "the program, before the command",
        _WORDS,
        places.config("Entrypoint", None, []),
        (["other", "-x"],),
    ),
    Option(
        "command",
        "the command and its arguments",
        _WORDS,
        places.config("Cmd", None, []),
        (["serve", "--port", "80"], "serve --port 80"),
    ),
)
