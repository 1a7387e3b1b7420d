"""The schemas of policies, compiled once; nothing is fetched for them."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

__all__ = ["NEVER", "validator"]


@functools.lru_cache(maxsize=1024)
def validator(schema: str) -> Draft202012Validator:
    """Without a way to fetch anything: a schema refers to itself alone."""
    return Draft202012Validator(_spelled_out(json.loads(schema)), registry=Registry())


def _spelled_out(schema: Any) -> Any:
    """`false` as a property's schema is `{"not": {}}`: of its errors jsonschema does not tell where they are."""
    if isinstance(schema, list):
        return [_spelled_out(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: {one: NEVER if its is False else _spelled_out(its) for one, its in value.items()}
        if name in ("properties", "patternProperties") and isinstance(value, Mapping)
        else _spelled_out(value)
        for name, value in schema.items()
    }


NEVER: Mapping[str, Any] = {"not": {}}
