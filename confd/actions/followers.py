"""Containers that live in another's namespaces, use its volumes or have a link to it: they follow its successor.

Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from confd.ports import Inspect

__all__ = ["Succession", "followers_of", "following", "named_by", "shares_namespace"]

_MODES = ("NetworkMode", "IpcMode", "PidMode")
_OTHER = "container:"


@dataclass(frozen=True, slots=True)
class Succession:
    """A container as it was inspected before, the id of the one that has its place now, and their name."""

    before: Inspect
    after: str
    name: str

    @property
    def known_as(self) -> frozenset[str]:
        """The words by which others may name the one before."""
        container = str(self.before["Id"])
        return frozenset((container, container[:12], self.name, str(self.before["Name"]).lstrip("/")))


def followers_of(inspect: Inspect, others: Sequence[Inspect]) -> list[Inspect]:
    """Those of the others that would lose something if this one were replaced without them."""
    as_it_is = Succession(inspect, str(inspect["Id"]), str(inspect["Name"]).lstrip("/"))
    return [one for one in others if one["Id"] != inspect["Id"] and named_by(one) & as_it_is.known_as]


def shares_namespace(follower: Inspect, leader: Inspect) -> bool:
    """Whether a new process of the leader leaves the follower in a namespace that is dead."""
    modes = [str(follower["HostConfig"].get(mode) or "") for mode in _MODES]
    return f"{_OTHER}{leader['Id']}" in modes or f"{_OTHER}{str(leader['Name']).lstrip('/')}" in modes


def following(inspect: Inspect, gone: Succession) -> Inspect:
    """The follower as it is to be made anew: what named the one before names the one that has its place."""
    host = copy.deepcopy(dict(inspect["HostConfig"]))
    for mode in _MODES:
        text = str(host.get(mode) or "")
        if text.startswith(_OTHER) and text.removeprefix(_OTHER) in gone.known_as:
            host[mode] = _OTHER + gone.after
    for member in ("VolumesFrom", "Links"):
        if host.get(member):
            host[member] = [_renamed(str(one), gone) for one in host[member]]
    return {**inspect, "HostConfig": host}


def _renamed(text: str, gone: Succession) -> str:
    """`NAME:REST`, as a link or an entry of `--volumes-from` is written, with the name that holds from now on."""
    name, colon, rest = text.partition(":")
    if name.lstrip("/") not in gone.known_as:
        return text
    return ("/" if name.startswith("/") else "") + gone.name + colon + rest


def named_by(inspect: Inspect) -> set[str]:
    """Whom a container names, by id or by name."""
    host = inspect["HostConfig"]
    modes = [str(host.get(mode) or "") for mode in _MODES]
    named = {mode.removeprefix(_OTHER) for mode in modes if mode.startswith(_OTHER)}
    for member in ("VolumesFrom", "Links"):
        named |= {str(one).partition(":")[0].lstrip("/") for one in host.get(member) or ()}
    return named
