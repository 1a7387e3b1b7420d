"""What one instance is due: the document behind `config`, and the wait until it changes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from confd import jsontext
from confd.errors import Malformed
from confd.formats import FORMATS
from confd.keys import layers_of
from confd.model import Snapshot
from confd.secret import Digest
from confd.services.context import Context
from confd.services.outofband import in_effect
from confd.services.places import found_at, rendered_at
from confd.services.scope import Scope
from confd.shrink import is_vouched

__all__ = ["WHOLE", "config", "digest_of", "text_in"]

WHOLE = "json"
"""The format that is the whole document; the others are the variables alone."""


def config(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """The whole document. A key that cannot be rendered is left out; `problems` tells which.

    Of what was put straight into the store and is held by the env there is what was vouched for.

    `allow_shrink`: changes have left what there is, so that fewer keys than before are meant.
    """
    snapshot = in_effect(context, snapshot, scope.place)
    key = context.digest_key(snapshot)
    found = found_at(snapshot, scope.place)
    rendered, binding = rendered_at(snapshot, scope.place, key, found, here=True)
    changes = {
        str(layer): head.number
        for layer, head in snapshot.heads.items()
        if layer.env in (scope.env, "_default") and layer.app in (scope.app, "_default")
        if layer.host in (None, scope.host)
    }
    files = [
        {"path": file.path, "content": file.content, "mode": f"{file.mode:04o}", "owner": list(file.owner or ())}
        for file in rendered.files
    ]
    shown: dict[str, Any] = {
        "allow_shrink": is_vouched(snapshot, layers_of(scope.env, scope.app, scope.host), 0),
        "variables": dict(rendered.variables),
        "files": files,
    }
    return {
        "revision": snapshot.revision,
        "digest": key.digest("config", jsontext.dump(shown)),
        "changes": changes,
        **shown,
        "on_change": [asdict(rule) for rule in binding.on_change],
        "problems": [problem.detail for problem in rendered.problems],
    }


def digest_of(context: Context, snapshot: Snapshot, scope: Scope) -> Digest:
    """The digest of that document: equal digests, equal variables and files, and the same word on fewer of them."""
    return Digest(config(context, snapshot, scope)["digest"])


def text_in(document: dict[str, Any], format: str) -> str:
    """The variables alone in a registered format. Raises `Malformed` for an unknown one."""
    if format not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise Malformed(f"format {format!r} is unknown; known are: {known}", pointer="/format")
    return FORMATS[format].dump(document["variables"])
