"""How well a process follows the store, in figures: those of an agent and those of the API are the same."""

from __future__ import annotations

import time

from confd import __version__
from confd.metrics import Kind, Metric, Samples
from confd.mirror import Mirror

__all__ = ["FOLLOWING", "following"]

_CURRENT = Metric("confd_watch_current", Kind.GAUGE, "1 while the watch on the store is up")
_SILENCE = Metric(
    "confd_watch_silence_seconds", Kind.GAUGE, "since the watch last showed that it lives; above 30 it is stuck"
)
_REVISION = Metric("confd_watch_revision", Kind.GAUGE, "newest store revision that the watch has reached")
_OPENINGS = Metric("confd_watch_openings_total", Kind.COUNTER, "how often the watch came up")
_RELISTS = Metric(
    "confd_watch_relists_total",
    Kind.COUNTER,
    "how often the full state was taken anew, since history was compacted or the store was another",
)
_REPAIRS = Metric(
    "confd_watch_repairs_total", Kind.COUNTER, "full comparisons that found what the watch had not told"
)
_BUILD = Metric("confd_build_info", Kind.GAUGE, "1; the version is a label", ("version",))

FOLLOWING = (_CURRENT, _SILENCE, _REVISION, _OPENINGS, _RELISTS, _REPAIRS, _BUILD)


def following(mirror: Mirror) -> Samples:
    """The figures of a mirror now."""
    return {
        _CURRENT: {(): mirror.current},
        _SILENCE: {(): time.monotonic() - mirror.heard_at},
        _REVISION: {(): mirror.reached},
        _OPENINGS: {(): mirror.openings},
        _RELISTS: {(): mirror.relists},
        _REPAIRS: {(): mirror.repairs},
        _BUILD: {(__version__,): 1},
    }
