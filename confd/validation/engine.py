"""JSON Schema 2020-12 as settings need it: exact numbers, formats that are checked, and work that is bounded.

Patterns and formats are matched by jsonschema-rs, in a time that grows with the text; all else is jsonschema's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError
from jsonschema._utils import find_evaluated_property_keys_by_schema
from jsonschema.validators import extend
from referencing import Registry

from confd import jsontext
from confd.jsontext import Number, Value

__all__ = ["FORMATS", "TooMuch", "errors_in", "exact", "is_pattern", "matching", "validator", "value_of"]

MAX_STEPS = 20_000
"""So many references are followed for one value."""
MAX_MATCHED = 64 * 1024
"""No longer text meets a pattern or a format."""
MAX_EXPONENT = 5000

_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?(ms|s|m|h)")

FORMATS: Mapping[str, str] = {
    "confd-duration": "a duration like 500ms, 30s, 5m or 1h",
    "date": "a date like 2026-01-31",
    "date-time": "a time like 2026-01-31T12:00:00Z",
    "duration": "an ISO 8601 duration like PT30S or P1D",
    "email": "an address like anna@example.com",
    "hostname": "a host name like db.example.com",
    "idn-email": "an address like anna@example.com",
    "idn-hostname": "a host name like db.example.com",
    "ipv4": "an IPv4 address like 192.0.2.1",
    "ipv6": "an IPv6 address like 2001:db8::1",
    "iri": "a URI like https://example.com/",
    "iri-reference": "a URI, or a part of one",
    "json-pointer": "a JSON pointer like /a/b",
    "regex": "a regular expression",
    "relative-json-pointer": "a relative JSON pointer like 1/a",
    "time": "a time of day like 12:00:00Z",
    "uri": "a URI like https://example.com/",
    "uri-reference": "a URI, or a part of one",
    "uri-template": "a URI template like /users/{id}",
    "uuid": "a UUID like 123e4567-e89b-12d3-a456-426614174000",
}
"""All formats that are known, in words; each of them is checked."""


class TooMuch(Exception):
    """A schema needs more steps for a value than are granted."""


_steps: ContextVar[list[int]] = ContextVar("steps")


def exact(value: Value) -> Any:
    """The value with numbers as they are written: ints and decimals, never a binary fraction."""
    if isinstance(value, Number):
        return _number(value.text)
    if isinstance(value, Mapping):
        return {name: exact(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [exact(one) for one in value]
    return value


CACHED_TEXT = 4096


def value_of(text: str) -> Any:
    """A value's text as the schema meets it."""
    return _short(text) if len(text) <= CACHED_TEXT else exact(jsontext.parse(text))


@functools.lru_cache(maxsize=16384)
def _short(text: str) -> Any:
    return exact(jsontext.parse(text))


def _number(text: str) -> int | Decimal:
    if text.lstrip("-").isdigit() and len(text) <= 4000:
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent beyond all that decimals take
        small = "e-" in text.lower() or not text.lower().partition("e")[0].strip("-0.")
        return Decimal(0) if small else Decimal("-Infinity" if text.startswith("-") else "Infinity")


@functools.lru_cache(maxsize=4096)
def _leaf(word: str, rule: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {word: rule},
        validate_formats=True,
        ignore_unknown_formats=False,
        pattern_options=jsonschema_rs.FancyRegexOptions(
            backtrack_limit=100_000, size_limit=1 << 20, dfa_size_limit=1 << 20
        ),
    )


def is_pattern(text: str) -> bool:
    """Whether it is a regular expression that can be matched."""
    try:
        _leaf("pattern", text)
    except jsonschema_rs.ValidationError:
        return False
    return True


def matching(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text."""
    return len(text) <= MAX_MATCHED and _leaf("pattern", pattern).is_valid(text)


def _has_format(name: str, text: str) -> bool:
    if len(text) > MAX_MATCHED:
        return False
    if name == "confd-duration":
        return _DURATION.fullmatch(text) is not None
    return _leaf("format", name).is_valid(text)


# --- keywords whose errors name what is missing or too much: the message is the name -----------------------


def _required(validator: Any, names: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        yield from (ValidationError(name) for name in names if name not in instance)


def _dependent_required(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for name, others in rule.items() if isinstance(instance, dict) else ():
        if name in instance:
            yield from (ValidationError(jsontext.dump([one, name])) for one in others if one not in instance)


def _additional(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict) or rule is True:
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name in instance:
        if name in known or any(matching(pattern, name) for pattern in patterns):
            continue
        if rule is False:
            yield ValidationError(name)
        else:
            yield from validator.descend(instance[name], rule, path=name)


def _unevaluated(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    evaluated = set(find_evaluated_property_keys_by_schema(validator, instance, schema))
    for name in instance:
        if name not in evaluated:
            if rule is False:
                yield ValidationError(name)
            else:
                yield from validator.descend(instance[name], rule, path=name)


def _pattern_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for pattern, its in rule.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if matching(pattern, name):
                yield from validator.descend(value, its, path=name, schema_path=pattern)


# --- keywords of single values ----------------------------------------------------------------------------


def _pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matching(pattern, instance):
        yield ValidationError("")


def _format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _has_format(name, instance):
        yield ValidationError("")


def _multiple_of(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if _is_number(None, instance) and not _is_multiple(instance, rule):
        yield ValidationError("")


def _is_multiple(number: int | Decimal, of: int | Decimal) -> bool:
    for one in (number, of):
        if isinstance(one, Decimal) and not (one.is_finite() and abs(one.adjusted()) < MAX_EXPONENT):
            return False  # it could not be told in any reasonable time
    return (Fraction(number) / Fraction(of)).denominator == 1


def _unique(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if rule and isinstance(instance, list) and len({_same(one) for one in instance}) < len(instance):
        yield ValidationError("")


def _same(value: Any) -> Any:
    """What is equal for two values that are; true is not 1."""
    if isinstance(value, dict):
        return ("object", frozenset((name, _same(one)) for name, one in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(_same, value)))
    return (isinstance(value, bool), value)


def _counted(keyword: str) -> Any:
    follow: Any = Draft202012Validator.VALIDATORS[keyword]

    def refer(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        left = _steps.get()
        left[0] -= 1
        if left[0] < 0:
            raise TooMuch
        yield from follow(validator, rule, instance, schema)

    return refer


def _is_number(checker: Any, value: Any) -> bool:
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _is_integer(checker: Any, value: Any) -> bool:
    """1.0 is one, as draft 2020-12 says."""
    return _is_number(None, value) and (isinstance(value, int) or value == value.to_integral_value())


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={
        "required": _required,
        "dependentRequired": _dependent_required,
        "additionalProperties": _additional,
        "unevaluatedProperties": _unevaluated,
        "patternProperties": _pattern_properties,
        "pattern": _pattern,
        "format": _format,
        "multipleOf": _multiple_of,
        "uniqueItems": _unique,
        "$ref": _counted("$ref"),
        "$dynamicRef": _counted("$dynamicRef"),
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer}),
)


def validator(schema: Any) -> Any:
    """A validator of an exact schema without `$schema`; it has no way to fetch anything."""
    return _Validator(schema, registry=Registry())


def errors_in(made: Any, value: Any, schema: Any = None) -> list[ValidationError]:
    """All errors of an exact value, by the whole schema of a validator or by one of its parts. Raises `TooMuch`."""
    token = _steps.set([MAX_STEPS])
    try:
        return list(made.iter_errors(value) if schema is None else made.descend(value, schema))
    except RecursionError as error:
        raise TooMuch from error
    finally:
        _steps.reset(token)
