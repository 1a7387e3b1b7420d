"""The values that flow through the product: frozen, read-only, without any behaviour that needs I/O.

    Entry -> Snapshot -> Resolved -> Rendered -> (with Observed) -> Plan -> Outcome

Values of settings are JSON text (`confd.jsontext`); equality is by text.
"""

from confd.model.bindings import (
    Binding,
    BindingFile,
    FileCheck,
    KeepLogs,
    Maintenance,
    OnChange,
    Secrets,
    Select,
    VariablesRule,
    Window,
)
from confd.model.due import Rendered, RenderedFile, Resolved
from confd.model.mappings import EMPTY, frozen, thawed
from confd.model.plans import (
    Applied,
    Cause,
    ContainerPlan,
    Effect,
    Hold,
    Observed,
    Outcome,
    Plan,
    Reason,
    Result,
    Step,
)
from confd.model.policies import Policy, Rule, Violation
from confd.model.reach import REACHES, Reach
from confd.model.settings import Brake, Change, ChangeKind, Entry, Head, HostState, Problem, Setting, Snapshot

__all__ = [
    "EMPTY",
    "REACHES",
    "Applied",
    "Binding",
    "BindingFile",
    "Brake",
    "Cause",
    "Change",
    "ChangeKind",
    "ContainerPlan",
    "Effect",
    "Entry",
    "FileCheck",
    "Head",
    "Hold",
    "HostState",
    "KeepLogs",
    "Maintenance",
    "Observed",
    "OnChange",
    "Outcome",
    "Plan",
    "Policy",
    "Problem",
    "Reach",
    "Reason",
    "Rendered",
    "RenderedFile",
    "Resolved",
    "Result",
    "Rule",
    "Secrets",
    "Select",
    "Setting",
    "Snapshot",
    "Step",
    "VariablesRule",
    "Violation",
    "Window",
    "frozen",
    "thawed",
]
