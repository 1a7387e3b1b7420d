"""Which settings a change of some keys can bring a problem into, so that a write need not look at all of them.

Pure. A problem is of one key, of the keys that give one variable (NAME_FILE where NAME is a secret with a file), of
all run options, of a file and the keys in it, or of what refers to others. A name for every key of a layer is made
once for as long as the layer stays as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from confd.errors import Malformed
from confd.keys import App, Env, Host, Key, is_run_option, layers_of, parse_key
from confd.model import Binding, Entry, Snapshot, VariablesRule
from confd.references import mentioned_in
from confd.render import FILE, selected, variable_name
from confd.secretfiles import FOLDER
from confd.validation import defaults

__all__ = ["touched_by"]

LAYERS = 1024
"""So many layers are remembered."""


@dataclass(frozen=True, slots=True)
class _Names:
    """The keys of one layer by the variable that they give, its run options, and what refers and is referred to."""

    variables: Mapping[str, tuple[Key, ...]]
    options: tuple[Key, ...]
    linked: tuple[Key, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A layer's entries, which never change, told apart by which object they are."""

    entries: Mapping[str, Entry]

    def __hash__(self) -> int:
        return id(self.entries)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.entries is self.entries


def touched_by(
    snapshot: Snapshot, place: tuple[Env, App, Host | None], keys: Collection[Key], binding: Binding
) -> frozenset[Key] | None:
    """The keys of a place whose problems a change of some keys can bring or take; None: those of all."""
    rule = binding.variables
    layers = [snapshot.layers[layer] for layer in layers_of(*place) if layer in snapshot.layers]
    known = [_names_of(_Held(one), rule.prefix, tuple(sorted(rule.rename.items()))) for one in layers]
    found = {*keys, *_of_schema(snapshot, place[1]), *(key for one in known for key in one.linked)}
    if any(map(is_run_option, found)):
        found.update(key for one in known for key in one.options)
    named = {variable_name(key, rule) for key in found if not is_run_option(key)}
    if binding.secrets.by == "file":
        named |= {name + FILE for name in named} | {name.removesuffix(FILE) for name in named}
    found.update(key for one in known for name in named for key in one.variables.get(name, ()))
    filed = any(selected(key, file.include, file.exclude) for file in binding.files for key in found)
    taken = {file.path for file in binding.files} & {f"{FOLDER}/{name}" for name in named}
    return None if filed or taken else frozenset(found)


def _of_schema(snapshot: Snapshot, app: App) -> Iterator[Key]:
    """The keys that the app's schema gives defaults, and what these refer to."""
    for default in defaults(snapshot, app):
        yield default.key
        yield from (Key(mentioned) for _, mentioned in mentioned_in(default.text))


@functools.lru_cache(maxsize=LAYERS)
def _names_of(held: _Held, prefix: str, rename: tuple[tuple[str, str], ...]) -> _Names:
    rule = VariablesRule(prefix=prefix, rename=dict(rename))
    variables: dict[str, tuple[Key, ...]] = {}
    options: list[Key] = []
    linked: list[Key] = []
    for name, entry in held.entries.items():
        try:
            key = _parsed(name)
        except Malformed:
            continue
        if "${" in entry.text:
            linked += (key, *(Key(mentioned) for _, mentioned in mentioned_in(entry.text)))
        if is_run_option(key):
            options.append(key)
        else:
            variable = variable_name(key, rule)
            variables[variable] = (*variables.get(variable, ()), key)
    return _Names(variables, tuple(options), tuple(linked))


@functools.lru_cache(maxsize=65536)
def _parsed(name: str) -> Key:
    return parse_key(name)
