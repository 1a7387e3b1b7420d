"""An app's schema: a JSON Schema (2020-12) over its effective settings, one object of key -> value.

    judged(snapshot, resolved) -> the settings without what is against the schema, each told as a problem

It gives types to plain texts and defaults as the lowest layer, and says which keys are secrets and what a change
costs. Run options are no part of the object, nor are keys that all apps share and the schema does not name.
"""

from confd.validation.documents import NONE, Current, Schema, current, parse_schema, schema_in
from confd.validation.effective import (
    INCOMPLETE,
    INVALID,
    by_schema,
    defaults,
    faults_at,
    judged,
    secret_keys,
    typed,
)
from confd.validation.judge import Fault, faults_in, faults_of
from confd.validation.unknown import unknown_words

__all__ = [
    "INCOMPLETE",
    "INVALID",
    "NONE",
    "Current",
    "Fault",
    "Schema",
    "by_schema",
    "current",
    "defaults",
    "faults_at",
    "faults_in",
    "faults_of",
    "judged",
    "parse_schema",
    "schema_in",
    "secret_keys",
    "typed",
    "unknown_words",
]
