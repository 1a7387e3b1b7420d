"""What an env lets containers be run with, and what is against it."""

from __future__ import annotations

from dataclasses import dataclass

from confd.keys import Env

__all__ = ["Policy", "Rule", "Violation"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One JSON Schema over run options, as text. A policy of one schema has one rule, without an id and words.

    `title` says what is allowed, `why` what it keeps off, `mend` what to do. `about`: the options it is of.
    """

    id: str
    schema: str
    title: str = ""
    why: str = ""
    mend: str = ""
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """Rules that hold for every container of an env (`_default`: of every env).

    `broken` says why what stands in the store is no policy: what it asks is not known then. Two are the same where
    they are one object, so that what was judged by one is found quickly; the store's are made once for each text.
    """

    env: Env
    name: str
    rules: tuple[Rule, ...] = ()
    broken: str = ""

    def __str__(self) -> str:
        return f"{self.env}/{self.name}"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is against a rule.

    `options` are the run options concerned, `place` where in them it is, `allowed` what the rule takes, `shown`
    what is there, where it may be told. `found` is what is there as JSON text, so that two violations are the same
    when nothing of it has changed.
    """

    policy: str
    rule: str
    options: tuple[str, ...]
    place: tuple[str, ...]
    allowed: str
    mend: str = ""
    why: str = ""
    shown: str = ""
    found: str = ""
