"""Run options: what `docker run` takes, under the keys `run/...`, with its names and units.

    value --parse--> canonical JSON text --write--> create body ... inspect --read--> canonical JSON text

Canonical texts are compared, so that another spelling of the same value is no difference. An option is one
entry of a tuple in `limits`, `container`, `health`, `network`, `exposed`, `mounts` or `access`, and all that is
known of it stands there. Pure; knows no engine, only the shape of its documents (API 1.41, and what a newer one
has where an option says so).
"""

from confd.options.asked import NAMED
from confd.options.composed import COMPOSE_KEYS, composed, composed_networks
from confd.options.conflicts import EXEC, against_host, conflicts, not_allowed, not_executed
from confd.options.effect import (
    changed_by,
    differing,
    excluded_by,
    observed_options,
    overlay,
    read_back,
    update_fields,
    write_options,
)
from confd.options.fields import HIDDEN, FieldChange, field_changes
from confd.options.network import shares_network
from confd.options.option import Option, Place
from confd.options.plain import plain_options
from confd.options.registry import OPTIONS
from confd.options.spelled import spelled
from confd.options.texts import load
from confd.options.told import TOLD, limits_told, told_in
from confd.options.unsupported import UNSUPPORTED

__all__ = [
    "COMPOSE_KEYS",
    "EXEC",
    "HIDDEN",
    "NAMED",
    "OPTIONS",
    "TOLD",
    "UNSUPPORTED",
    "FieldChange",
    "Option",
    "Place",
    "against_host",
    "changed_by",
    "composed",
    "composed_networks",
    "conflicts",
    "differing",
    "excluded_by",
    "field_changes",
    "limits_told",
    "load",
    "not_allowed",
    "not_executed",
    "observed_options",
    "overlay",
    "plain_options",
    "read_back",
    "shares_network",
    "spelled",
    "told_in",
    "update_fields",
    "write_options",
]
