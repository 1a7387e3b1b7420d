"""The texts that nobody is to see in what this agent tells: those of secrets, as they are and as they just were."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from confd.agent.inventory import Place
from confd.model import Outcome
from confd.secret import masked

__all__ = ["Unseen"]

_KEPT = 4
"""A container may still print what its secret was some changes ago."""


class Unseen:
    """Of all places of this host. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[Place, list[tuple[str, ...]]] = {}

    def note(self, place: Place, texts: Sequence[str]) -> None:
        with self._lock:
            known = self._texts.setdefault(place, [])
            if not known or known[-1] != tuple(texts):
                known.append(tuple(texts))
                del known[:-_KEPT]

    def mask(self, text: str) -> str:
        with self._lock:
            texts = {one for known in self._texts.values() for some in known for one in some}
        return masked(text, (one for one in texts if one in text))

    def stands_in(self, document: Any) -> bool:
        """Whether one of them stands in a document's texts."""
        text = json.dumps(document, ensure_ascii=False)
        return self.mask(text) != text

    def outcome(self, outcome: Outcome) -> Outcome:
        return replace(outcome, detail=self.mask(outcome.detail), log=self.mask(outcome.log))
