"""What is against policies in a container's run options, and what a change of them would bring in."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jsonschema import ValidationError
from referencing.exceptions import Unresolvable

from confd import jsontext
from confd.keys import Key
from confd.model import Policy, Problem, Rule, Violation
from confd.options import OPTIONS, plain_options
from confd.policies.schemas import validator
from confd.policies.words import allowed, in_words, shown

__all__ = ["brought_in", "fresh", "violations"]

MAX_TEXT = 4096
"""No longer text meets the patterns of a schema, whose time may grow with the square of it."""


def violations(policies: Sequence[Policy], options: Mapping[str, str]) -> tuple[Violation, ...]:
    """What is against the policies in these run options, which are canonical texts by name."""
    return _judged(tuple(policies), frozenset(options.items())) if policies else ()


def fresh(policies: Sequence[Policy], before: Mapping[str, str], after: Mapping[str, str]) -> list[Violation]:
    """What is against the policies afterwards, and was not before or is another thing now."""
    if not policies or before == after:
        return []
    changed = frozenset(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    concerned = _concerned_by(tuple(policies), changed)
    known = violations(concerned, before)
    return [one for one in violations(concerned, after) if one not in known]


@functools.lru_cache(maxsize=1024)
def _concerned_by(policies: tuple[Policy, ...], changed: frozenset[str]) -> tuple[Policy, ...]:
    """The policies with those of their rules that a change of these options may matter to."""
    return tuple(
        replace(
            one, rules=tuple(rule for rule in one.rules if not rule.about or not changed.isdisjoint(rule.about))
        )
        for one in policies
    )


def brought_in(policies: Sequence[Policy], present: Mapping[str, str], due: Mapping[str, str]) -> list[Problem]:
    """What a container with the present options would be against once these are due; one that goes has no text."""
    after = {name: text for name, text in {**present, **due}.items() if text}
    found = fresh(policies, present, after)
    return [Problem("policy", tuple(Key(f"run/{name}") for name in one.options), in_words(one)) for one in found]


@functools.lru_cache(maxsize=4096)
def _judged(policies: tuple[Policy, ...], options: frozenset[tuple[str, str]]) -> tuple[Violation, ...]:
    found: list[Violation] = []
    for policy in policies:
        if policy.broken:
            found.append(_unknown(str(policy), policy.broken, dict(sorted(options))))
        for rule in policy.rules:
            if not rule.about:
                found += _by_rule(str(policy), rule, options)
            elif any(name in OPTIONS for name in rule.about):  # else: not observed yet, not known to be missing
                found += _by_rule(str(policy), rule, frozenset(one for one in options if one[0] in rule.about))
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=16384)
def _by_rule(policy: str, rule: Rule, options: frozenset[tuple[str, str]]) -> tuple[Violation, ...]:
    """Judged once for all containers that are the same in what a rule is about."""
    texts = dict(sorted(options))
    plain = plain_options(texts)
    long = [name for name, value in plain.items() if _is_long(value)]
    too_long = [name for name in long if jsontext.dump(name) in rule.schema]
    if too_long:
        return tuple(_too_long(policy, rule, name, texts[name]) for name in too_long)
    return tuple(_against(policy, rule, {name: _shortened(value) for name, value in plain.items()}))


def _against(policy: str, rule: Rule, options: Mapping[str, Any]) -> Iterator[Violation]:
    try:
        for error in validator(rule.schema).iter_errors(options):
            for names, found in _options_of(error):
                yield Violation(
                    policy=policy,
                    rule=rule.id,
                    options=names,
                    place=tuple(part for part in error.absolute_path if isinstance(part, str)),
                    allowed=rule.title or allowed(error),
                    mend=rule.mend,
                    why=rule.why,
                    shown=shown(names, found),
                    found=json.dumps(found, sort_keys=True),
                )
    except (Unresolvable, RecursionError):
        yield _unknown(policy, "its schema refers to nothing, or to itself", options)


def _options_of(error: ValidationError) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The options that an error is about, and what they are: of all of them, where the schema is."""
    if error.absolute_path:
        yield (str(error.absolute_path[0]),), error.instance
        return
    there: Any = error.instance
    if error.validator == "required":
        wanted: Any = error.validator_value
        yield from (((name,), None) for name in wanted if name not in there)
        return
    schema = {str(error.validator): error.validator_value}
    names = list(dict.fromkeys(_mentioned(schema)))
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        names = [name for name in there if name not in error.schema.get("properties", ())]
    yield tuple(names), {name: there[name] for name in names if name in there} if names else dict(there)


def _mentioned(schema: Any) -> Iterator[str]:
    """The options that a schema speaks of, where it is one over all of them."""
    if not isinstance(schema, Mapping):
        return
    yield from schema.get("properties", ())
    yield from schema.get("required", ())
    for name, others in schema.get("dependentRequired", {}).items():
        yield from (name, *others)
    for name in ("not", "if", "then", "else"):
        yield from _mentioned(schema.get(name))
    for name in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(name, ()):
            yield from _mentioned(one)


def _unknown(policy: str, why: str, options: Mapping[str, Any]) -> Violation:
    """What a policy asks is not known: any other option than those that are there is against it."""
    words = "nothing that can be told, so run options stay as they are"
    return Violation(
        policy, "", (), (), words, mend=f"mend it or take it away: {why}", found=json.dumps(dict(options))
    )


def _too_long(policy: str, rule: Rule, name: str, text: str) -> Violation:
    words = f"words of at most {MAX_TEXT} characters, which is what is judged"
    return Violation(policy, rule.id, (name,), (), words, found=text)


def _is_long(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_is_long(one) for one in (*value, *value.values()))
    if isinstance(value, list):
        return any(map(_is_long, value))
    return isinstance(value, str) and len(value) > MAX_TEXT


def _shortened(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name[:MAX_TEXT]: _shortened(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    return value[:MAX_TEXT] if isinstance(value, str) else value
