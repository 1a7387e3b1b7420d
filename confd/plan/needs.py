"""What differs between what a container is due and what it is, and how far each difference makes one go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confd.keys import Key, is_run_option, option_of
from confd.model import Observed, Reach, Reason, Rendered
from confd.options import OPTIONS, excluded_by, overlay, read_back
from confd.secretfiles import is_secret_path

__all__ = ["Need", "carriers", "needs_of"]


@dataclass(frozen=True, slots=True)
class Need:
    """One difference: the key, what carries it, and how far one has to go at least."""

    key: Key
    kind: str  # variable, path, option, argument, file, folder, shim
    name: str
    required: Reach
    rule: str = ""
    """What the app's schema says that a change of the key does."""

    @property
    def reason(self) -> Reason:
        word = _WORDS.get(self.kind, self.kind)
        by = f" (the schema says {self.rule})" if self.rule else ""
        return Reason(self.key, f"{word} {self.name}".rstrip() + by)


_WORDS = {
    "option": "run option",
    "argument": "arguments",
    "path": "variable",
    "folder": "secret file",
    "shim": "variable",
}


def needs_of(rendered: Rendered, observed: Observed) -> list[Need]:
    """All that differs, what is of the container's spec first."""
    files = (*_file_needs(rendered, observed), *_unrendered_needs(rendered, observed))
    return [*_spec_needs(rendered, observed), *_shim_needs(rendered, observed), *files]


def _spec_needs(rendered: Rendered, observed: Observed) -> list[Need]:
    in_effect = observed.applied.spec or observed.label_digest
    if in_effect == rendered.target(shim=bool(observed.shim)):
        return []
    needs = [] if observed.shim else list(_variable_needs(rendered, observed))
    needs += _option_needs(rendered, observed)
    if rendered.arguments_digest != observed.arguments:
        keys = rendered.argument_keys or (Key("arguments"),)
        changed = [key for key in keys if _changed(key, rendered, observed)]
        needs += [Need(key, "argument", "", Reach.NEW_CONTAINER) for key in changed or keys[:1]]
    return needs


def _variable_needs(rendered: Rendered, observed: Observed) -> Iterable[Need]:
    desired = {**observed.base_variables, **rendered.variable_digests}
    for name in sorted(desired.keys() | observed.variables.keys()):
        if desired.get(name) != observed.variables.get(name):
            key = rendered.variable_keys.get(name, Key(name))
            yield Need(key, "path" if rendered.is_path(name) else "variable", name, Reach.NEW_CONTAINER)


def _shim_needs(rendered: Rendered, observed: Observed) -> Iterable[Need]:
    """Secrets that a shim alone is to bring, where there is none that asks for them."""
    for name in rendered.shim_variables if observed.shim != "http" else ():
        yield Need(rendered.variable_keys[name], "shim", name, Reach.NEW_CONTAINER)


def _option_needs(rendered: Rendered, observed: Observed) -> Iterable[Need]:
    desired = overlay(observed.base_options, rendered.options)
    due = read_back(desired)
    for name in sorted(due.keys() | observed.options.keys() - excluded_by(rendered.options)):
        if due.get(name) != observed.options.get(name):
            yield Need(Key(f"run/{name}"), "option", name, _option_reach(name, desired, observed))


def _option_reach(name: str, desired: Mapping[str, str], observed: Observed) -> Reach:
    option = OPTIONS.get(name)
    if option is None or not option.live:
        return Reach.NEW_CONTAINER
    if name not in desired and not option.removal:
        return Reach.NEW_CONTAINER
    if any(other in observed.options for other in option.excludes):
        return Reach.NEW_CONTAINER
    return Reach.IN_PLACE


def _file_needs(rendered: Rendered, observed: Observed) -> Iterable[Need]:
    acted = observed.applied.revision > 0 or observed.unfinished
    for file in rendered.files:
        if is_secret_path(file.path) and not observed.secrets:
            for key in file.keys or (Key(file.path.strip("/")),):
                yield Need(key, "folder", file.path, Reach.NEW_CONTAINER)
            continue
        differs = observed.files.get(file.path) != file.digest
        changed = [key for key in file.keys if _changed(key, rendered, observed)]
        if differs or (changed and acted):
            for key in changed or file.keys or (Key(file.path.strip("/")),):
                yield Need(key, "file", file.path, Reach.IN_PLACE)


def _unrendered_needs(rendered: Rendered, observed: Observed) -> Iterable[Need]:
    """A file that cannot be rendered differs, whatever the container has."""
    for problem in rendered.problems:
        if problem.file:
            keys = [Key(key) for key in problem.keys]
            changed = [key for key in keys if _changed(key, rendered, observed)]
            for key in changed or keys[:1] or (Key(problem.file.strip("/")),):
                yield Need(key, "file", problem.file, Reach.IN_PLACE)


def _changed(key: Key, rendered: Rendered, observed: Observed) -> bool:
    return rendered.key_digests.get(key) != observed.applied.keys.get(key)


def carriers(key: Key, rendered: Rendered, observed: Observed) -> Iterable[Need]:
    """All that would differ if this key did."""
    if is_run_option(key):
        name = option_of(key)
        desired = {**overlay(observed.base_options, rendered.options), name: ""}
        yield Need(key, "option", name, _option_reach(name, desired, observed))
        return
    for name, carried in rendered.variable_keys.items():
        if carried == key and not observed.shim and name in rendered.variables and not rendered.is_path(name):
            yield Need(key, "variable", name, Reach.NEW_CONTAINER)
    if key in rendered.argument_keys:
        yield Need(key, "argument", "", Reach.NEW_CONTAINER)
    yield from (need for need in _shim_needs(rendered, observed) if need.key == key)
    yield from (need for need in _file_needs(rendered, observed) if need.key == key and need.kind == "folder")
    written = [
        file.path
        for file in rendered.files
        if key in file.keys and (observed.secrets or not is_secret_path(file.path))
    ]
    for path in (*written, *(one.file for one in rendered.problems if one.file and key in one.keys)):
        yield Need(key, "file", path, Reach.IN_PLACE)
