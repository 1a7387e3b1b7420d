"""Run options: what `docker run` takes, under the keys `run/...`, with its names and units.

    value --parse--> canonical JSON text --write--> create body ... inspect --read--> canonical JSON text

Canonical texts are compared, so that another spelling of the same value is no difference. An option is one
entry of a tuple in `limits`, `container` or `access`, and all that is known of it stands there. Pure; knows no
engine, only the shape of its documents (API 1.41).
"""

from confd.options.access import UNSUPPORTED, shares_network
from confd.options.conflicts import against_host, conflicts, not_allowed
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
from confd.options.option import Option, Place
from confd.options.plain import plain_options
from confd.options.registry import OPTIONS
from confd.options.spelled import composed, spelled
from confd.options.texts import load

__all__ = [
    "OPTIONS",
    "UNSUPPORTED",
    "Option",
    "Place",
    "against_host",
    "changed_by",
    "composed",
    "conflicts",
    "differing",
    "excluded_by",
    "load",
    "not_allowed",
    "observed_options",
    "overlay",
    "plain_options",
    "read_back",
    "shares_network",
    "spelled",
    "update_fields",
    "write_options",
]
