"""Every field of a container's inspect that its plan changes. Pure; no value of a variable or argument is told."""

from __future__ import annotations

from confd.keys import is_run_option, option_of
from confd.model import ContainerPlan, Observed, Rendered
from confd.options import HIDDEN, FieldChange, field_changes, overlay

__all__ = ["fields_of"]


def fields_of(plan: ContainerPlan, rendered: Rendered, observed: Observed) -> tuple[FieldChange, ...]:
    """What an inspect will tell otherwise once the due steps are done: options by value, the rest by name alone.

    Ids, times and what else an engine gives each container anew are not told.
    """
    due = {step.action: step for step in plan.due}
    secret = {option_of(key) for key in rendered.secret_keys if is_run_option(key)}
    if "recreate" in due:
        desired = overlay(observed.base_options, rendered.options)
        variables = () if observed.shim else _variables(rendered, observed)
        changes = field_changes(observed.options, desired, variables, secret)
        if rendered.arguments_digest != observed.arguments:
            changes = (*changes, FieldChange("Config.Cmd", HIDDEN, HIDDEN))
        if rendered.needs_folder or observed.secrets:
            had, due_now = (HIDDEN if has else "" for has in (observed.secrets, rendered.needs_folder))
            changes = (*changes, FieldChange("HostConfig.Mounts", had, due_now))
        return changes
    if "update" in due:
        desired = {**observed.options, **due["update"].parameters}
        return field_changes(observed.options, desired, (), secret)
    return ()


def _variables(rendered: Rendered, observed: Observed) -> tuple[str, ...]:
    """The names of those that differ."""
    now, due = observed.variables, {**observed.base_variables, **rendered.variable_digests}
    return tuple(sorted(name for name in now.keys() | due.keys() if now.get(name) != due.get(name)))
