"""What differs between two sets of settings, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Difference", "diff"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key: its JSON text before and after, `None` for absent; `action` is add, change or remove."""

    key: str
    before: str | None
    after: str | None

    @property
    def action(self) -> str:
        if self.before is None:
            return "add"
        return "remove" if self.after is None else "change"


def diff(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[Difference]:
    """The keys whose text differs, sorted; a key that is absent on one side counts as `None` there."""
    keys = sorted(before.keys() | after.keys())
    pairs = ((key, before.get(key), after.get(key)) for key in keys)
    return [Difference(key, old, new) for key, old, new in pairs if old != new]
