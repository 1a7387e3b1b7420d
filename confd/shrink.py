"""The shrink guard: what takes so many keys away that it is held, and what a change has vouched for. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set

from confd.keys import Layer
from confd.model import EMPTY, Snapshot

__all__ = ["LEAST_DROPPED", "is_shrink", "is_vouched", "names_digest", "shows_all"]

LEAST_DROPPED = 2
"""One key that is named is no accident; this many in one change may be."""


def is_shrink(was: Set[str], now: Set[str]) -> bool:
    """Whether more than a third of the keys went, or all of several."""
    gone = len(was - now)
    return gone >= LEAST_DROPPED and (3 * gone > len(was) or gone == len(was))


def names_digest(names: Iterable[str]) -> str:
    """What the head of a layer keeps of the keys that its changes left there; never empty."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:32]


def shows_all(snapshot: Snapshot, layer: Layer) -> bool:
    """Whether the layer has the very keys that its newest change left; True where no change has told."""
    head = snapshot.heads.get(layer)
    if head is None or not head.names:
        return True
    return head.names == names_digest(snapshot.layers.get(layer, EMPTY))


def is_vouched(snapshot: Snapshot, layers: Iterable[Layer], since: int) -> bool:
    """Whether a change may be why keys are gone that were there at a revision.

    Some layer was changed after it, and each has the keys that its changes left.
    """
    of = [(layer, snapshot.heads[layer]) for layer in layers if layer in snapshot.heads]
    return any(head.revision > since for _, head in of) and all(shows_all(snapshot, layer) for layer, _ in of)
