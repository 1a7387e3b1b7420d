"""Where options stand in an engine's documents: fields of HostConfig, and of Config, which a body is itself.

What a body says of its networks stands in NetworkingConfig, all of them there, as an inspect has them all in
NetworkSettings; which of them the create call takes is the business of whoever calls it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options.option import Place
from confd.options.texts import load

__all__ = [
    "config",
    "endpoints_in",
    "host",
    "host_in",
    "host_of",
    "host_place",
    "inspect_of",
    "labels_of",
    "networks_of",
    "pairs",
    "words",
]

Convert = Callable[[Any], Value]
"""From what a field holds to the value of the canonical text, `None` for one that is not set."""


def host_of(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return inspect.get("HostConfig") or {}


def host_in(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = body.setdefault("HostConfig", {})
    return found


def labels_of(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return (inspect.get("Config") or {}).get("Labels") or {}


def networks_of(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    """The endpoints of an inspect by their networks' names."""
    return (inspect.get("NetworkSettings") or {}).get("Networks") or {}


def endpoints_in(body: dict[str, Any]) -> dict[str, Any]:
    """The endpoints of a body by their networks' names, to be changed."""
    config: dict[str, Any] = body.setdefault("NetworkingConfig", {})
    found: dict[str, Any] = config.setdefault("EndpointsConfig", {})
    return found


def inspect_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A create body in the form of the inspect that places read."""
    endpoints = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    return {"Config": body, "HostConfig": host_of(body), "NetworkSettings": {"Networks": endpoints}}


def host(field: str, unset: Value, *same: Value) -> Place:
    """A field of HostConfig; `unset` is what it is without the option, `same` what an engine shows for that too."""
    return host_place(field, unset, lambda value: None if value == unset or value in same else value)


def host_place(
    field: str, unset: Value, convert: Convert, stored: Callable[[Any], Any] = lambda value: value
) -> Place:
    """A field of HostConfig that holds its value in a form of its own; `stored` gives that form."""

    def write(body: dict[str, Any], text: str) -> None:
        host_in(body)[field] = stored(load(text))

    def clear(body: dict[str, Any]) -> None:
        host_in(body)[field] = copy.deepcopy(unset)

    return Place(lambda inspect: _text(convert(host_of(inspect).get(field))), write, clear)


def config(field: str, unset: Value, *same: Value) -> Place:
    """A field of Config, as `host`; what the image has takes the place of one that is not set."""

    def read(inspect: Mapping[str, Any]) -> str | None:
        value = (inspect.get("Config") or {}).get(field)
        return None if value == unset or value in same else _text(value)

    def write(body: dict[str, Any], text: str) -> None:
        body[field] = load(text)

    def clear(body: dict[str, Any]) -> None:
        body[field] = unset

    return Place(read, write, clear)


def words(field: str, change: Callable[[str], str] = str) -> Place:
    """A list of words in HostConfig of which the order means nothing."""
    return host_place(field, None, lambda value: sorted({change(word) for word in value or ()}) or None)


def pairs(field: str) -> Place:
    """An object of texts in HostConfig."""
    return host_place(field, None, lambda value: dict(sorted((value or {}).items())) or None)


def _text(value: Value) -> str | None:
    return None if value is None else jsontext.dump(value)
