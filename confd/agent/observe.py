"""One container as it is, from its inspect and the ledger: digests only, so that it may be published.

Reads files of the container where its mounted directories stand on this host; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from confd import jsontext
from confd.actions.obstacles import both_at_once
from confd.agent.base import image_name
from confd.agent.locate import locate
from confd.agent.secretfolders import place_of
from confd.entries import LedgerEntry
from confd.firststart import variables_of
from confd.keyring import Keyring
from confd.keys import App, Container, Env
from confd.model import EMPTY, REACHES, Applied, Observed, Reach, RenderedFile, frozen
from confd.options import observed_options, told_in
from confd.ports import Inspect
from confd.secret import Digest, DigestKey, is_known
from confd.secretfiles import HOST_FOLDER, folder_of, is_secret_path

__all__ = ["Labels", "Sight", "is_looping", "labels_of", "name_of", "observe"]

STABLE_S = 10.0
"""How long a process lives until the engine, too, takes its start for a good one."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels we read, by our names and without the prefix."""

    prefix: str = "confd."

    def get(self, inspect: Inspect, name: str) -> str:
        return str(labels_of(inspect).get(self.prefix + name) or "")


@dataclass(frozen=True, slots=True)
class Sight:
    """What one pass looks with: the cluster's key, the labels, and the host's facts.

    `ring` are the keys that open secrets, `secrets` is where those stand as files.
    """

    digest_key: DigestKey
    labels: Labels = field(default_factory=Labels)
    facts: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    ring: Keyring = field(default_factory=Keyring)
    secrets: Path = Path(HOST_FOLDER)


def labels_of(inspect: Inspect) -> Mapping[str, str]:
    return inspect["Config"].get("Labels") or {}


def name_of(inspect: Inspect) -> str:
    return str(inspect["Name"]).lstrip("/")


def observe(
    inspect: Inspect,
    entry: LedgerEntry,
    sight: Sight,
    files: Sequence[RenderedFile] = (),
    obstacles: tuple[str, ...] = (),
) -> Observed:
    """The container as the planner sees it; the entry's base is to be that for the image it has now."""
    image = image_name(inspect, sight.labels.get(inspect, "image"))
    found, unreachable = _files(inspect, files, sight)
    state = inspect.get("State") or {}
    return Observed(
        id=Container(str(inspect["Id"])),
        name=name_of(inspect),
        app=App(entry.app),
        env=Env(entry.env),
        running=bool(state.get("Running")),
        image_id=str(inspect.get("Image") or ""),
        started_at=str(state.get("StartedAt") or ""),
        shim=sight.labels.get(inspect, "shim"),
        max_reach=_max_reach(sight.labels.get(inspect, "max-reach")),
        variables=_digests(_variables(inspect), sight.digest_key),
        base_variables=_digests(entry.base.variables, sight.digest_key),
        image=image,
        options=frozen({**_options(inspect, entry.arguments, sight.digest_key), "image": jsontext.dump(image)}),
        base_options=entry.base.options,
        arguments=entry.arguments,
        files=frozen(found),
        unreachable_files=frozen(unreachable),
        obstacles=obstacles,
        label_digest=_label_digest(sight.labels.get(inspect, "digest"), entry.applied),
        applied=entry.applied,
        facts=sight.facts,
        unfinished=entry.intent is not None,
        alone=both_at_once(inspect),
        ports=frozen(_ports(inspect)),
        secrets=Path(folder_of(inspect) or "/").parent == sight.secrets,
    )


def _variables(inspect: Inspect) -> dict[str, str]:
    """Without the limits that it was told of: one that is another by now is no reason for anything."""
    told = told_in(inspect)
    return {name: text for name, text in variables_of(inspect).items() if name not in told}


def _ports(inspect: Inspect) -> dict[str, str]:
    """Container port -> the addresses that the engine has given it on the host, random ones too."""
    found: dict[str, str] = {}
    for port, bound in ((inspect.get("NetworkSettings") or {}).get("Ports") or {}).items():
        addresses = {f"{one.get('HostIp') or '0.0.0.0'}:{one.get('HostPort')}" for one in bound or ()}  # noqa: S104
        if addresses:
            found[port] = ", ".join(sorted(addresses))
    return found


def is_looping(inspect: Inspect, now: str) -> bool:
    """Between two lives, or just started again by the engine. `now` as the clock's `utc`."""
    state = inspect.get("State") or {}
    if state.get("Restarting") or not inspect.get("RestartCount"):
        return bool(state.get("Restarting"))
    started, today = (datetime.fromisoformat(text[:19]) for text in (str(state["StartedAt"]), now))
    return bool(state.get("Running")) and (today - started).total_seconds() < STABLE_S


def _files(
    inspect: Inspect, files: Sequence[RenderedFile], sight: Sight
) -> tuple[dict[str, Digest | None], dict[str, str]]:
    found: dict[str, Digest | None] = {}
    unreachable: dict[str, str] = {}
    for file in files:
        secret = is_secret_path(file.path)
        place, why = place_of(inspect, file.path, sight.secrets) if secret else locate(inspect, file.path)
        if place is None:
            found[file.path], unreachable[file.path] = None, why
            continue
        try:
            found[file.path] = (
                sight.digest_key.digest("file", place.read_text("utf-8")) if not place.is_symlink() else None
            )
        except (OSError, UnicodeDecodeError):
            found[file.path] = None  # absent, or nothing that we wrote: it is replaced
    return found, unreachable


def _options(inspect: Inspect, arguments: Digest | None, key: DigestKey) -> dict[str, str]:
    """The run options; a command without the rendered arguments that were appended to it, told by their digest."""
    options = observed_options(inspect)
    command = list(inspect["Config"].get("Cmd") or ())
    for at in range(len(command)) if arguments is not None else ():
        if key.digest("arguments", *command[at:]) == arguments:
            options.pop("command", None)
            return options | ({"command": jsontext.dump(command[:at])} if at else {})
    return options


def _digests(variables: Mapping[str, str], key: DigestKey) -> Mapping[str, Digest]:
    return frozen({name: key.digest("variable", text) for name, text in variables.items()})


def _label_digest(label: str, applied: Applied) -> Digest | None:
    """The label tells only of the creation: what the ledger knows is newer."""
    return Digest(label) if label and is_known(label) and applied.revision == 0 else None


def _max_reach(word: str) -> Reach:
    """The owner's ceiling; a word that is none of ours allows nothing, since it was meant to forbid something."""
    return REACHES.get(word, Reach.NONE) if word else Reach.NEW_CONTAINER
