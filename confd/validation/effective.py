"""What a schema does to an app's effective settings: checks, defaults, types, secrets and rules of change. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.errors import Malformed
from confd.keys import DEFAULT, App, Key, Layer, is_run_option
from confd.model import Binding, OnChange, Problem, Resolved, Setting, Snapshot, frozen
from confd.validation.documents import Current, Schema, current, on_change_of
from confd.validation.engine import TooMuch, errors_in, value_of
from confd.validation.judge import Fault, faults_of
from confd.validation.tree import for_key, names

__all__ = [
    "INCOMPLETE",
    "INVALID",
    "by_schema",
    "defaults",
    "faults_at",
    "judged",
    "secret_keys",
    "typed",
    "word_of",
]

INVALID = "schema"
"""The code of a problem with one key's value; the key is left out."""
INCOMPLETE = "incomplete"
"""The code of a problem with all keys together, which counts where the app is."""

_REFERENCE = re.compile(r"(?<!\$)\$\{@")


def defaults(snapshot: Snapshot, app: App) -> Iterator[Setting]:
    """What the newest schema says where no layer does: the lowest layer."""
    now = current(snapshot, app)
    if now is not None and now.schema is not None:
        layer = Layer.of_schema(app)
        for key, text in now.schema.defaults.items():
            yield Setting(key, text, False, layer, now.revision)


def judged(snapshot: Snapshot, resolved: Resolved) -> Resolved:
    """The settings without keys that are against the app's schema, each told as a problem."""
    now = current(snapshot, resolved.app)
    if now is None:
        return resolved
    if now.schema is None:
        if not now.broken:
            return resolved
        wrong = Problem(INVALID, (), f"the schema of {resolved.app} is none, so nothing is changed: {now.broken}")
        return replace(resolved, problems=(*resolved.problems, wrong))
    found = faults_at(now.schema, resolved)
    if not found:
        return resolved
    left_out = {fault.keys[0] for fault in found if not fault.whole}
    kept = {key: setting for key, setting in resolved.settings.items() if key not in left_out}
    problems = (
        Problem(INCOMPLETE if fault.whole else INVALID, fault.keys, f"{fault} (schema {now.version})")
        for fault in found
    )
    return replace(resolved, settings=frozen(kept), problems=(*resolved.problems, *problems))


def faults_at(schema: Schema, resolved: Resolved) -> list[Fault]:
    """What of the effective settings is against a schema. A reference's value is known later, and then a text.

    A key that all apps share is looked at where the schema names it: it is not the app's own.
    """
    unknown = [Key(key) for problem in resolved.problems for key in problem.keys if problem.code == "secret"]
    texts: dict[Key, str] = {}
    for key, setting in resolved.settings.items():
        if is_run_option(key) or (setting.layer.app == DEFAULT and not _names(schema, key)):
            continue
        if _REFERENCE.search(setting.text):
            unknown.append(key)
        else:
            texts[key] = setting.text
    secret = {key for key in texts if resolved.settings[key].secret}
    return [_hiding(fault, secret) for fault in faults_of(schema, texts, unknown)]


@functools.lru_cache(maxsize=65536)
def _names(schema: Schema, key: Key) -> bool:
    return names(schema.root, key)


def _hiding(fault: Fault, secret: Iterable[Key]) -> Fault:
    """Of a secret the place inside is not told, since the names in it are its own."""
    if not fault.keys or fault.keys[0] not in secret:
        return fault
    return replace(fault, pointer=jsontext.pointer(fault.keys[0]), allowed="its value is against the schema")


def secret_keys(now: Current | None, keys: Iterable[Key]) -> set[Key]:
    """Those of the keys that have to be secrets, by `x-secret`."""
    if now is None or now.schema is None:
        return set()
    return {key for key in keys if word_of(now.schema, key, "x-secret") is True}


def by_schema(snapshot: Snapshot, binding: Binding, resolved: Resolved) -> Binding:
    """The binding with the rules of `x-on-change` for keys that only its rule for all keys is of."""
    now = current(snapshot, resolved.app)
    if now is None or now.schema is None:
        return binding
    rules = rules_of(now.schema, (*resolved.settings, *resolved.removed))
    return replace(binding, by_schema=rules) if rules else binding


def rules_of(schema: Schema, keys: Iterable[Key]) -> Mapping[Key, OnChange]:
    """What `x-on-change` says of these keys, and of all that the schema names."""
    all_keys = dict.fromkeys([*map(Key, schema.root.get("properties", {})), *keys])
    found = ((key, word_of(schema, key, "x-on-change")) for key in all_keys)
    return frozen({key: on_change_of(key, rule) for key, rule in found if rule is not None})


@functools.lru_cache(maxsize=65536)
def word_of(schema: Schema, key: Key, word: str) -> Any:
    """What a word of ours says of a key, where it stands."""
    return next((one[word] for one in for_key(schema.document, key) if word in one), None)


def typed(now: Current | None, key: Key, text: str) -> str:
    """The JSON text of a plain text: a string, unless the schema gives the key another type and the text has it."""
    string = jsontext.dump(text)
    if now is None or now.schema is None or is_run_option(key):
        return string
    schema = now.schema
    if not _against(schema, key, string):
        return string
    try:
        value = jsontext.parse(text)
    except Malformed:
        return string
    if value is None or isinstance(value, str):
        return string
    other = jsontext.dump(value)
    return string if {"type", "enum", "const"} & _against(schema, key, other) else other


def _against(schema: Schema, key: Key, text: str) -> set[str]:
    """The keywords that a value is against, of all that holds for its key."""
    rules = set()
    for one in for_key(schema.root, key):
        alone = {
            word: rule for word, rule in one.items() if word not in ("$ref", "allOf")
        }  # they come by themselves
        try:
            rules |= {
                str(error.validator) for error in errors_in(schema.whole, value_of(text), alone) if not error.path
            }
        except TooMuch:
            rules.add("effort")
    return rules
