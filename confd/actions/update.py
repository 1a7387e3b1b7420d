"""Change limits of a running container in place, and look whether the engine did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from confd.errors import EngineRefused
from confd.model import Reach
from confd.options import observed_options, read_back, update_fields
from confd.ports import Inspect, Target, Updates

__all__ = ["NAME", "REACH", "REQUIRES", "apply"]

NAME = "update"
REACH = Reach.IN_PLACE
REQUIRES = (Updates,)


class _Able(Target, Updates, Protocol):
    pass


def apply(target: _Able, inspect: Inspect, options: Mapping[str, str]) -> None:
    """Bring the options in. Raises `EngineRefused`; the engine's 200 alone is not believed."""
    container = str(inspect["Id"])
    try:
        target.update(container, update_fields(options, inspect))
    except EngineRefused as error:
        before, now = observed_options(inspect), observed_options(target.inspect(container))
        kept = "; it keeps what it had" if all(now.get(name) == before.get(name) for name in options) else ""
        raise EngineRefused(f"{error.detail}{kept}") from error
    now = observed_options(target.inspect(container))
    due = read_back({**now, **options})
    for name in options:
        if now.get(name) != due.get(name):
            raise EngineRefused(f"run/{name}: the engine took the update and did not change it; use recreate")
