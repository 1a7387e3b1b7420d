"""What options do to an engine's documents, and what the documents then say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from confd.options.limits import has_own_swap
from confd.options.places import host_of
from confd.options.registry import OPTIONS

__all__ = [
    "changed_by",
    "differing",
    "excluded_by",
    "observed_options",
    "overlay",
    "read_back",
    "update_fields",
    "write_options",
]


def observed_options(inspect: Mapping[str, Any]) -> dict[str, str]:
    """The run options of a container, canonical; those at the engine's default are left out."""
    read = ((name, option.place.read(inspect)) for name, option in OPTIONS.items())
    return {name: text for name, text in read if text is not None}


def excluded_by(options: Iterable[str]) -> set[str]:
    """The options that cannot stand beside these."""
    return {other for name in options for other in OPTIONS[name].excludes}


def overlay(base: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """A container's own options with these over them, which remove those that they exclude."""
    excluded = excluded_by(options)
    return {**{name: text for name, text in base.items() if name not in excluded}, **options}


def read_back(options: Mapping[str, str]) -> dict[str, str]:
    """What `observed_options` is to say once these are in effect: nothing of one written at its default.

    Compared with what is observed, so that a default that is written down is no difference.
    """
    body: dict[str, Any] = {}
    _write(body, options)
    seen = {"Config": body, "HostConfig": host_of(body)}
    read = ((name, OPTIONS[name].place.read(seen) if name in OPTIONS else text) for name, text in options.items())
    return {name: text for name, text in read if text is not None}


def write_options(body: dict[str, Any], now: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Make the options of a create body those that are wanted, and no others. `now` are those it has.

    What stays is left as it is spelled there. All others are unset first, so that neither an order of writing nor a
    field that two options share matters.
    """
    for name in now:
        if wanted.get(name) != now[name]:
            OPTIONS[name].place.unset(body)
    _write(body, {name: text for name, text in wanted.items() if now.get(name) != text})


def update_fields(options: Mapping[str, str], inspect: Mapping[str, Any]) -> dict[str, Any]:
    """The HostConfig fields of an update call that brings these options in.

    Memory and swap go in one call: where swap was not set by anybody it stays twice the memory, as at create.
    """
    body: dict[str, Any] = {}
    _write(body, options)
    fields: dict[str, Any] = dict(host_of(body))
    if "memory" in options and "memory-swap" not in options:
        now = host_of(inspect)
        fields["MemorySwap"] = now["MemorySwap"] if has_own_swap(now) else 2 * int(options["memory"])
    return fields


def _write(body: dict[str, Any], options: Mapping[str, str]) -> None:
    for name, text in options.items():
        if name in OPTIONS:
            OPTIONS[name].place.write(body, text)


def differing(options: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Those of the options that a container with the present ones does not have already."""
    due = read_back({**present, **options})
    return {name: text for name, text in options.items() if present.get(name) != due.get(name)}


def changed_by(desired: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """All that would be another in a container with the present options, once it has the desired and no others.

    An option that goes has no text.
    """
    due = read_back(desired)
    return {name: due.get(name, "") for name in due.keys() | present.keys() if due.get(name) != present.get(name)}
