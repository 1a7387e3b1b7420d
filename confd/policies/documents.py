"""A policy's document: checked, read from the store, or shipped."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from referencing.exceptions import Unresolvable

from confd import jsontext
from confd.errors import ConfdError, Invalid
from confd.jsontext import Value
from confd.keys import DEFAULT, Env
from confd.model import Policy, Rule, Snapshot
from confd.options import OPTIONS
from confd.policies.schemas import unknown_in, validator
from confd.schema import check

__all__ = ["PRESETS", "check_words", "parse_policy", "policies_of", "policy_of", "preset_rules"]

PRESETS = ("secure",)
"""The shipped policies, each a file of schemas/policies."""

MAX_BYTES = 64 * 1024

_NESTED = re.compile(r"(?:[*+]|\{\d*,\})[^()]*\)(?:[*+]|\{\d*,)")
"""A repetition without an end in a group that is repeated itself: its time may double with each character."""


def parse_policy(document: Value) -> tuple[Rule, ...]:
    """The rules of a policy's document. Raises `Invalid` with a pointer."""
    check("policy", document)
    fields: Any = jsontext.plain(document)
    if ("schema" in fields) == ("preset" in fields):
        raise Invalid("policy: give a schema or the name of a preset, and not both", pointer="")
    if "preset" in fields:
        return _from_preset(fields)
    if "except" in fields:
        raise Invalid("policy: except goes with a preset; a schema has no rules by name", pointer="/except")
    text = json.dumps(fields["schema"], sort_keys=True)
    if len(text) > MAX_BYTES:
        raise Invalid(f"policy: the schema is {len(text)} bytes; at most {MAX_BYTES} are taken", pointer="/schema")
    _check_schema(fields["schema"])
    return (Rule("", text, why=fields.get("description", "")),)


def check_words(document: Value) -> None:
    """Raises `Invalid`, with a pointer, for what is said in vain: not of one that is stored, which may be newer."""
    fields: Any = jsontext.plain(document)
    for pointer, detail in unknown_in(fields.get("schema", {})):
        raise Invalid(f"policy: {detail}", pointer=pointer)


def _from_preset(fields: Mapping[str, Any]) -> tuple[Rule, ...]:
    name, left_out = fields["preset"], fields.get("except", [])
    if name not in PRESETS:
        raise Invalid(f"policy: preset {name!r} is unknown; known are: {', '.join(PRESETS)}", pointer="/preset")
    rules = preset_rules(name)
    known = [rule.id for rule in rules]
    for index, one in enumerate(left_out):
        if one not in known:
            detail = f"policy: {name} has no rule {one!r}; its rules are: {', '.join(known)}"
            raise Invalid(detail, pointer=f"/except/{index}")
    return tuple(rule for rule in rules if rule.id not in left_out)


def _check_schema(schema: Mapping[str, Any]) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        pointer = jsontext.pointer("schema", *map(str, error.absolute_path))
        raise Invalid(f"policy: this is no JSON Schema: {error.message[:200]}", pointer=pointer) from error
    for pointer, pattern in _patterns(schema, "/schema"):
        if _NESTED.search(pattern):
            detail = "policy: a repetition in a repeated group may take for ever; write the pattern without one"
            raise Invalid(detail, pointer=pointer)
    try:
        compiled = validator(json.dumps(schema, sort_keys=True))
        samples: list[dict[str, Any]] = [{}, {name: {} for name in OPTIONS}]
        for options in samples:
            list(compiled.iter_errors(options))
    except (Unresolvable, RecursionError) as error:
        detail = "policy: a $ref leads nowhere or to itself; only #/$defs/... of this schema can be referred to"
        raise Invalid(detail, pointer="/schema") from error


def _patterns(schema: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(schema, Mapping):
        for name, value in schema.items():
            below = pointer + jsontext.pointer(name)
            if name == "pattern" and isinstance(value, str):
                yield below, value
            elif name == "patternProperties" and isinstance(value, Mapping):
                yield from ((below, one) for one in value)
            yield from _patterns(value, below)
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from _patterns(value, f"{pointer}/{index}")


@functools.cache
def preset_rules(name: str) -> tuple[Rule, ...]:
    """All rules of a shipped policy."""
    text = resources.files("confd.schemas").joinpath(f"policies/{name}.json").read_text("utf-8")
    return tuple(
        Rule(
            one["id"],
            json.dumps(one["schema"], sort_keys=True),
            one["title"],
            one["why"],
            one["mend"],
            tuple(one["about"]),
        )
        for one in json.loads(text)["rules"]
    )


def policies_of(snapshot: Snapshot, env: Env) -> tuple[Policy, ...]:
    """The policies that hold in an env: those of env `_default`, and its own."""
    places = [place for place in sorted(snapshot.policies) if place[0] in (DEFAULT, env)]
    return tuple(policy_of(*place, snapshot.policies[place].text) for place in places)


@functools.lru_cache(maxsize=1024)
def policy_of(env: Env, name: str, text: str) -> Policy:
    """A policy as it stands in the store; one that was put there without us, and is none, is told as broken."""
    try:
        return Policy(env, name, parse_policy(jsontext.parse(text)))
    except ConfdError as error:
        return Policy(env, name, broken=error.detail)
