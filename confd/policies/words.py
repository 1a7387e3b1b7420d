"""What a policy says to a person: which option is against it, what is allowed, and what to do."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from jsonschema import ValidationError

from confd.model import Violation
from confd.policies.schemas import NEVER

__all__ = ["allowed", "in_words", "shown"]

_SHOWN = frozenset(
    (
        *("privileged", "volume", "mount", "device", "network", "ipc", "pid", "uts", "userns", "cgroup-parent"),
        *(
            "security-opt",
            "cap-add",
            "cap-drop",
            "user",
            "group-add",
            "memory",
            "memory-swap",
            "cpus",
            "cpu-shares",
        ),
        *("cpu-quota", "pids-limit", "restart", "read-only", "publish", "runtime", "image", "ulimit", "log-driver"),
        *("tmpfs", "sysctl"),
    )
)
"""Options of which a refusal tells what they are; a command line, say, may hold a password."""


def in_words(one: Violation) -> str:
    """Which option is against which policy, what is allowed, and what to do."""
    options = ", ".join(f"run/{name}" for name in one.options) or "the run options"
    options += f" ({' '.join(one.place[1:])})" if one.place[1:] else ""
    rule = f", rule {one.rule}," if one.rule else ""
    here = f", here it is {one.shown}" if one.shown else ""
    mend = f"; {one.mend}" if one.mend else ""
    return f"{options}: the policy {one.policy}{rule} asks for {one.allowed}{here}{mend}"


def allowed(error: ValidationError) -> str:
    """What a schema without a title takes: what it says itself, else what the keyword means."""
    if isinstance(error.schema, Mapping) and isinstance(error.schema.get("description"), str):
        return str(error.schema["description"])
    rule: Any = error.validator_value
    if error.schema == NEVER:
        return "it to be left out"
    words = _WORDS.get(str(error.validator), f"{error.validator} {{}}")
    return words.format(_short(rule))


_WORDS: Mapping[str, str] = {
    "required": "it to be set",
    "const": "{}",
    "enum": "one of {}",
    "type": "a value of type {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "pattern": "text that matches {}",
    "not": "anything but {}",
    "contains": "a list that has {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "additionalProperties": "none but the options that it names",
}


def shown(names: Collection[str], found: Any) -> str:
    return _short(found) if names and found not in (None, {}) and all(name in _SHOWN for name in names) else ""


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 120 else text[:117] + "..."
