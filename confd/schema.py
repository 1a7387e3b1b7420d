"""JSON Schema: is a value of the shape that a shipped schema asks for, and if not, where and why.

Pure but for reading our own package data. Must not know what the schemas are about.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from confd.errors import Invalid
from confd.jsontext import Value, plain

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

__all__ = ["check"]


def check(value: Value, schema: str, what: str) -> None:
    """Raises `Invalid`, with a pointer, unless the value fits the shipped schema of that name."""
    errors = sorted(_validator(schema).iter_errors(plain(value)), key=lambda error: list(map(str, error.path)))
    if errors:
        error = errors[0]
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
        raise Invalid(f"{what}{pointer.replace('/', ' ', 1)}: {_words(error)}", pointer=pointer)


@cache
def _validator(schema: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    text = resources.files("confd.schemas").joinpath(f"{schema}.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def _words(error: ValidationError) -> str:
    """What is wrong and what would be accepted, without the value itself."""
    wanted = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = sorted(error.schema.get("properties", {}))
            unknown = ", ".join(ascii(name) for name in error.instance if name not in known)
            return f"unknown field {unknown}; known are: {', '.join(known)}"
        case "type":
            return f"has to be of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
        case "enum":
            return f"has to be one of: {', '.join(map(str, wanted))}"
        case "required":
            missing = [name for name in wanted if name not in error.instance]
            return f"the field {', '.join(missing)} is missing"
        case _:
            return error.schema.get("description") or f"breaks the rule {error.validator}: {wanted}"
