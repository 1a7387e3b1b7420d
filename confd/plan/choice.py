"""The cheapest sufficient action for each difference, and all of them together as steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from confd.keys import Key, is_run_option, matches, option_of, specificity
from confd.model import EMPTY, Binding, Cause, Observed, OnChange, Problem, Reach, Reason, Rendered, Step, frozen
from confd.options import OPTIONS, overlay
from confd.plan.bars import Case
from confd.plan.needs import Need

__all__ = ["AFTERWARDS", "Draft", "rule_for", "steps_blocked", "steps_of"]


Call = tuple[str, tuple[tuple[str, str], ...]]
"""An action with what the binding gives it: two signals are two calls."""

AFTERWARDS = ("signal", "exec", "restart")
"""What a rule may ask for on top of what brings a value in, so that the app takes it over."""


@dataclass(slots=True)
class Draft:
    """The choices made so far: calls to their reasons; blocked ones by action, text and cause."""

    due: dict[Call, dict[Reason, None]] = field(default_factory=dict)
    blocked: dict[tuple[str, str, Cause], dict[Reason, None]] = field(default_factory=dict)
    behind: set[Key] = field(default_factory=set)
    spec_behind: bool = False

    def choose(self, action: str, reason: Reason, parameters: Mapping[str, str] = EMPTY) -> None:
        self.due.setdefault((action, tuple(parameters.items())), {})[reason] = None

    def block(self, action: str, need: Need, why: str, cause: Cause = Cause.RULE) -> None:
        self.blocked.setdefault((action, why, cause), {})[need.reason] = None
        self.leave(need)

    def leave(self, need: Need) -> None:
        self.behind.add(need.key)
        self.spec_behind = self.spec_behind or need.kind not in ("file", "shim")


NO_SHIM = (
    "is a secret that the binding leaves to the shim, and this container has none (label confd.shim=http); run it "
    "under confd-entrypoint, or set secrets: file in the binding"
)


def rule_for(binding: Binding, key: Key) -> OnChange:
    """What a change of the key does: the most specific pattern that matches, then the first; else `auto`.

    What the app's schema says of the key comes before a rule for all keys.
    """
    fitting = [rule for rule in binding.on_change if matches(rule.keys, key)]
    rule = max(fitting, key=lambda rule: specificity(rule.keys), default=OnChange("**", "auto"))
    return binding.by_schema.get(key, rule) if rule.keys == "**" else rule


def steps_of(needs: Iterable[Need], binding: Binding, case: Case, draft: Draft) -> tuple[Step, ...]:
    """The steps for these differences, weakest first; `draft` then tells what stays behind."""
    for need in needs:
        rule = rule_for(binding, need.key)
        if rule is binding.by_schema.get(need.key):
            need = replace(need, rule=rule.words)  # noqa: PLW2901 - the same one, told with whose rule it is
        _decide(need, rule, case, draft)
    _combine(draft, case)
    return _steps(draft, case)


def steps_blocked(needs: Iterable[Need], problem: Problem, case: Case, draft: Draft) -> tuple[Step, ...]:
    """All differences as blocked, since what is due is not whole; `draft` as above."""
    for need in needs:
        draft.block("recreate", need, f"invalid: {problem.detail}")
    return _steps(draft, case)


def _decide(need: Need, rule: OnChange, case: Case, draft: Draft) -> None:
    if need.kind == "file":
        _decide_file(need, rule, case, draft)
    elif need.kind == "shim":
        draft.block("recreate", need, f"{need.key} {NO_SHIM}")
    elif rule.action == "none":
        draft.leave(need)
    elif need.required is Reach.NEW_CONTAINER:
        _decide_new_container(need, rule, case.rendered, draft)
    else:
        _decide_live_option(need, rule, case, draft)


def _decide_file(need: Need, rule: OnChange, case: Case, draft: Draft) -> None:
    why = case.not_written(need.name)
    if why:
        draft.block("files", need, why)
        return
    draft.choose("files", need.reason)
    action = "restart" if rule.action == "auto" else rule.action
    if action == "recreate":
        draft.choose("recreate", need.reason)
    elif action in AFTERWARDS and case.observed.running:
        draft.choose(action, need.reason, rule.parameters)


def _decide_new_container(need: Need, rule: OnChange, rendered: Rendered, draft: Draft) -> None:
    if rule.action in ("auto", "recreate") or rule.escalate:
        draft.choose("recreate", need.reason)
        return
    brought = need.kind not in ("path", "folder")
    if brought and rule.action in AFTERWARDS and any(file.carries(need.key) for file in rendered.files):
        draft.spec_behind = True  # the file brings the value in; the variable follows with the next new container
        return
    why = (
        f"{need.key} needs a new container and the binding allows no more than {rule.action}; "
        "set its action to recreate or auto, or escalate: true"
    )
    draft.block("recreate", need, why, Cause.CEILING)


def _decide_live_option(need: Need, rule: OnChange, case: Case, draft: Draft) -> None:
    """In place, unless the rule wants a new container, or climbs to one once the engine has refused the update.

    An app is told of a new limit where the rule is one for run options, and not where it is for all that it reads.
    """
    refused = case.observed.applied.refused == case.target
    if rule.action == "recreate" or (refused and rule.escalate):
        draft.choose("recreate", need.reason)
        return
    draft.choose("update", need.reason)
    if rule.action == "restart" or (rule.action in AFTERWARDS and rule.keys.startswith("run/")):
        draft.choose(rule.action, need.reason, rule.parameters)


_PASSED_BY = (Cause.CEILING, Cause.RULE, Cause.STOPPED, Cause.WINDOW)


def _combine(draft: Draft, case: Case) -> None:
    """In-place actions add up, a restart replaces signals and commands, a new container all but the files.

    What takes another's place has its reasons too. What a rule or a closed window keeps from being done takes
    nobody's place.
    """
    told = ("signal", "exec")
    for strongest, replaced in (("recreate", ("update", *told, "restart")), ("restart", told)):
        if (strongest, ()) in draft.due:
            bar = case.bar(strongest, draft.due[strongest, ()])
            if bar is not None and bar.cause in _PASSED_BY:
                continue
            for call in [call for call in draft.due if call[0] in replaced]:
                draft.due[strongest, ()] |= draft.due.pop(call)


ORDER = ("files", "update", "signal", "exec", "restart", "recreate")


def _steps(draft: Draft, case: Case) -> tuple[Step, ...]:
    steps: list[Step] = []
    for (action, given), reasons in sorted(draft.due.items(), key=lambda item: ORDER.index(item[0][0])):
        parameters = dict(given)
        if action == "update":
            parameters = _update_parameters(reasons, case.rendered, case.observed)
        hold = case.bar(action, reasons)
        if hold is not None:
            _stay_behind(action, reasons, draft)
        step = Step(action, case.reach(action), tuple(reasons), frozen(parameters))
        steps.append(replace(step, blocked=hold.why, cause=hold.cause) if hold is not None else step)
    for (action, told, cause), reasons in draft.blocked.items():
        steps.append(Step(action, case.reach(action), tuple(reasons), blocked=told, cause=cause))
    return tuple(steps)


def _stay_behind(action: str, reasons: Iterable[Reason], draft: Draft) -> None:
    draft.behind.update(reason.key for reason in reasons)
    draft.spec_behind = draft.spec_behind or action in ("update", "recreate")


def _update_parameters(reasons: Iterable[Reason], rendered: Rendered, observed: Observed) -> dict[str, str]:
    desired = overlay(observed.base_options, rendered.options)
    names = {option_of(reason.key) for reason in reasons if is_run_option(reason.key)}
    return {name: desired.get(name) or OPTIONS[name].removal for name in sorted(names)}
