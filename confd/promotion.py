"""Promotion: what the settings of an app in one env make of those in another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from confd.keys import matches
from confd.model.mappings import EMPTY

__all__ = ["Choice", "Promotion", "promotion"]

TARGET_ONLY = "only in {env}"
EXCLUDED = "kept by the binding's promote"
NOT_CHOSEN = "not chosen"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which keys are carried over: globs. `prune`: what only the target has goes."""

    only: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    prune: bool = False

    def has(self, key: str) -> bool:
        chosen = not self.only or any(matches(glob, key) for glob in self.only)
        return chosen and not any(matches(glob, key) for glob in self.left_out)


@dataclass(frozen=True, slots=True)
class Promotion:
    """`after`: the text of each key that is to be another, None for one that goes.

    `kept` tells of each key that differs and stays as it is in the target why.
    """

    after: Mapping[str, str | None] = field(default_factory=lambda: EMPTY)
    kept: Mapping[str, str] = field(default_factory=lambda: EMPTY)


def promotion(
    source: Mapping[str, str], target: Mapping[str, str], excluded: Iterable[str], choice: Choice, env: str
) -> Promotion:
    """What carrying `source` over makes of `target`, the settings in `env`. `excluded`: globs of keys that stay."""
    globs, after, kept = tuple(excluded), dict[str, str | None](), dict[str, str]()
    for key in sorted(source.keys() | target.keys()):
        text = source.get(key)
        if text == target.get(key):
            continue
        if any(matches(glob, key) for glob in globs):
            kept[key] = EXCLUDED
        elif not choice.has(key):
            kept[key] = NOT_CHOSEN
        elif text is None and not choice.prune:
            kept[key] = TARGET_ONLY.format(env=env)
        else:
            after[key] = text
    return Promotion(after, kept)
