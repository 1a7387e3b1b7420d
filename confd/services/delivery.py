"""What one instance is due: the document behind `config`, and the wait until it changes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from confd import jsontext
from confd.errors import Malformed
from confd.formats import FORMATS
from confd.keys import layers_of
from confd.model import Rendered, RenderedFile, Snapshot
from confd.secret import Digest
from confd.secretfiles import is_secret_path
from confd.services import audit
from confd.services.context import Context
from confd.services.outofband import in_effect
from confd.services.places import found_at, rendered_at
from confd.services.revealing import Asker, check_right
from confd.services.scope import Scope
from confd.shrink import is_vouched

__all__ = ["WHOLE", "check_reveal", "config", "digest_of", "text_in"]

log = logging.getLogger(__name__)

WHOLE = "json"
"""The format that is the whole document; the others are the variables alone."""


def config(context: Context, snapshot: Snapshot, scope: Scope, *, reveal: bool = False) -> dict[str, Any]:
    """The whole document. A key that cannot be rendered is left out; `problems` tells which.

    Of what was put straight into the store and is held by the env there is what was vouched for.

    `allow_shrink`: changes have left what there is, so that fewer keys than before are meant. Without `reveal` all
    that has a secret in it is left out; with it `secrets` are those that have files, as variables. `secret` names
    the keys. The digest covers all in any case.
    """
    snapshot = in_effect(context, snapshot, scope.place)
    sight = context.sight(snapshot)
    found = found_at(snapshot, scope.place)
    rendered, binding = rendered_at(snapshot, scope.place, sight, found, here=True)
    changes = {
        str(layer): head.number
        for layer, head in snapshot.heads.items()
        if layer.env in (scope.env, "_default") and layer.app in (scope.app, "_default")
        if layer.host in (None, scope.host)
    }
    vouched = is_vouched(snapshot, layers_of(scope.env, scope.app, scope.host), 0)
    whole = {"allow_shrink": vouched, **_shown(rendered, reveal=True)}
    return {
        "revision": snapshot.revision,
        "digest": sight.digest_key.digest("config", jsontext.dump(whole)),
        "changes": changes,
        **(whole if reveal else {"allow_shrink": vouched, **_shown(rendered, reveal=False)}),
        "on_change": [asdict(rule) for rule in binding.on_change],
        "problems": [problem.detail for problem in rendered.problems],
    }


def check_reveal(context: Context, scope: Scope, keys: Sequence[str], asker: Asker, instance: str) -> None:
    """Raises `Refused` for a token that may not see these secrets; the audit tells of whoever else gets them.

    Of an instance, which has them because the binding says so, the log tells alone: it has to start also while
    nothing can be written.
    """
    if not keys:
        return
    check_right(asker)
    if instance:
        log.info(
            "secrets of %s@%s go to instance %r, by the token %s", scope.app, scope.env, instance[:100], asker.who
        )
        return
    act = {"what": "reveal", "env": scope.env, "app": scope.app, "host": scope.host, "keys": list(keys)}
    audit.note(context, asker.who, asker.said, act)


def _shown(rendered: Rendered, *, reveal: bool) -> dict[str, Any]:
    secret = {name for name, key in rendered.variable_keys.items() if key in rendered.secret_keys}
    variables = {**rendered.variables, **rendered.shim_variables}
    filed = {file.path: file.content for file in rendered.files if is_secret_path(file.path)}
    secrets = {
        PurePosixPath(path).name: filed[path]
        for name, path in rendered.variables.items()
        if rendered.is_path(name) and path in filed
    }
    return {
        "variables": {name: text for name, text in sorted(variables.items()) if reveal or name not in secret},
        "files": [_file(one) for one in rendered.files if reveal or not (one.secrets or one.path in filed)],
        "secrets": secrets if reveal else {},
        "secret": sorted(rendered.secret_keys),
    }


def _file(file: RenderedFile) -> dict[str, Any]:
    owner = list(file.owner or ())
    return {"path": file.path, "content": file.content, "mode": f"{file.mode:04o}", "owner": owner}


def digest_of(context: Context, snapshot: Snapshot, scope: Scope) -> Digest:
    """The digest of that document: equal digests, equal variables and files, and the same word on fewer of them."""
    return Digest(config(context, snapshot, scope)["digest"])


def text_in(document: dict[str, Any], format: str) -> str:
    """The variables alone in a registered format. Raises `Malformed` for an unknown one."""
    if format not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise Malformed(f"format {format!r} is unknown; known are: {known}", pointer="/format")
    return FORMATS[format].dump(document["variables"])
