"""What has to be done to a container, from what differs between what it is due and what was observed.

Pure over digests: the agent plans with it before any effect, the API with what agents last published, and both
get the same value. Often the plan is empty. Each difference has a *required reach*; the binding's action for
the key is a ceiling that only `auto` or `escalate` climbs over; what may not be done is a blocked step, which
is visible, and not an error. A hold blocks whatever reaches as far as it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from confd.keys import Key, is_run_option, matches, option_of, specificity
from confd.model import (
    Binding,
    Cause,
    ContainerPlan,
    Effect,
    Hold,
    Observed,
    OnChange,
    Plan,
    Problem,
    Reach,
    Reason,
    Rendered,
    Step,
    frozen,
)
from confd.options import OPTIONS, against_host, changed_by, excluded_by, not_allowed, overlay, read_back
from confd.wording import not_again

__all__ = ["binding_problems", "effect_of", "make_plan", "rule_for"]


ADOPT = (
    "it ran before this agent first saw it, so nothing is done to it until somebody agrees; "
    "`confctl adopt` shows what differs and what it will do"
)


@dataclass(frozen=True, slots=True)
class _Need:
    """One difference: the key, what carries it, and how far one has to go at least."""

    key: Key
    kind: str  # variable, option, argument, file
    name: str
    required: Reach

    @property
    def reason(self) -> Reason:
        word = {"option": "run option", "argument": "arguments"}.get(self.kind, self.kind)
        return Reason(self.key, f"{word} {self.name}".rstrip())


@dataclass(frozen=True, slots=True)
class _Case:
    """What a container is due, what it is, and what may be done to it."""

    rendered: Rendered
    observed: Observed
    reaches: Mapping[str, Reach]
    holds: Sequence[Hold] = ()

    def reach(self, action: str) -> Reach:
        return self.reaches.get(action, Reach.IN_PLACE)

    def bar(self, action: str, reasons: Iterable[Reason]) -> Hold | None:
        """What keeps the action from being done for these reasons, or None."""
        reach = self.reach(action)
        held = next((one for one in self.holds if one.reach <= reach), None)
        return held or _obstacle(action, reach, self.rendered, self.observed, reasons)


@dataclass(slots=True)
class _Draft:
    """The choices made so far: action (signals by name) to reasons; blocked ones by action and text."""

    due: dict[tuple[str, str], dict[Reason, None]] = field(default_factory=dict)
    blocked: dict[tuple[str, str], dict[Reason, None]] = field(default_factory=dict)
    behind: set[Key] = field(default_factory=set)
    spec_behind: bool = False

    def choose(self, action: str, reason: Reason, signal: str = "") -> None:
        self.due.setdefault((action, signal), {})[reason] = None

    def block(self, action: str, why: str, need: _Need) -> None:
        self.blocked.setdefault((action, why), {})[need.reason] = None
        self.leave(need)

    def leave(self, need: _Need) -> None:
        self.behind.add(need.key)
        self.spec_behind = self.spec_behind or need.kind != "file"


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


def rule_for(binding: Binding, key: Key) -> OnChange:
    """What a change of the key does: the most specific pattern that matches, then the first; else `auto`."""
    fitting = [rule for rule in binding.on_change if matches(rule.keys, key)]
    if not fitting:
        return OnChange("**", "auto")
    return max(fitting, key=lambda rule: specificity(rule.keys))


def effect_of(
    key: Key,
    due: tuple[Rendered, Binding],
    observed: Observed,
    reaches: Mapping[str, Reach],
    holds: Sequence[Hold] = (),
) -> Effect:
    """What a change of this one key would cause in one container; `reaches` and `holds` as for a plan."""
    rendered, binding = due
    draft, case = _Draft(), _Case(rendered, observed, reaches, _holds_on(observed, holds))
    for need in _carriers(key, rendered, observed):
        _decide(need, rule_for(binding, key), rendered, observed, draft)
    _combine(draft, case)
    steps = _steps(draft, case)
    doable = [step for step in steps if step.blocked is None]
    blocked = next((step.blocked for step in steps if step.blocked is not None), None)
    # of those that reach as far, the last: a signal after its file
    strongest = max(reversed(doable), key=lambda step: step.reach, default=None)
    if strongest is None:
        return Effect(observed.id, observed.name, "none", Reach.NONE, blocked)
    return Effect(observed.id, observed.name, strongest.action, strongest.reach, blocked)


def binding_problems(binding: Binding, rendered: Rendered) -> list[Problem]:
    """Rules that can never take effect for the settings there are: to be refused at write time."""
    in_files = {key for file in rendered.files for key in file.keys}
    carried = {*rendered.variable_keys.values(), *rendered.argument_keys}
    problems: list[Problem] = []
    for key in sorted(carried - in_files):
        rule = rule_for(binding, key)
        if rule.action in ("signal", "update", "restart") and not rule.escalate:
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
    holds = _holds_on(observed, holds)
    draft, case = _Draft(), _Case(rendered, observed, reaches, holds)
    needs = [*_spec_needs(rendered, observed), *_file_needs(rendered, observed)]
    if rendered.problems and observed.applied.revision > 0 and needs:
        _block_all(needs, rendered.problems[0], draft)
    else:
        for need in needs:
            _decide(need, rule_for(binding, need.key), rendered, observed, draft)
        if not needs and observed.applied.failed == rendered.target(shim=bool(observed.shim)):
            draft.due["recreate", ""] = {}  # it has all it is due, and was kept though it is not good
        _combine(draft, case)
    steps = _steps(draft, case)
    settles = {key: digest for key, digest in rendered.key_digests.items() if key not in draft.behind}
    return ContainerPlan(
        container=observed.id,
        name=observed.name,
        steps=steps,
        settles=frozen(settles),
        spec=None if draft.spec_behind else rendered.target(shim=bool(observed.shim)),
        held=next((hold for hold in holds if hold.reach <= Reach.IN_PLACE), None),
    )


def _holds_on(observed: Observed, holds: Iterable[Hold]) -> tuple[Hold, ...]:
    """What keeps this one container from being touched: those of its app there, then its own."""
    adoption = "" if observed.adopted else ADOPT
    own = ((Cause.HELD, observed.held), (Cause.CONTESTED, observed.contested), (Cause.ADOPTION, adoption))
    return (
        *(one for one in holds if one.spares != observed.name),
        *(Hold(cause, why) for cause, why in own if why),
    )


# --- what differs ---------------------------------------------------------------------------------------


def _spec_needs(rendered: Rendered, observed: Observed) -> list[_Need]:
    in_effect = observed.applied.spec or observed.label_digest
    if in_effect == rendered.target(shim=bool(observed.shim)):
        return []
    needs = [] if observed.shim else list(_variable_needs(rendered, observed))
    needs += _option_needs(rendered, observed)
    if rendered.arguments_digest != observed.arguments:
        keys = rendered.argument_keys or (Key("arguments"),)
        changed = [key for key in keys if _changed(key, rendered, observed)]
        needs += [_Need(key, "argument", "", Reach.NEW_CONTAINER) for key in changed or keys[:1]]
    return needs


def _variable_needs(rendered: Rendered, observed: Observed) -> Iterable[_Need]:
    desired = {**observed.base_variables, **rendered.variable_digests}
    for name in sorted(desired.keys() | observed.variables.keys()):
        if desired.get(name) != observed.variables.get(name):
            key = rendered.variable_keys.get(name, Key(name))
            yield _Need(key, "variable", name, Reach.NEW_CONTAINER)


def _option_needs(rendered: Rendered, observed: Observed) -> Iterable[_Need]:
    desired = overlay(observed.base_options, rendered.options)
    due = read_back(desired)
    for name in sorted(due.keys() | observed.options.keys() - excluded_by(rendered.options)):
        if due.get(name) != observed.options.get(name):
            yield _Need(Key(f"run/{name}"), "option", name, _option_reach(name, desired, observed))


def _option_reach(name: str, desired: Mapping[str, str], observed: Observed) -> Reach:
    option = OPTIONS.get(name)
    if option is None or not option.live:
        return Reach.NEW_CONTAINER
    if name not in desired and not option.removal:
        return Reach.NEW_CONTAINER
    if any(other in observed.options for other in option.excludes):
        return Reach.NEW_CONTAINER
    return Reach.IN_PLACE


def _file_needs(rendered: Rendered, observed: Observed) -> Iterable[_Need]:
    acted = observed.applied.revision > 0 or observed.unfinished
    for file in rendered.files:
        differs = observed.files.get(file.path) != file.digest
        changed = [key for key in file.keys if _changed(key, rendered, observed)]
        if differs or (changed and acted):
            for key in changed or file.keys or (Key(file.path.strip("/")),):
                yield _Need(key, "file", file.path, Reach.IN_PLACE)


def _changed(key: Key, rendered: Rendered, observed: Observed) -> bool:
    return rendered.key_digests.get(key) != observed.applied.keys.get(key)


def _carriers(key: Key, rendered: Rendered, observed: Observed) -> Iterable[_Need]:
    """All that would differ if this key did."""
    if is_run_option(key):
        name = option_of(key)
        desired = {**overlay(observed.base_options, rendered.options), name: ""}
        yield _Need(key, "option", name, _option_reach(name, desired, observed))
        return
    for name, carried in rendered.variable_keys.items():
        if carried == key and not observed.shim:
            yield _Need(key, "variable", name, Reach.NEW_CONTAINER)
    if key in rendered.argument_keys:
        yield _Need(key, "argument", "", Reach.NEW_CONTAINER)
    for file in rendered.files:
        if key in file.keys:
            yield _Need(key, "file", file.path, Reach.IN_PLACE)


# --- what is done about it ------------------------------------------------------------------------------


def _decide(need: _Need, rule: OnChange, rendered: Rendered, observed: Observed, draft: _Draft) -> None:
    if need.kind == "file":
        _decide_file(need, rule, observed, draft)
    elif rule.action == "none":
        draft.leave(need)
    elif need.required is Reach.NEW_CONTAINER:
        _decide_new_container(need, rule, rendered, draft)
    else:
        _decide_live_option(need, rule, draft)


def _decide_file(need: _Need, rule: OnChange, observed: Observed, draft: _Draft) -> None:
    why = observed.unreachable_files.get(need.name)
    if why is not None:
        draft.block("files", f"{need.name}: {why}", need)
        return
    draft.choose("files", need.reason)
    action = "restart" if rule.action == "auto" else rule.action
    if action == "recreate":
        draft.choose("recreate", need.reason)
    elif action in ("signal", "restart") and observed.running:
        draft.choose(action, need.reason, rule.signal if action == "signal" else "")


def _decide_new_container(need: _Need, rule: OnChange, rendered: Rendered, draft: _Draft) -> None:
    if rule.action in ("auto", "recreate") or rule.escalate:
        draft.choose("recreate", need.reason)
        return
    if rule.action in ("signal", "restart") and any(need.key in file.keys for file in rendered.files):
        draft.spec_behind = True  # the file brings the value in; the variable follows with the next new container
        return
    why = (
        f"{need.key} needs a new container and the binding allows no more than {rule.action}; "
        "set its action to recreate or auto, or escalate: true"
    )
    draft.block("recreate", why, need)


def _decide_live_option(need: _Need, rule: OnChange, draft: _Draft) -> None:
    if rule.action == "recreate":
        draft.choose("recreate", need.reason)
        return
    draft.choose("update", need.reason)
    if rule.action == "restart":
        draft.choose("restart", need.reason)


def _block_all(needs: Iterable[_Need], problem: Problem, draft: _Draft) -> None:
    for need in needs:
        draft.block("recreate", f"invalid: {problem.detail}", need)


def _combine(draft: _Draft, case: _Case) -> None:
    """In-place actions add up, a restart replaces signals, a new container replaces all but the files.

    What takes another's place has its reasons too. What a rule keeps from being done takes nobody's place.
    """
    for strongest, replaced in (("recreate", ("update", "signal", "restart")), ("restart", ("signal",))):
        if (strongest, "") in draft.due:
            bar = case.bar(strongest, draft.due[strongest, ""])
            if bar is not None and bar.cause in (Cause.RULE, Cause.STOPPED):
                continue
            for pair in [pair for pair in draft.due if pair[0] in replaced]:
                draft.due[strongest, ""] |= draft.due.pop(pair)


ORDER = ("files", "update", "signal", "restart", "recreate")


def _steps(draft: _Draft, case: _Case) -> tuple[Step, ...]:
    steps: list[Step] = []
    for (action, signal), reasons in sorted(draft.due.items(), key=lambda item: ORDER.index(item[0][0])):
        parameters: dict[str, str] = {"signal": signal} if action == "signal" else {}
        if action == "update":
            parameters = _update_parameters(reasons, case.rendered, case.observed)
        hold = case.bar(action, reasons)
        if hold is not None:
            _stay_behind(action, reasons, draft)
        why, cause = (hold.why, hold.cause) if hold is not None else (None, None)
        steps.append(Step(action, case.reach(action), tuple(reasons), frozen(parameters), why, cause))
    for (action, told), reasons in draft.blocked.items():
        steps.append(Step(action, case.reach(action), tuple(reasons), blocked=told, cause=Cause.RULE))
    return tuple(steps)


def _stay_behind(action: str, reasons: Iterable[Reason], draft: _Draft) -> None:
    draft.behind.update(reason.key for reason in reasons)
    draft.spec_behind = draft.spec_behind or action in ("update", "recreate")


def _update_parameters(reasons: Iterable[Reason], rendered: Rendered, observed: Observed) -> dict[str, str]:
    desired = overlay(observed.base_options, rendered.options)
    names = {option_of(reason.key) for reason in reasons if is_run_option(reason.key)}
    return {name: desired.get(name) or OPTIONS[name].removal for name in sorted(names)}


def _obstacle(
    action: str, reach: Reach, rendered: Rendered, observed: Observed, reasons: Iterable[Reason]
) -> Hold | None:
    """Why this host or container does not let the action be done, or None."""
    if reach > observed.max_reach:
        return _ruled_out(f"the container's label max-reach allows no more than {observed.max_reach.word}")
    if action not in ("update", "recreate"):
        return None
    names = {option_of(reason.key) for reason in reasons if is_run_option(reason.key)}
    refused = _host_refuses(None if action == "recreate" else names, rendered, observed)
    if refused or action == "update":
        return _ruled_out(refused)
    if observed.applied.failed == rendered.target(shim=bool(observed.shim)):
        why = observed.applied.failed_detail or "the last try failed"
        return Hold(Cause.FAILED, not_again(why))
    return _ruled_out(observed.obstacles[0] if observed.obstacles else "")


def _ruled_out(why: str) -> Hold | None:
    return Hold(Cause.RULE, why) if why else None


def _host_refuses(names: Collection[str] | None, rendered: Rendered, observed: Observed) -> str:
    """What would be another then and is not the store's to change here; `names`: of these options alone.

    The base stands in the store too. So all that differs from what the container has is looked at, whether a
    setting, the base or an unset brings it in.
    """
    due = changed_by(overlay(observed.base_options, rendered.options), observed.options)
    due = {name: text for name, text in due.items() if names is None or name in names}
    asked = {name: text for name, text in due.items() if name in rendered.options and text}
    problems = [*not_allowed(due, observed.facts), *against_host(asked, observed.facts)]
    return "; ".join(problem.detail for problem in problems)
