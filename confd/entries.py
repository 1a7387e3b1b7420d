"""What the ledger knows of one container: its own spec, what is in effect, what became of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confd.keys import App, Env, Key
from confd.model import EMPTY, Applied, frozen
from confd.secret import Digest

__all__ = ["Base", "LedgerEntry", "dump", "parse"]


@dataclass(frozen=True, slots=True)
class Base:
    """A container's own spec: what it was created with before any setting reached it.

    `image_id` is the image it had, empty in what an agent of release 1 wrote; `inherited` are the variables, and
    under `run/` the options, that are as that image has them; `release` tells which options its agent knew.
    """

    variables: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    options: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    command: tuple[str, ...] | None = None
    image_id: str = ""
    inherited: tuple[str, ...] = ()
    release: int = 0


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of one container. `arguments` is the digest of the rendered arguments it was created with.

    `intent` is what was begun and not ended: the action and what its heal needs. Nothing is done to a container
    that is not `adopted`.
    """

    name: str
    app: App
    env: Env
    base: Base
    applied: Applied = field(default_factory=Applied)
    arguments: Digest | None = None
    intent: Mapping[str, Any] | None = None
    outcomes: tuple[Mapping[str, Any], ...] = ()
    adopted: bool = True
    came: bool = False
    """It was started under the agent's eyes, and did not run before."""

    @property
    def is_newcomer(self) -> bool:
        """Whether nothing is in effect yet in one that was started under the agent's eyes."""
        return self.came and self.applied.revision == 0


def dump(entry: LedgerEntry) -> str:
    base, applied = entry.base, entry.applied
    return json.dumps(
        {
            "name": entry.name,
            "app": entry.app,
            "env": entry.env,
            "base": {
                "variables": dict(base.variables),
                "options": dict(base.options),
                "command": list(base.command) if base.command is not None else None,
                "image_id": base.image_id,
                "inherited": list(base.inherited),
                "release": base.release,
            },
            "applied": {
                "revision": applied.revision,
                "spec": applied.spec,
                "keys": dict(applied.keys),
                "arguments": entry.arguments,
            },
            "failed": {"spec": applied.failed, "detail": applied.failed_detail} if applied.failed else None,
            "refused": applied.refused,
            "rejected": (
                {"files": applied.rejected, "detail": applied.rejected_detail} if applied.rejected else None
            ),
            "intent": entry.intent,
            "outcomes": list(entry.outcomes),
            "adopted": entry.adopted,
            "came": entry.came,
        },
        ensure_ascii=False,
    )


def parse(text: str) -> LedgerEntry | None:
    try:
        document = json.loads(text)
        base, applied, failed = document["base"], document["applied"], document["failed"] or {}
        rejected = document.get("rejected") or {}
        command = base["command"]
        keys = {Key(key): Digest(digest) for key, digest in applied["keys"].items()}
        return LedgerEntry(
            name=document["name"],
            app=App(document["app"]),
            env=Env(document["env"]),
            base=Base(
                frozen(dict(base["variables"])),
                frozen(dict(base["options"])),
                None if command is None else tuple(command),
                base.get("image_id", ""),
                tuple(base.get("inherited", ())),
                int(base.get("release", 0)),
            ),
            applied=Applied(
                int(applied["revision"]),
                applied["spec"],
                frozen(keys),
                failed.get("spec"),
                failed.get("detail", ""),
                document.get("refused"),
                rejected.get("files"),
                rejected.get("detail", ""),
            ),
            arguments=applied["arguments"],
            intent=document["intent"],
            outcomes=tuple(document["outcomes"]),
            adopted=bool(document.get("adopted", True)),
            came=bool(document.get("came", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
