"""Every run option there is."""

from __future__ import annotations

from collections.abc import Mapping

from confd.options.access import ACCESS
from confd.options.container import CONTAINER
from confd.options.exposed import EXPOSED
from confd.options.health import HEALTH
from confd.options.limits import LIMITS
from confd.options.mounts import MOUNTS
from confd.options.network import NETWORK
from confd.options.option import Option

__all__ = ["OPTIONS"]

OPTIONS: Mapping[str, Option] = {
    option.name: option for option in (*LIMITS, *CONTAINER, *HEALTH, *NETWORK, *EXPOSED, *MOUNTS, *ACCESS)
}
"""By name, in the order in which they are written; any other key under `run/` is refused by name."""
