"""What a change may do to a container: each action's name, how far it reaches, and what its target must be able to.

A new action is one module with NAME, REACH, REQUIRES and `apply`, and its line in `ACTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from confd.actions import exec as execute
from confd.actions import recreate, restart, signal, update
from confd.model import Reach

__all__ = ["ACTIONS", "REACHES"]

ACTIONS = (signal, execute, update, restart, recreate)

REACHES: Mapping[str, Reach] = {action.NAME: action.REACH for action in ACTIONS}
"""Every registered action's reach, for the planner and for the binding's check."""
