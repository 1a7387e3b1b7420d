"""What an env asks of its changes: read, and written as a change of the history that all its apps share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.approvals import approval_document
from confd.diff import Difference
from confd.envrules import parse_rules, rules_of, rules_text
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, Layer
from confd.model import EMPTY, ChangeKind, Head, Snapshot
from confd.services import changes
from confd.services.context import Context
from confd.services.gate import asking, store
from confd.services.meta import require_format
from confd.services.settings import Edit, Written, became, difference_document

__all__ = ["decide", "put", "read"]


def read(snapshot: Snapshot, env: Env) -> dict[str, Any]:
    """What holds in the env (`rules`), and what its own document says of it (`own`)."""
    rules, entry = rules_of(snapshot, env), snapshot.rules.get(env)
    whole = {
        "approval": approval_document(rules.approval),
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
    written = context.decided(_layer(env), lambda snapshot: decide(context, snapshot, env, text, wanted))
    document = {"change": written.change, "revision": written.revision}
    document |= {"proposal": written.proposal} if written.proposal else {}
    return {**document, "diff": difference_document(written.differences)}


def _layer(env: Env) -> Layer:
    return Layer(env, App(DEFAULT))


def decide(context: Context, snapshot: Snapshot, env: Env, text: str | None, wanted: Edit) -> Written:
    """As `put`, of a text, decided on one snapshot. Raises `Conflict` where it is old."""
    require_format(snapshot, 2, "a rule of an env")
    wanted.check(snapshot)
    entry, layer = snapshot.rules.get(env), _layer(env)
    before = entry.text if entry else None
    differences = (Difference("rules", before, text),) if text != before else ()
    number = snapshot.heads.get(layer, Head()).number
    written = Written(number, snapshot.revision, differences, EMPTY, after=snapshot)
    if wanted.dry_run or not differences:
        return replace(written, approval=asking(snapshot, layer))
    words: Mapping[str, str] = {"author": wanted.author, "message": wanted.message, "note": wanted.note, "at": ""}
    change = changes.draft(layer, {"rules": before}, {"rules": text}, kind=ChangeKind.RULES, **words)
    return became(written, store(context, snapshot, change, wanted.asked))
