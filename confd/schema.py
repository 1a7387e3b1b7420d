"""JSON Schemas (2020-12): compiled once, all errors told with a pointer and what is allowed, never a value."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from confd import jsontext
from confd.errors import Invalid
from confd.jsontext import Value

__all__ = ["check"]


def check(name: str, value: Value) -> None:
    """Check a value against the shipped schema `<name>.schema.json`. Raises `Invalid` for the first error."""
    errors = sorted(_validator(name).iter_errors(jsontext.plain(value)), key=lambda error: list(error.path))
    if errors:
        error = errors[0]
        pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.absolute_path)
        where = ".".join(str(part) for part in error.absolute_path) or "the document"
        raise Invalid(f"{name}: {where}: {_words(error)}", pointer=pointer)


@functools.cache
def _validator(name: str) -> Draft202012Validator:
    text = resources.files("confd.schemas").joinpath(f"{name}.schema.json").read_text("utf-8")
    return Draft202012Validator(json.loads(text))


def _words(error: ValidationError) -> str:
    rule: Any = error.validator_value
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = sorted(error.schema.get("properties", {})) if isinstance(error.schema, dict) else []
        unknown = ", ".join(sorted(repr(n) for n in error.instance if n not in known))
        return f"unknown field {unknown}; known are: {', '.join(known)}"
    words: Mapping[str, Callable[[], str]] = {
        "required": lambda: f"the fields {', '.join(rule)} are needed",
        "type": lambda: f"expected {rule if isinstance(rule, str) else ' or '.join(rule)}",
        "enum": lambda: f"expected one of {', '.join(map(str, rule))}",
        "pattern": lambda: f"expected text that matches {rule}",
        "anyOf": lambda: "expected a duration like 10s, 500ms or 1m, or a number of seconds",
    }
    return words.get(str(error.validator), lambda: f"against the rule {error.validator}")()
