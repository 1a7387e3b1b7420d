"""Policies: what an env lets containers be run with, as JSON Schemas over run options, and what is against them.

    violations(policies, options) -> what is against which rule, what is allowed, and what to do

The options are those that a container has, or would have. A write is asked for what it *brings in*: what was
against a policy before, and is as it was, is no reason to refuse anything; `confctl doctor --policies` tells of it.
"""

from confd.policies.documents import PRESETS, check_words, parse_policy, policies_of, policy_of, preset_rules
from confd.policies.judge import brought_in, fresh, violations
from confd.policies.words import in_words

__all__ = [
    "PRESETS",
    "brought_in",
    "check_words",
    "fresh",
    "in_words",
    "parse_policy",
    "policies_of",
    "policy_of",
    "preset_rules",
    "violations",
]
