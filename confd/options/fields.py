"""Every field of an inspect that differs once options are in effect, with what it is before and after. Pure.

It is what the options' own places write: there is no second list of fields.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confd import jsontext
from confd.options.asked import LABEL
from confd.options.effect import changed_by, write_options
from confd.options.limits import with_swap
from confd.options.places import host_of, inspect_of, labels_of, networks_of
from confd.options.registry import OPTIONS

__all__ = ["HIDDEN", "FieldChange", "field_changes"]

HIDDEN = "(not shown)"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field by its path in an inspect, `HostConfig.Memory`, and JSON texts; empty: it is not there."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before or 'not set'} -> {self.after or 'not set'}"


def field_changes(
    present: Mapping[str, str],
    desired: Mapping[str, str],
    variables: Collection[str] = (),
    hidden: Collection[str] = (),
) -> tuple[FieldChange, ...]:
    """What differs in an inspect between the options that a container has and those that it is to have.

    Both canonical: what was observed, and the overlay of the container's own and the settings. `variables` are the
    names of those that differ, of which nothing else is told; nor is it of the options that are `hidden`.
    """
    names = changed_by(desired, present).keys() & OPTIONS.keys()
    secret = names & set(hidden)
    shown = [
        FieldChange(field, before, after) for field, before, after in _differences(present, desired, names - secret)
    ]
    masked = [
        FieldChange(field, before and HIDDEN, after and HIDDEN)
        for field, before, after in _differences(present, desired, secret)
    ]
    told = [FieldChange(f"Config.Env.{name}", HIDDEN, HIDDEN) for name in variables]
    return tuple(sorted([*shown, *masked, *told], key=lambda one: one.field))


def _differences(
    present: Mapping[str, str], desired: Mapping[str, str], names: Collection[str]
) -> Iterator[tuple[str, str, str]]:
    """Field, before and after. What decides about where another option stands is written with it."""
    told = {*names, *(other for name in names for other in OPTIONS[name].follows)}
    had, due = ({name: text for name, text in one.items() if name in told} for one in (present, desired))
    before: dict[str, Any] = {}
    for name in due.keys() - had.keys():
        OPTIONS[name].place.unset(before)  # where an engine has something by itself
    write_options(before, {}, had)
    after = copy.deepcopy(before)
    write_options(after, had, due)
    fields, later = (dict(_fields(body)) for body in (before, after))
    for field in fields.keys() | later.keys():
        one, other = fields.get(field, ""), later.get(field, "")
        if one != other:
            yield field, one, other


def _fields(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The fields of a body that hold something, by their paths in an inspect."""
    inspect = inspect_of(body)
    config = {
        name: value for name, value in body.items() if name not in ("HostConfig", "NetworkingConfig", "Labels")
    }
    labels = {name: value for name, value in labels_of(inspect).items() if name != LABEL}
    for path, members in (
        ("Config", config),
        ("Config.Labels", labels),
        ("HostConfig", with_swap(host_of(body))),
        ("NetworkSettings.Networks", networks_of(inspect)),
    ):
        for name, value in members.items():
            if value is not None:
                yield f"{path}.{name}", jsontext.dump(value)
