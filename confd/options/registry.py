"""Every run option there is."""

from __future__ import annotations

from collections.abc import Mapping

from confd.options.access import ACCESS
from confd.options.container import CONTAINER
from confd.options.limits import LIMITS
from confd.options.option import Option

__all__ = ["OPTIONS"]

OPTIONS: Mapping[str, Option] = {option.name: option for option in (*LIMITS, *CONTAINER, *ACCESS)}
"""By name; any other key under `run/` is refused by name."""
