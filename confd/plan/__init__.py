"""What has to be done to a container, from what differs between what it is due and what was observed.

Pure over digests: the agent plans with it before any effect, the API with what agents last published, and both
get the same value. Often the plan is empty. Each difference has a *required reach*; the binding's action for
the key is a ceiling that only `auto` or `escalate` climbs over; what may not be done is a blocked step, which
is visible, and not an error. A hold blocks whatever reaches as far as it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confd.keys import Key
from confd.model import Binding, ContainerPlan, Effect, Hold, Observed, Plan, Problem, Reach, Rendered, frozen
from confd.plan.bars import Case, holds_on, rejected
from confd.plan.choice import AFTERWARDS, Draft, rule_for, steps_blocked, steps_of
from confd.plan.needs import carriers, needs_of

__all__ = ["binding_problems", "effect_of", "make_plan", "rule_for"]


def make_plan(
    rendered: Rendered,
    binding: Binding,
    observed: Sequence[Observed],
    reaches: Mapping[str, Reach],
    holds: Sequence[Hold] = (),
) -> Plan:
    """The plan for all containers of an app in an env. `reaches` are the registered actions'.

    `holds` are those of the app in the env on the containers' host; each container's own are observed.
    """
    containers = tuple(_plan_container(rendered, binding, one, reaches, holds) for one in observed)
    return Plan(rendered.app, rendered.env, rendered.revision, rendered.spec_digest, containers)


def effect_of(
    key: Key,
    due: tuple[Rendered, Binding],
    observed: Observed,
    reaches: Mapping[str, Reach],
    holds: Sequence[Hold] = (),
) -> Effect:
    """What a change of this one key would cause in one container; `reaches` and `holds` as for a plan."""
    rendered, binding = due
    draft, case = Draft(), Case(rendered, observed, reaches, holds_on(observed, holds), binding.start_first)
    steps = steps_of(carriers(key, rendered, observed), binding, case, draft)
    doable = [step for step in steps if step.blocked is None]
    blocked = next((step.blocked for step in steps if step.blocked is not None), None)
    # of those that reach as far, the last: a signal after its file
    strongest = max(reversed(doable), key=lambda step: step.reach, default=None)
    if strongest is None:
        return Effect(observed.id, observed.name, "none", Reach.NONE, blocked)
    return Effect(observed.id, observed.name, strongest.action, strongest.reach, blocked)


def binding_problems(binding: Binding, rendered: Rendered) -> list[Problem]:
    """Rules that can never take effect for the settings there are: to be refused at write time."""
    carried = {*rendered.variable_keys.values(), *rendered.argument_keys}
    problems: list[Problem] = []
    carried -= {rendered.variable_keys[name] for name in rendered.shim_variables}
    for key in sorted(key for key in carried if not any(file.carries(key) for file in rendered.files)):
        rule = rule_for(binding, key)
        if rule.action in ("update", *AFTERWARDS) and not rule.escalate:
            detail = (
                f"on_change {rule.keys!r}: {rule.action} can never bring {key} into effect, since only variables "
                "or arguments carry it and they need a new container; use recreate or auto, set escalate: true, "
                "or render the key into a file"
            )
            problems.append(Problem("binding", (key,), detail))
    return problems


def _plan_container(
    rendered: Rendered, binding: Binding, observed: Observed, reaches: Mapping[str, Reach], holds: Sequence[Hold]
) -> ContainerPlan:
    holds = holds_on(observed, (*holds, *rejected(rendered, observed)))
    draft, case = Draft(), Case(rendered, observed, reaches, holds, binding.start_first)
    needs = needs_of(rendered, observed)
    if rendered.problems and observed.applied.revision > 0 and needs:
        steps = steps_blocked(needs, rendered.problems[0], case, draft)
    else:
        if not needs and observed.applied.failed == case.target:
            draft.due["recreate", ()] = {}  # it has all it is due, and was kept though it is not good
        steps = steps_of(needs, binding, case, draft)
    settles = {key: digest for key, digest in rendered.key_digests.items() if key not in draft.behind}
    return ContainerPlan(
        container=observed.id,
        name=observed.name,
        steps=steps,
        settles=frozen(settles),
        spec=None if draft.spec_behind else case.target,
        held=next((hold for hold in holds if hold.reach <= Reach.IN_PLACE), None),
    )
