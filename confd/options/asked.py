"""What was asked for and an inspect does not tell: it is remembered in one label of the container.

Some options stand beside what a container or its image has of its own (labels, exposed ports, further networks),
and the engine writes another container's id where its name was given. The label says what such an option added
and what stood there before, so that it reads back as it was written and that an unset brings the former back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["LABEL", "NAMED", "asked_of", "remember"]

LABEL = "confd.asked"

NAMED = "confd.named"
"""Names the alias that a container was started with beside the one it replaces, so that both go by the name."""


def asked_of(labels: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """What is remembered of an option; empty where nothing is, or where somebody else wrote the label."""
    return _all(labels).get(name, {})


def remember(body: dict[str, Any], name: str, what: Mapping[str, Any]) -> None:
    """Write down in a create body's labels what an option has asked for; nothing takes it away."""
    labels: dict[str, Any] = dict(body.get("Labels") or {})
    known = {**_all(labels), name: dict(what)}
    known = {one: its for one, its in sorted(known.items()) if its}
    labels.pop(LABEL, None)
    body["Labels"] = {**labels, **({LABEL: json.dumps(known, separators=(",", ":"))} if known else {})}


def _all(labels: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(str((labels or {}).get(LABEL) or "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(one): its for one, its in found.items() if isinstance(its, dict)}
