"""References to other containers of the host in values: `${@NAME:address}` and `${@NAME:port/5432}`.

Pure: where the containers are is given. `address` is the one in the container's only network, `address/NETWORK` the
one in a network; `port/PORT[/udp]` is the host's port at which a container's port is published. `$${@` is a plain
`${@`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confd.jsontext import Value
from confd.keys import Key
from confd.model import Problem, Resolved, Setting, frozen
from confd.secret import MASK

__all__ = ["Reference", "discovered", "find", "plain_text", "references_in"]

_REFERENCE = re.compile(r"(\$)?\$\{@([^}]*)(?:\}|$)")
_WORD = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9_.-]*):(?:address(?:/([A-Za-z0-9][A-Za-z0-9_.-]*))?|port/(\d{1,5}(?:/\w+)?))"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """`name` of a container; its address in a `network` (empty: its only one), or where its `port` is published."""

    name: str
    network: str = ""
    port: str = ""


def references_in(resolved: Resolved) -> Mapping[str, Reference]:
    """All references of an app's settings, by their text: `db:address`."""
    words = {word for setting in resolved.settings.values() for word in _words(setting.text)}
    return {word: reference for word in sorted(words) if (reference := _parse(word)) is not None}


def find(reference: Reference, inspect: Mapping[str, Any]) -> str | None:
    """What a reference stands for, from the container's inspect; None while it has nothing such."""
    network = inspect.get("NetworkSettings") or {}
    if reference.port:
        port = reference.port if "/" in reference.port else f"{reference.port}/tcp"
        bound: Sequence[Mapping[str, str]] = (network.get("Ports") or {}).get(port) or ()
        return next((one["HostPort"] for one in bound if one.get("HostPort")), None)
    endpoints = network.get("Networks") or {}
    if reference.network:
        endpoints = {reference.network: endpoints.get(reference.network) or {}}
    addresses = [one.get("IPAddress") or one.get("GlobalIPv6Address") for one in endpoints.values()]
    return addresses[0] or None if len(addresses) == 1 else None


def plain_text(value: Value) -> Value:
    """A text in which nothing is a reference, as a setting has it; any other value as it is."""
    return value.replace("${@", "$${@") if isinstance(value, str) else value


def discovered(resolved: Resolved, found: Mapping[str, str], *, here: bool) -> Resolved:
    """The settings with what their references stand for. `found`: by the reference's text.

    `here`: whoever asks knows all containers; a key that refers to what is not found is left out then, and told as
    a problem. Else such a reference stays as it is. One that nobody could resolve is a problem in any case.
    """
    settings: dict[Key, Setting] = {}
    problems = list(resolved.problems)
    for key, setting in resolved.settings.items():
        wrong = _wrong(key, setting, found, here=here)
        if wrong is not None:
            problems.append(wrong)
            continue
        text = _REFERENCE.sub(_replace(found), setting.text) if "${@" in setting.text else setting.text
        settings[key] = replace(setting, text=text)
    return replace(resolved, settings=frozen(settings), problems=tuple(problems))


def _words(text: str) -> list[str]:
    return [match[2] for match in _REFERENCE.finditer(text) if not match[1]] if "${@" in text else []


def _parse(word: str) -> Reference | None:
    match = _WORD.fullmatch(word)
    return Reference(match[1], match[2] or "", match[3] or "") if match is not None else None


def _wrong(key: Key, setting: Setting, found: Mapping[str, str], *, here: bool) -> Problem | None:
    for word in _words(setting.text):
        reference = _parse(word)
        if reference is None:
            how = "${@NAME:address}, ${@NAME:address/NETWORK} or ${@NAME:port/5432}; $${@ is a plain ${@"
            shown = MASK if setting.secret else f"${{@{word}}}"
            return Problem("reference", (key,), f"{key}: {shown} is no reference to a container: use {how}")
        if here and word not in found:
            what = f"a published port {reference.port}" if reference.port else "an address there"
            detail = f"{key} refers to {word}: no container {reference.name} on this host has {what}"
            return Problem("reference", (key,), detail)
    return None


def _replace(found: Mapping[str, str]) -> Callable[[re.Match[str]], str]:
    def text_of(match: re.Match[str]) -> str:
        return match[0][1:] if match[1] else found.get(match[2], match[0])

    return text_of
