"""Which earlier state of a layer is the previous good one: not one at which an action on a container failed last.

What agents keep of the outcomes in their containers tells which failed; an outcome that is kept no more is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confd.keys import Layer
from confd.model import ChangeKind, Head, Result, Snapshot
from confd.outofband import HELD_NOTE
from confd.services import changes
from confd.services.context import Context
from confd.services.evidence import outcomes_of
from confd.services.scope import Scope

__all__ = ["previous_good"]


def previous_good(context: Context, snapshot: Snapshot, scope: Scope) -> int:
    """The change whose state is the newest good one before the present; where none is known, the one just before.

    Raises `NotFound` where the layer has no change of settings.
    """
    newest = changes.before_newest(context, snapshot, scope.layer)
    begins = _begins(context, snapshot, scope.layer)
    if len(begins) < 2:
        return newest
    failed = _failed(context, scope, begins)
    return next((number for _, number in begins[1:] if number not in failed), begins[1][1])


def _begins(context: Context, snapshot: Snapshot, layer: Layer) -> Sequence[tuple[int, int]]:
    """Revision and number of each change that brought in a state of its own, newest first.

    Where records were pruned the last is the state that the oldest record after them tells of.
    """
    found: list[tuple[int, int]] = []
    next_older = snapshot.heads.get(layer, Head()).number
    for change in changes.newest_first(context, layer, next_older):
        if change.number != next_older:
            return [*found, (0, next_older)]
        if change.kind is ChangeKind.SETTINGS and change.note != HELD_NOTE:
            found.append((change.edited or change.revision, change.number))
        next_older -= 1
    return found


def _failed(context: Context, scope: Scope, begins: Sequence[tuple[int, int]]) -> set[int]:
    """The changes during whose state the last outcome in some container was a failure."""
    failed = set[int]()
    for outcomes in outcomes_of(context, scope.place):
        last: Mapping[int, bool] = {
            number: one["result"] == Result.FAILED
            for one in outcomes
            if (number := _during(begins, one["revision"])) is not None
        }
        failed |= {number for number, is_failure in last.items() if is_failure}
    return failed


def _during(begins: Sequence[tuple[int, int]], revision: int) -> int | None:
    return next((number for began, number in begins if began <= revision), None)
