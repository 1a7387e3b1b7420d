"""Where the revisions of a store that was saved are in the one into which it is put back. Pure.

A head tells on which revision it was decided, and a record of edits past the API which was the first of them. Both
are others in another store, whose revisions are known as it is written, in the order of the old ones.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from typing import Any

from confd.backups import HEAD, RECORD, Record

__all__ = ["Revisions"]


class Revisions:
    """Old revisions, ascending, and the new one of each. `floor`: one before all that is written."""

    def __init__(self, floor: int) -> None:
        self._floor = floor
        self._old: list[int] = []
        self._new: list[int] = []

    def add(self, old: int, new: int) -> None:
        """What had the old revision, or more than that and less than the next one, has the new one."""
        self._old.append(old)
        self._new.append(new)

    def text_of(self, record: Record) -> str:
        """The text of a record as it is right in the new store, before it is written there."""
        if HEAD.fullmatch(record.key):
            return self._changed(record, "since")
        return self._changed(record, "edited") if RECORD.fullmatch(record.key) else record.text

    def _changed(self, record: Record, member: str) -> str:
        try:
            document: Any = json.loads(record.text)
        except ValueError:
            return record.text  # damaged: it stays so
        if not isinstance(document, dict) or type(document.get(member)) is not int:
            return record.text
        old = document[member]
        new = (self._up_to if member == "since" else self._from)(old) if 0 < old < record.revision else 0
        told = {**document, member: new} if new else {name: one for name, one in document.items() if name != member}
        return json.dumps(told, ensure_ascii=False)

    def _up_to(self, old: int) -> int:
        """The new revision of the last that was written up to the old one."""
        at = bisect_right(self._old, old)
        return self._new[at - 1] if at else self._floor

    def _from(self, old: int) -> int:
        """The new revision of the first that was written from the old one on; 0: none was yet."""
        at = bisect_left(self._old, old)
        return self._new[at] if at < len(self._new) else 0
