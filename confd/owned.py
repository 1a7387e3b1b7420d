"""Which manifest owns which keys of a layer: what applying it has set, and may take away again. Pure.

A key belongs to the manifest that named it last. Whoever else writes the key takes it out of that one's hands, so
that a manifest never takes away what somebody set. The store has `{MANIFEST: [KEY, ...]}` beside each layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from confd import jsontext
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import Layer
from confd.model import Snapshot

__all__ = ["Claim", "owners_after", "owners_of", "owners_text"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A manifest, and all the keys that it names now."""

    manifest: str
    keys: Set[str]


def owners_of(snapshot: Snapshot, layer: Layer) -> dict[str, str]:
    """Key to manifest. A document that cannot be read owns nothing: then nothing is taken away by it."""
    entry = snapshot.owned.get(layer)
    try:
        value = jsontext.parse(entry.text) if entry else {}
    except Malformed:
        return {}
    members = value.items() if isinstance(value, Mapping) else ()
    return {key: name for name, keys in members for key in _keys(keys)}


def _keys(value: Value) -> Iterable[str]:
    return (key for key in value if isinstance(key, str)) if isinstance(value, list) else ()


def owners_after(owners: Mapping[str, str], touched: Set[str], claim: Claim | None) -> dict[str, str]:
    """Whose each key is after a write of these keys, by the manifest that claims them or by none."""
    gone = claim.manifest if claim else None
    left = {key: name for key, name in owners.items() if key not in touched and name != gone}
    return left | {key: claim.manifest for key in claim.keys} if claim else left


def owners_text(owners: Mapping[str, str]) -> str | None:
    """The document of the store; None where nothing is owned."""
    members: dict[str, list[str]] = {}
    for key, name in sorted(owners.items(), key=lambda pair: (pair[1], pair[0])):
        members.setdefault(name, []).append(key)
    return jsontext.dump(members) if members else None
