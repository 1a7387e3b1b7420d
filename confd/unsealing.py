"""Between resolving and rendering: secrets are opened. Pure."""

from __future__ import annotations

from dataclasses import replace

from confd.errors import Invalid
from confd.keyring import Keyring
from confd.keys import Key
from confd.model import Problem, Resolved, Setting, frozen

__all__ = ["unsealed"]


def unsealed(resolved: Resolved, ring: Keyring) -> Resolved:
    """The settings with their secrets in the clear; one that does not open is left out, and told as a problem."""
    if not any(setting.secret for setting in resolved.settings.values()):
        return resolved
    settings: dict[Key, Setting] = {}
    problems = list(resolved.problems)
    for key, setting in resolved.settings.items():
        if not setting.secret:
            settings[key] = setting
            continue
        try:
            text = ring.open(setting.text, setting.layer, key)
        except Invalid as error:
            problems.append(Problem("secret", (key,), error.detail))
            continue
        settings[key] = replace(setting, text=text)
    return replace(resolved, settings=frozen(settings), problems=tuple(problems))
