"""The JSON Schema of all run options, made from the registry: what an editor completes and a form offers.

It may take more than an option does, and never less: what is refused in the end, the option says itself.
"""

from __future__ import annotations

from typing import Any

from confd import jsontext
from confd.options.option import OLDEST
from confd.options.registry import OPTIONS
from confd.options.texts import flag

__all__ = ["run_options_schema"]


def run_options_schema() -> dict[str, Any]:
    """Draft 2020-12. Each option's `title` is its flag, `description` what it is and what it takes."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Run options",
        "description": (
            "What `docker run` takes, by the names that stand under `run/`, with its units. An option that is null "
            "in a higher layer is the container's own again."
        ),
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(name) for name in OPTIONS},
    }


def _property(name: str) -> dict[str, Any]:
    option = OPTIONS[name]
    needed = {option.since(option.parse(jsontext.parse(jsontext.dump(example)))) for example in option.examples} - {
        OLDEST
    }
    newer = f" Needs an engine with the API {min(needed)}." if needed else ""
    return {
        "title": flag(name),
        "description": f"{option.doc[0].upper()}{option.doc[1:]}: {option.form}.{newer}",
        **option.grammar.schema,
        "examples": list(option.examples),
    }
