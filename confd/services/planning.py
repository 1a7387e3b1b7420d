"""The plan that agents would make for a container, from what they told of it last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confd.holds import holds_of
from confd.keys import Key
from confd.model import EMPTY, Binding, ContainerPlan, Effect, Hold, Observed, Rendered, Snapshot
from confd.plan import effect_of, make_plan
from confd.services.context import Context
from confd.services.places import Place, rendered_at
from confd.windows import closed

__all__ = ["Planner"]


class Planner:
    """Plans by one snapshot; what the containers of a place are due is made once for all that are there."""

    def __init__(self, context: Context, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._reaches, self._sight, self._at = context.reaches, context.sight(snapshot), context.clock.utc()
        self._known: dict[tuple[Place, bool, tuple[tuple[str, str], ...]], tuple[Rendered, Binding]] = {}

    def due(
        self, place: Place, found: Mapping[str, str] = EMPTY, *, here: bool = False
    ) -> tuple[Rendered, Binding]:
        """`found`: what references to containers stand for, as an agent has told; `here`: of all of them."""
        at = (place, here, tuple(sorted(found.items())))
        if at not in self._known:
            self._known[at] = rendered_at(self.snapshot, place, self._sight, found, here=here)
        return self._known[at]

    def plan(self, place: Place, observed: Observed, holds: Sequence[Hold] | None = None) -> ContainerPlan:
        """`place` has the container's host. Without `holds`, with those that the snapshot tells of."""
        return self.planned(self.due(place, observed.found), place, observed, holds)

    def planned(
        self,
        due: tuple[Rendered, Binding],
        place: Place,
        observed: Observed,
        holds: Sequence[Hold] | None = None,
    ) -> ContainerPlan:
        """The same, for what a container is due."""
        rendered, binding = due
        if holds is None:
            holds = self._holds(place, observed)
        return make_plan(rendered, binding, [observed], self._reaches, holds).containers[0]

    def effect(self, key: Key, place: Place, observed: Observed) -> Effect:
        """What a change of the key would cause in the container, with the holds that the snapshot tells of."""
        return effect_of(
            key, self.due(place, observed.found), observed, self._reaches, self._holds(place, observed)
        )

    def _holds(self, place: Place, observed: Observed) -> Sequence[Hold]:
        spares = (observed.name,) if observed.newcomer else ()
        closes = closed(self.due(place)[1].maintenance, self._at, spares)
        return (*holds_of(self.snapshot, place.env, place.app, place.host), *closes)
