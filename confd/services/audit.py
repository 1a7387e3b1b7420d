"""The audit: who was shown which secrets, and who changed the keys they are sealed with; kept for a time.

It is written before an answer goes out: what cannot be noted down is not shown.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from confd.ports import Area, Delete, Put
from confd.services.context import Context

__all__ = ["KEPT", "KEPT_DAYS", "audited", "note"]

KEPT, KEPT_DAYS = 10_000, 90
"""So many acts are kept, and none for longer."""

SWEEP_EVERY = 100
AT_ONCE = 500


def note(context: Context, who: str, said: str, act: Mapping[str, Any]) -> None:
    """Write down an act. `who` is the token's name, which nobody can choose; `said` whom the client calls itself.

    Raises what the store raises.
    """
    at = context.clock.utc()
    with context.state.guard:
        number = context.state.acts
        context.state.acts += 1
    document = {"at": at, "who": who, **({"said": said} if said not in ("", who) else {}), **act}
    name = f"{context.keyspace.audit}{at}-{number:06d}-{secrets.token_hex(4)}"
    context.wrote(context.store.commit([Put(name, json.dumps(document, ensure_ascii=False))]))
    if number % SWEEP_EVERY == 0:
        _sweep(context, at)


def audited(context: Context, limit: int, before: str = "") -> dict[str, Any]:
    """The newest acts first; `before` is the id of the last one that is known, for the next page."""
    start = context.keyspace.audit
    listing = context.store.snapshot([Area(start)], keys_only=True)
    names = sorted((key for key in listing.entries if not before or key < start + before), reverse=True)[:limit]
    entries = context.store.read(names).entries
    acts = [{"id": name.removeprefix(start), **_document(entries[name].text)} for name in names if name in entries]
    return {"revision": listing.revision, "acts": acts}


def _document(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"what": "damaged"}


def _sweep(context: Context, now: str) -> None:
    start = context.keyspace.audit
    oldest = (datetime.fromisoformat(now) - timedelta(days=KEPT_DAYS)).strftime("%Y-%m-%dT%H:%M:%S")
    names = sorted(context.store.snapshot([Area(start)], keys_only=True).entries)
    gone: Sequence[str] = [name for at, name in enumerate(names) if at < len(names) - KEPT or name < start + oldest]
    for at in range(0, len(gone), AT_ONCE):
        context.store.commit([Delete(name) for name in gone[at : at + AT_ONCE]])
