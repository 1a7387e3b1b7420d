"""How a container is stopped and watched: as its binding says, else as its host does. Pure."""

from __future__ import annotations

from dataclasses import replace

from confd.actions.gate import MONITOR_S, Gate
from confd.actions.stopping import Stop
from confd.model import Binding

__all__ = ["MONITOR_S", "gate_of", "stop_of", "watched"]


def watched(binding: Binding, monitor_s: float) -> Binding:
    """The binding, with the host's word on how long a new container is watched where it has none of its own."""
    return binding if binding.monitor_s is not None else replace(binding, monitor_s=monitor_s)


def gate_of(binding: Binding) -> Gate:
    return Gate(MONITOR_S if binding.monitor_s is None else binding.monitor_s, binding.health_timeout_s)


def stop_of(binding: Binding) -> Stop:
    return Stop(f"SIG{binding.stop_signal}" if binding.stop_signal else "", binding.stop_timeout_s)
