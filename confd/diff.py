"""What differs between two sets of settings, key by key.

Pure, over JSON text: equality of values is equality of their text. Must not know of layers or stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

__all__ = ["Difference", "diff"]


class Difference(TypedDict):
    """One key that differs; `None` where it is absent."""

    key: str
    before: str | None
    after: str | None
    action: Literal["add", "change", "remove"]


def diff(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[Difference]:
    """The keys that differ, sorted; a key that is absent and one that is `None` are the same."""
    found: list[Difference] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old != new:
            action: Literal["add", "change", "remove"] = (
                "add" if old is None else "remove" if new is None else "change"
            )
            found.append({"key": key, "before": old, "after": new, "action": action})
    return found
