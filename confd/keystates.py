"""Where each key of an app stands in one container: in effect, or what keeps it from being so. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confd.keys import Key
from confd.model import Cause, ContainerPlan, Observed, Reach, Rendered, Step

__all__ = ["IN_EFFECT", "SHIM", "STATES", "KeyState", "states_of"]

IN_EFFECT, PENDING, NEEDS_RESTART = "in-effect", "pending", "needs-restart"
WINDOW, HELD, REFUSED, SHIM = "waits-for-window", "held", "refused", "shim"

STATES: Mapping[str, str] = {
    IN_EFFECT: "The container runs with it.",
    PENDING: "Its agent is about to bring it in.",
    NEEDS_RESTART: "It comes with the next new process or container: binding or label allow no more.",
    WINDOW: "It comes when a maintenance window opens.",
    HELD: "A brake, an adoption to be confirmed or another container's failure is in its way.",
    REFUSED: "Its host, the engine or the container refuses it, or it cannot be rendered.",
    SHIM: "The entrypoint in the container takes it over.",
}
"""Every state of a key, and what it means."""

_BY_CAUSE: Mapping[Cause, str] = {
    Cause.CEILING: NEEDS_RESTART,
    Cause.RULE: REFUSED,
    Cause.FAILED: REFUSED,
    Cause.WINDOW: WINDOW,
}


@dataclass(frozen=True, slots=True)
class KeyState:
    """One of `STATES`, and why, in words."""

    state: str
    why: str = ""


def states_of(rendered: Rendered, observed: Observed, plan: ContainerPlan) -> dict[Key, KeyState]:
    """Every key that the container is due, and each that has still to go from it; sorted."""
    by_shim = {*rendered.variable_keys.values(), *rendered.argument_keys} if observed.shim else set()
    found = {key: KeyState(SHIM if key in by_shim else IN_EFFECT) for key in rendered.key_digests}
    for key, digest in rendered.key_digests.items():
        if key not in by_shim and observed.applied.keys.get(key) != digest and key not in plan.settles:
            found[key] = KeyState(NEEDS_RESTART, "the binding has nothing done about it")
    refused = observed.applied.refused == rendered.target(shim=bool(observed.shim))
    for step in plan.steps:
        found |= dict(_of_step(step, refused))
    for problem in rendered.problems:
        found |= {Key(key): KeyState(REFUSED, problem.detail) for key in problem.keys}
    return dict(sorted(found.items()))


def _of_step(step: Step, refused: bool) -> Iterator[tuple[Key, KeyState]]:
    """What a step says of the keys it is for; `refused`: the engine has refused a live update of this spec."""
    if step.blocked is not None:
        state = KeyState(_BY_CAUSE.get(step.cause or Cause.RULE, HELD), step.blocked)
    elif step.action == "update" and refused:
        state = KeyState(REFUSED, "the engine refused the live update; `confctl why` tells what it said")
    else:
        state = KeyState(PENDING, step.action if step.reach < Reach.NEW_PROCESS else f"{step.action} is due")
    for reason in step.reasons:
        yield reason.key, state
