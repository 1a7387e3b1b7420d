"""What an env asks of its changes: read, and written as a change of the history that all its apps share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confd import jsontext
from confd.diff import Difference
from confd.envrules import parse_rules, rules_of, rules_text
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, Layer
from confd.model import ChangeKind, Head, Snapshot
from confd.services import changes
from confd.services.context import Context
from confd.services.meta import require_format
from confd.services.settings import Edit, difference_document

__all__ = ["put", "read"]


def read(snapshot: Snapshot, env: Env) -> dict[str, Any]:
    """What holds in the env (`rules`), and what its own document says of it (`own`)."""
    rules, entry = rules_of(snapshot, env), snapshot.rules.get(env)
    whole = {
        "approval": rules.approval,
        "out_of_band": rules.out_of_band,
        "records": {"changes": rules.keep_changes, "days": rules.keep_days},
    }
    return {"revision": snapshot.revision, "env": env, "rules": whole, "own": _own(entry.text) if entry else {}}


def _own(text: str) -> Value:
    """The document; of one that cannot be read its text."""
    try:
        return jsontext.parse(text)
    except Malformed:
        return text


def put(context: Context, env: Env, document: Value, wanted: Edit) -> dict[str, Any]:
    """Store an env's own rules in the place of those that it had; none (`{}`): those of `_default` hold.

    Raises `Malformed`, and what a change raises.
    """
    parsed = parse_rules(document)
    text = rules_text(parsed) if parsed else None
    return context.decided(_layer(env), lambda snapshot: _decide(context, snapshot, env, text, wanted))


def _layer(env: Env) -> Layer:
    return Layer(env, App(DEFAULT))


def _decide(context: Context, snapshot: Snapshot, env: Env, text: str | None, wanted: Edit) -> dict[str, Any]:
    require_format(snapshot, 2, "a rule of an env")
    wanted.check(snapshot)
    entry, layer = snapshot.rules.get(env), _layer(env)
    before = entry.text if entry else None
    differences = (Difference("rules", before, text),) if text != before else ()
    number, revision = snapshot.heads.get(layer, Head()).number, snapshot.revision
    if differences and not wanted.dry_run:
        words: Mapping[str, str] = {"author": wanted.author, "message": wanted.message, "at": ""}
        change = changes.draft(layer, {"rules": before}, {"rules": text}, kind=ChangeKind.RULES, **words)
        stored, revision = changes.commit(context, snapshot, change)
        number = stored.number
    return {"change": number, "revision": revision, "diff": difference_document(differences)}
