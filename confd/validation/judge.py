"""What of settings is against a schema: all of it, in words, without a value. Pure.

What a key's own schema says of a value is found once for each text. So a change of one key of a thousand costs one
look at that key, and one at what the schema says of all of them together.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import ValidationError

from confd import jsontext
from confd.keys import Key
from confd.validation.documents import Schema, known_names
from confd.validation.engine import TooMuch, errors_in, matching, value_of
from confd.validation.words import described, like

__all__ = ["Fault", "faults_in", "faults_of"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is against a schema. `keys`: the one it is of first; none for all of them together.

    `pointer` leads to it in the settings as one object, `rule` is the keyword, `allowed` what the schema takes.
    `whole`: it is about which keys there are, so that it counts only where the app is.
    """

    keys: tuple[Key, ...]
    pointer: str
    rule: str
    allowed: str
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.keys[0]}: {self.allowed}" if self.keys else self.allowed


def faults_of(schema: Schema, texts: Mapping[Key, str], unknown: Iterable[Key] = ()) -> list[Fault]:
    """All that is against the schema; of the keys of `unknown` the values are not known."""
    found = [fault for key, text in texts.items() for fault in faults_in(schema, key, text)]
    document: dict[str, Any] = dict.fromkeys([*unknown, *texts], "")
    if schema.values:
        document |= {key: value_of(text) for key, text in texts.items()}
    try:
        for error in errors_in(schema.rest, document):
            found += _faults(error, schema)
    except TooMuch:
        found.append(Fault((), "", "effort", "the schema needs too many steps for these settings", whole=True))
    return found


@functools.lru_cache(maxsize=65536)
def faults_in(schema: Schema, key: Key, text: str) -> tuple[Fault, ...]:
    """What a value's text has against what the schema says of its key alone."""
    own = [schema.root["properties"][key]] if key in schema.root.get("properties", {}) else []
    patterns = schema.root.get("patternProperties", {})
    own += [its for pattern, its in patterns.items() if matching(pattern, key)]
    found: list[Fault] = []
    try:
        for its in own:
            for error in errors_in(schema.whole, value_of(text), its):
                error.path.appendleft(key)
                found += _faults(error, schema)
    except TooMuch:
        pointer = jsontext.pointer(key)
        found.append(Fault((key,), pointer, "effort", "the schema needs too many steps for this value"))
    return tuple(dict.fromkeys(found))


# --- an error of the validator as a fault ------------------------------------------------------------------


def _faults(error: ValidationError, schema: Schema) -> Iterator[Fault]:
    path, rule = [str(part) for part in error.path], str(error.validator)
    if rule in ("required", "dependentRequired", "additionalProperties", "unevaluatedProperties"):
        yield _of_name(error, rule, path, schema)
        return
    keys = (Key(path[0]),) if path else ()
    yield Fault(keys, jsontext.pointer(*path), rule, _allowed(error, rule), whole=not path)


def _of_name(error: ValidationError, rule: str, path: list[str], schema: Schema) -> Fault:
    """A name that is missing, or one too much; the error's message has it."""
    names = json.loads(error.message) if rule == "dependentRequired" else [error.message]
    name, place = names[0], [*path, names[0]]
    because = f", since {names[1]} is set" if len(names) > 1 else ""
    if "equired" in rule:
        words = f"it is required{because}, and not set"
    else:
        words = f"the schema describes no such key; it has: {known_names(schema.document)}" + like(
            name, schema.root.get("properties", {})
        )
    if not path:
        return Fault(tuple(map(Key, names)), jsontext.pointer(*place), rule, words, whole="equired" in rule)
    words = f"the member {name} is required{because}" if "equired" in rule else "an object without other members"
    pointer = jsontext.pointer(*(place if "equired" in rule else path))
    return Fault((Key(path[0]),), pointer, rule, f"expected {words}" if "equired" not in rule else words)


def _allowed(error: ValidationError, rule: str) -> str:
    rules: Any = error.validator_value
    if rule in ("anyOf", "oneOf"):
        words = list(dict.fromkeys(filter(None, map(described, rules))))
        only = "only one of these: " if rule == "oneOf" and not error.context else ""
        return f"expected {only}{' or '.join(words) or f'one of the {len(rules)} forms that {rule} has'}"
    words_of = described(error.schema)
    if rule in ("not", "contains", "minContains", "maxContains", "propertyNames") or not words_of:
        place = jsontext.pointer(*map(str, error.schema_path))
        return "the schema takes no value here" if rules == {} else f"against the schema's {place}"
    return f"expected {words_of}"
