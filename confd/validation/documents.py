"""An app's schema from its document: checked when it is stored, compiled once, the newest of an app. Pure.

A schema describes the effective settings of an app as one object: `properties` are named by keys, like
`db/port`, and `required`, `patternProperties`, `dependentRequired`, `if` and all other keywords mean what they
mean of an object. Run options (`run/...`) are no part of it. A key that only a layer of all apps has is part of
it where the schema names it.

Which keys there are (`required`, `minProperties`, ...) counts in envs where the app has settings of its own or
a container. A value with a reference to a container counts as there, and is not looked at.

`$ref` leads to parts of the same schema (`#/$defs/...`, `#anchor`); nothing is fetched. `$id` and `$schema`
stand at the top only. A schema has at most 256 KiB, a pattern at most 1000 characters; no text over 64 KiB
matches a pattern or has a format.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema_specifications import REGISTRY

from confd import jsontext
from confd.errors import ConfdError, Invalid
from confd.jsontext import Value
from confd.keys import App, Key, is_run_option, parse_key, show
from confd.model import OnChange, Snapshot, frozen
from confd.validation.engine import FORMATS, TooMuch, errors_in, exact, is_pattern, validator, value_of
from confd.validation.tree import REFERENCES, below, for_key, is_endless, spelled_out, target_of, together
from confd.validation.words import described, like, listed

__all__ = [
    "DRAFT",
    "NONE",
    "Current",
    "Schema",
    "current",
    "known_names",
    "on_change_of",
    "parse_schema",
    "schema_in",
]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
NONE = "null"
"""The text of a version that takes the schema away."""

MAX_BYTES = 256 * 1024
MAX_PATTERN = 1000

_NESTED = re.compile(r"(?:[*+]|\{\d*,\})[^()]*\)(?:[*+]|\{\d*,)")
ACTIONS = ("none", "auto", "restart", "recreate")
WORDS: Mapping[str, str] = {
    "secret": "`true`: the key has to be a secret; a write in plain text is kept as one or refused. It has no "
    "default.",
    "on-change": "What a change of the key costs: `none`, `auto`, `restart`, `recreate` or `signal:NAME`, as in a "
    "binding's `on_change`. It comes before the binding's rule for all keys (`**`) and after any other. It is no "
    "ceiling: where it cannot bring the change into effect, what can is done.",
}
"""Words of ours, each behind `x-`."""
DEFAULT_WORDS = (
    "The value of a key that no layer has: the lowest layer, which is called `schema`. It stands with the key in "
    "`properties`, or in what that refers to; it is checked against the schema itself."
)
X_WORDS = tuple(f"x-{name}" for name in WORDS)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """A schema that settings can be checked against.

    `document` has numbers by their text; `root` is what `whole` compiles, and `rest` has all of it that is not of a
    single key. `values`: the rest looks at values too. `defaults` are JSON texts by key.
    """

    document: Any
    root: Any
    whole: Any
    rest: Any
    values: bool
    defaults: Mapping[Key, str]


@dataclass(frozen=True, slots=True)
class Current:
    """The newest version of an app's schema. `schema` is None where that took it away; `broken`: why it is none."""

    version: int
    revision: int
    text: str
    schema: Schema | None
    broken: str = ""


def current(snapshot: Snapshot, app: App) -> Current | None:
    """The newest version of the app's schema, one that took it away too; None where there never was one."""
    versions = snapshot.schemas.get(app)
    if not versions:
        return None
    number = max(versions)
    entry = versions[number]
    schema, broken = schema_in(entry.text)
    return Current(number, entry.mod_revision, entry.text, schema, broken)


@functools.lru_cache(maxsize=1024)
def schema_in(text: str) -> tuple[Schema | None, str]:
    """The schema of a stored text, and why it is none where it is not; `null` is none, and right."""
    if text == NONE:
        return None, ""
    try:
        return parse_schema(jsontext.parse(text)), ""
    except ConfdError as error:
        return None, error.detail


def parse_schema(document: Value) -> Schema:
    """A schema from its document. Raises `Invalid` with a pointer for one that cannot be checked against."""
    if not isinstance(document, Mapping):
        raise Invalid("schema: give a JSON object that describes all settings of the app by their keys", pointer="")
    size = len(jsontext.dump(document).encode())
    if size > MAX_BYTES:
        raise Invalid(f"schema: it is {size} bytes as JSON; at most {MAX_BYTES} are taken", pointer="")
    _check_draft(document)
    schemas = {id(one) for _, one in below(document)}
    for pointer, one in below(document):
        if isinstance(one, Mapping):
            _check_references(document, one, pointer, schemas)
            _check_one(one, pointer)
    if is_endless(document):
        raise Invalid("schema: a $ref leads back to itself for the same value; break the circle", pointer="")
    _check_root(document)
    made = _compiled(document)
    for key, text in made.defaults.items():
        _check_default(made, key, text)
    return made


def _check_default(made: Schema, key: Key, text: str) -> None:
    where = jsontext.pointer("properties", key, "default")
    if any(one.get("x-secret") is True for one in for_key(made.document, key)):
        raise Invalid(f"schema: {key}: the default of a secret would be none; leave it out", pointer=where)
    try:
        errors = [one for its in for_key(made.root, key) for one in errors_in(made.whole, value_of(text), its)]
    except TooMuch:
        raise Invalid(f"schema: {key}: it needs too many steps for its own default", pointer=where) from None
    if errors:
        words = described(errors[0].schema) or f"what {errors[0].validator} says"
        detail = f"schema: {key}: the default is against the schema itself: expected {words}"
        raise Invalid(detail, pointer=where)


def _check_draft(document: Mapping[str, Any]) -> None:
    draft = document.get("$schema", DRAFT)
    if not isinstance(draft, str) or draft.rstrip("#") != DRAFT:
        detail = f"schema: only draft 2020-12 is taken, and nothing is fetched; leave $schema out or give {DRAFT}"
        raise Invalid(detail, pointer="/$schema")
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA, registry=REGISTRY)
    error = best_match(meta.iter_errors(jsontext.plain(document)))
    if error is not None:
        pointer = jsontext.pointer(*map(str, error.absolute_path))
        raise Invalid(f"schema: this is no JSON Schema: {error.message[:200]}", pointer=pointer)


def _check_one(one: Mapping[str, Any], pointer: str) -> None:
    """Of one schema of the document: its patterns and formats, and our own words."""
    for word in ("$id", "$schema", "$vocabulary"):
        if word in one and (pointer or word == "$vocabulary"):
            detail = f"schema: {word} stands in the whole schema at most, and leads nowhere; leave it out"
            raise Invalid(detail, pointer=f"{pointer}/{word}")
    name = one.get("format")
    if name is not None and name not in FORMATS:
        detail = f"schema: the format {show(name)} is unknown; known are: {', '.join(FORMATS)}{like(name, FORMATS)}"
        raise Invalid(detail, pointer=f"{pointer}/format")
    if "pattern" in one:
        _check_pattern(one["pattern"], f"{pointer}/pattern")
    for pattern in one.get("patternProperties", {}):
        at = pointer + jsontext.pointer("patternProperties", pattern)
        _check_pattern(pattern, at)
        _check_of_names(pattern, at)
    if not isinstance(one.get("x-secret", False), bool):
        raise Invalid("schema: x-secret is true or false", pointer=f"{pointer}/x-secret")
    if "x-on-change" in one:
        on_change_of("**", one["x-on-change"], f"{pointer}/x-on-change")


def _check_references(document: Any, one: Mapping[str, Any], pointer: str, schemas: Set[int]) -> None:
    """`schemas`: the identities of all that the document has."""
    for word in REFERENCES:
        reference = one.get(word, "#")
        if not reference.startswith("#"):
            detail = (
                f"schema: {show(reference)} lies outside this schema, and nothing is fetched; put what it means "
                "under $defs and refer to that: #/$defs/NAME"
            )
            raise Invalid(detail, pointer=f"{pointer}/{word}")
        try:
            target = target_of(document, reference)
        except LookupError:
            target = None
        if id(target) not in schemas:
            detail = f"schema: {show(reference)} leads to no schema of this document"
            raise Invalid(detail, pointer=f"{pointer}/{word}")


def _check_pattern(pattern: str, pointer: str) -> None:
    if len(pattern) > MAX_PATTERN:
        detail = f"schema: a pattern has at most {MAX_PATTERN} characters; write several, under allOf"
        raise Invalid(detail, pointer=pointer)
    if not is_pattern(pattern):
        raise Invalid(f"schema: {show(pattern)} is no pattern that can be matched", pointer=pointer)


def _check_of_names(pattern: str, pointer: str) -> None:
    """A pattern of names meets Python's own matcher too, for `unevaluatedProperties`."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError) as error:
        detail = f"schema: {show(pattern)} is no pattern for names here: {error}"
        raise Invalid(detail, pointer=pointer) from error
    if _NESTED.search(pattern):
        detail = "schema: a repetition in a repeated group may take for ever on names; write the pattern without"
        raise Invalid(detail, pointer=pointer)


def on_change_of(keys: str, rule: Any, pointer: str = "") -> OnChange:
    """The rule that `x-on-change` means for these keys. Raises `Invalid`.

    It is no ceiling: what needs a stronger action gets that.
    """
    action, _, signal = rule.partition(":") if isinstance(rule, str) else ("", "", "")
    if action == "signal" and re.fullmatch(r"(SIG)?[A-Z][A-Z0-9+-]*", signal):
        return OnChange(keys, "signal", signal.removeprefix("SIG"), escalate=True)
    if rule not in ACTIONS:
        known = ", ".join((*ACTIONS, "signal:NAME"))
        raise Invalid(f"schema: x-on-change is one of {known}; commands stand in a binding", pointer=pointer)
    return OnChange(keys, action, escalate=action == "restart")


def _check_root(document: Mapping[str, Any]) -> None:
    types = document.get("type", "object")
    if "object" not in ([types] if isinstance(types, str) else types):
        raise Invalid('schema: settings are an object: give "type": "object", or no type', pointer="/type")
    for part in together(document, document):
        names = [(name, jsontext.pointer("properties", name)) for name in part.get("properties", {})]
        names += [(name, f"/required/{index}") for index, name in enumerate(part.get("required", ()))]
        for name, pointer in names:
            _check_key(name, pointer)


def _check_key(name: str, pointer: str) -> None:
    try:
        key = parse_key(name)
    except ConfdError as error:
        raise Invalid(f"schema: no setting can have this name: {error.detail}", pointer=pointer) from error
    if is_run_option(key):
        detail = f"schema: {key} is a run option, which schemas do not describe; a policy can (confctl policy)"
        raise Invalid(detail, pointer=pointer)


_WORDS = (
    "$schema $id $comment $defs $anchor title description examples deprecated readOnly writeOnly default type "
    "properties patternProperties required dependentRequired minProperties maxProperties propertyNames "
    "additionalProperties"
)
_BY_NAME_ALONE = frozenset(_WORDS.split())
"""Keywords that look at which keys there are, and not at their values."""


def _compiled(document: Mapping[str, Any]) -> Schema:
    root = spelled_out(exact({word: value for word, value in document.items() if word != "$schema"}))
    parts = {word: dict.fromkeys(root[word], True) for word in ("properties", "patternProperties") if word in root}
    rest = {**root, **parts}
    by_name = isinstance(rest.get("additionalProperties", True), bool)
    words = {word for word in rest if not word.startswith("x-")}
    return Schema(
        document,
        root,
        validator(root),
        validator(rest),
        not (words <= _BY_NAME_ALONE and by_name),
        frozen(_defaults(document)),
    )


def _defaults(document: Mapping[str, Any]) -> dict[Key, str]:
    names = {name for part in together(document, document) for name in part.get("properties", {})}
    found: dict[Key, str] = {}
    for name in sorted(names):
        given = [one["default"] for one in for_key(document, name) if one.get("default") is not None]
        if given:
            found[Key(name)] = jsontext.dump(given[0])
    return found


def known_names(document: Mapping[str, Any]) -> str:
    """The keys that a schema describes by name, in words."""
    names = sorted({name for part in together(document, document) for name in part.get("properties", {})})
    return listed(names) or "none by name"
